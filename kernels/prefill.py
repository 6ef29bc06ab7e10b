"""Chunked prefill: flash attention of a sequence's next tokens over its paged KV."""

from typing import Any

import torch
import triton
import triton.language as tl

from .multiply import dot
from .paged import Cache, sequence

ROWS, TILE = 64, 64


@triton.jit(do_not_specialize=["pages", "tokens"])
def _attend(
    Q, K, V, TABLE, LENGTHS, OUT, pages, tokens, scale,
    H: tl.constexpr, KVH: tl.constexpr, D: tl.constexpr, PAGE: tl.constexpr,
    ROWS: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    tile, h, b = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    length = tl.load(LENGTHS + b)
    rows, dims = tile * ROWS + tl.arange(0, ROWS), tl.arange(0, D)
    real = rows < tokens
    place = length - tokens + rows
    kv = h // (H // KVH)
    at_q = ((b * tokens + rows).to(tl.int64) * H + h)[:, None] * D + dims[None, :]
    q = tl.load(Q + at_q, mask=real[:, None], other=0.0)
    top = tl.full((ROWS,), float("-inf"), tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    out = tl.zeros((ROWS, D), tl.float32)
    end = tl.minimum(length, length - tokens + (tile + 1) * ROWS)
    for at in range(0, end, TILE):
        keys = at + tl.arange(0, TILE)
        valid = keys < length
        block = tl.load(TABLE + b * pages + keys // PAGE, mask=valid, other=0)
        row = ((block.to(tl.int64) * PAGE + keys % PAGE) * KVH + kv)[:, None] * D + dims[None, :]
        k = tl.load(K + row, mask=valid[:, None], other=0.0)
        scores = dot(q, tl.trans(k)) * scale
        seen = (keys[None, :] <= place[:, None]) & valid[None, :]
        scores = tl.where(seen, scores, float("-inf"))
        new = tl.maximum(top, tl.max(scores, 1))
        p = tl.exp(scores - new[:, None])
        fade = tl.exp(top - new)
        v = tl.load(V + row, mask=valid[:, None], other=0.0)
        total = total * fade + tl.sum(p, 1)
        out = out * fade[:, None] + dot(p.to(q.dtype), v)
        top = new
    tl.store(OUT + at_q, (out / total[:, None]).to(OUT.dtype.element_ty), mask=real[:, None])


def prefill(queries: Any, cache: Cache, out: Any) -> Any:
    """The last tokens of each sequence attend to all before. Queries: (batch, tokens, heads, D)."""
    batch, tokens, heads, width = queries.shape
    _attend[(triton.cdiv(tokens, ROWS), heads, batch)](
        queries, cache.k, cache.v, cache.table, cache.lengths, out, cache.table.shape[1], tokens,
        width**-0.5, H=heads, KVH=cache.k.shape[1], D=width, PAGE=cache.page, ROWS=ROWS, TILE=TILE,
        num_warps=4, num_stages=2,
    )  # fmt: skip
    return out


def reference(queries: Any, cache: Cache) -> Any:
    """The same in float64."""
    batch, tokens, heads, width = queries.shape
    out = torch.empty(queries.shape, dtype=torch.float64, device=queries.device)
    for b in range(batch):
        k, v = sequence(cache, b, width)
        each, length = heads // k.shape[1], len(k)
        k, v = (x.repeat_interleave(each, dim=1) for x in (k, v))
        scores = torch.einsum("qhd,thd->hqt", queries[b].double(), k) * width**-0.5
        at = torch.arange(length, device=k.device)
        hidden = at[None, :] > (length - tokens + torch.arange(tokens, device=k.device))[:, None]
        scores = scores.masked_fill(hidden, float("-inf"))
        out[b] = torch.einsum("hqt,thd->qhd", torch.softmax(scores, -1), v)
    return out
