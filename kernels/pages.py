"""Which pages a query should read: an upper bound of its scores in each page, then the top k.

The bound is by the least and the largest key of a page in each dimension, as in Quest (Tang et al.
2024).
"""

from typing import Any

import torch
import triton
import triton.language as tl

TILE = 32


@triton.jit(do_not_specialize=["pages"])
def _bound(Q, LOW, HIGH, OUT, pages, H: tl.constexpr, KVH: tl.constexpr, D: tl.constexpr,
           TILE: tl.constexpr):  # fmt: skip
    b, h = tl.program_id(0), tl.program_id(1)
    page, dims = tl.program_id(2) * TILE + tl.arange(0, TILE), tl.arange(0, D)
    real = page < pages
    row = (((b * pages + page).to(tl.int64) * KVH) + h // (H // KVH))[:, None] * D + dims[None, :]
    q = tl.load(Q + (b * H + h) * D + dims).to(tl.float32)[None, :]
    low = tl.load(LOW + row, mask=real[:, None], other=0.0).to(tl.float32)
    high = tl.load(HIGH + row, mask=real[:, None], other=0.0).to(tl.float32)
    score = tl.sum(tl.maximum(q * low, q * high), 1)
    tl.store(OUT + (b * H + h) * pages + page, score, mask=real)


def bound(queries: Any, low: Any, high: Any, out: Any) -> Any:
    """Scores (batch, heads, pages); `low` and `high`: (batch, pages, KV heads, width)."""
    batch, heads, width = queries.shape
    pages, kv_heads = low.shape[1:3]
    _bound[(batch, heads, triton.cdiv(pages, TILE))](
        queries, low, high, out, pages, H=heads, KVH=kv_heads, D=width, TILE=TILE
    )
    return out


def select(queries: Any, low: Any, high: Any, out: Any, k: int) -> Any:
    """The k pages with the largest bounds, for each query head."""
    return torch.topk(bound(queries, low, high, out), k, dim=-1).indices


def reference(queries: Any, low: Any, high: Any) -> Any:
    """The bounds in float64."""
    each = queries.shape[1] // low.shape[2]
    low, high = (x.double().repeat_interleave(each, dim=2).transpose(1, 2) for x in (low, high))
    q = queries.double()[:, :, None, :]
    return torch.maximum(q * low, q * high).sum(-1)
