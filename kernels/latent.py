"""Paged decode attention over a latent cache (MLA): all heads share one key of 576 elements.

The first 512 are also the value; the last 64 carry the position. Sixteen query heads to a program.
"""

from typing import Any

import torch
import triton
import triton.language as tl

from .decode import Workspace, merge
from .multiply import dot
from .paged import Cache, sequence

LATENT, ROPE, ROWS, TILE = 512, 64, 16, 32
SCALE = 192**-0.5
"""DeepSeek's: by the width of a head before it is absorbed, 128 + 64."""


@triton.jit(do_not_specialize=["pages", "splits", "H"])
def _attend(
    Q, KV, TABLE, LENGTHS, PART, LSE, pages, splits, scale, H,
    LATENT: tl.constexpr, ROPE: tl.constexpr, ROWS: tl.constexpr, PAGE: tl.constexpr,
    TILE: tl.constexpr,
):  # fmt: skip
    b, g, s = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    length = tl.load(LENGTHS + b)
    share = tl.cdiv(tl.cdiv(length, TILE), splits) * TILE
    start = s * share
    end = tl.minimum(start + share, length)
    rows = g * ROWS + tl.arange(0, ROWS)
    real = rows < H
    latent, rope = tl.arange(0, LATENT), LATENT + tl.arange(0, ROPE)
    WIDTH: tl.constexpr = LATENT + ROPE
    head = b * H + rows
    q = tl.load(Q + head[:, None] * WIDTH + latent[None, :], mask=real[:, None], other=0.0)
    qr = tl.load(Q + head[:, None] * WIDTH + rope[None, :], mask=real[:, None], other=0.0)
    top = tl.full((ROWS,), float("-inf"), tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    out = tl.zeros((ROWS, LATENT), tl.float32)
    for at in range(start, end, TILE):
        keys = at + tl.arange(0, TILE)
        valid = keys < end
        block = tl.load(TABLE + b * pages + keys // PAGE, mask=valid, other=0)
        row = (block.to(tl.int64) * PAGE + keys % PAGE) * WIDTH
        kv = tl.load(KV + row[:, None] + latent[None, :], mask=valid[:, None], other=0.0)
        kr = tl.load(KV + row[:, None] + rope[None, :], mask=valid[:, None], other=0.0)
        scores = (dot(q, tl.trans(kv)) + dot(qr, tl.trans(kr))) * scale
        scores = tl.where(valid[None, :], scores, float("-inf"))
        new = tl.maximum(top, tl.max(scores, 1))
        p = tl.exp(scores - new[:, None])
        fade = tl.exp(top - new)
        total = total * fade + tl.sum(p, 1)
        out = out * fade[:, None] + dot(p.to(q.dtype), kv)
        top = new
    some = total > 0.0
    safe = tl.where(some, total, 1.0)
    to = head * splits + s
    tl.store(PART + to[:, None] * LATENT + latent[None, :], out / safe[:, None], mask=real[:, None])
    tl.store(LSE + to, tl.where(some, top + tl.log(safe), float("-inf")), mask=real)


def decode(queries: Any, cache: Cache, space: Workspace) -> Any:
    """Attention of one query per sequence. Queries: (batch, heads, 576); out: (.., 512)."""
    batch, heads, _ = queries.shape
    _attend[(batch, triton.cdiv(heads, ROWS), space.splits)](
        queries, cache.k, cache.table, cache.lengths, space.part, space.lse,
        cache.table.shape[1], space.splits, SCALE, heads,
        LATENT=LATENT, ROPE=ROPE, ROWS=ROWS, PAGE=cache.page, TILE=TILE,
        num_warps=4, num_stages=2,
    )  # fmt: skip
    merge(space)
    return space.out


def reference(queries: Any, cache: Cache) -> Any:
    """The same in float64."""
    out = []
    for b in range(queries.shape[0]):
        k, _ = sequence(cache, b, LATENT + ROPE)
        scores = queries[b].double() @ k[:, 0].T * SCALE
        out.append(torch.softmax(scores, -1) @ k[:, 0, :LATENT])
    return torch.stack(out)
