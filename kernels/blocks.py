"""Gather KV blocks into one buffer (before they leave the GPU), and scatter them back."""

from typing import Any

import triton
import triton.language as tl

TILE = 1024


@triton.jit
def _move(FROM, TO, IDS, words, GATHER: tl.constexpr, TILE: tl.constexpr):
    place = tl.program_id(0).to(tl.int64) * words
    block = tl.load(IDS + tl.program_id(0)).to(tl.int64) * words
    at = tl.program_id(1) * TILE + tl.arange(0, TILE)
    source, target = (block, place) if GATHER else (place, block)
    word = tl.load(FROM + source + at, mask=at < words, other=0)
    tl.store(TO + target + at, word, mask=at < words)


def gather(pool: Any, ids: Any, packed: Any) -> None:
    """Rows `ids` of `pool` (int32 words), one after another into `packed`."""
    words = pool.shape[1]
    grid = (len(ids), triton.cdiv(words, TILE))
    _move[grid](pool, packed, ids, words, GATHER=True, TILE=TILE)


def scatter(packed: Any, ids: Any, pool: Any) -> None:
    """The reverse of `gather`."""
    words = pool.shape[1]
    grid = (len(ids), triton.cdiv(words, TILE))
    _move[grid](packed, pool, ids, words, GATHER=False, TILE=TILE)
