"""Cascade attention: all sequences read a shared prefix once, then each its own text.

Queries of the whole batch are the rows of one product with the prefix; the results of prefix and
own text are merged by their log-sum-exp, as splits are.
"""

from typing import Any

import torch
import triton
import triton.language as tl

from .decode import Workspace, attend, merge
from .multiply import dot
from .paged import Cache, sequence

ROWS, TILE = 32, 64


@triton.jit(do_not_specialize=["batch", "length", "splits", "slots_out", "first"])
def _shared(
    Q, K, V, PART, LSE, batch, length, splits, slots_out, first, scale,
    H: tl.constexpr, KVH: tl.constexpr, D: tl.constexpr, ROWS: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    tile, h, s = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    EACH: tl.constexpr = H // KVH
    share = tl.cdiv(tl.cdiv(length, TILE), splits) * TILE
    start = s * share
    end = tl.minimum(start + share, length)
    rows, dims = tile * ROWS + tl.arange(0, ROWS), tl.arange(0, D)
    real = rows < batch * EACH
    head = (rows // EACH) * H + h * EACH + rows % EACH
    q = tl.load(Q + head[:, None] * D + dims[None, :], mask=real[:, None], other=0.0)
    top = tl.full((ROWS,), float("-inf"), tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    out = tl.zeros((ROWS, D), tl.float32)
    for at in range(start, end, TILE):
        keys = at + tl.arange(0, TILE)
        valid = keys < end
        row = (keys.to(tl.int64) * KVH + h)[:, None] * D + dims[None, :]
        k = tl.load(K + row, mask=valid[:, None], other=0.0)
        scores = dot(q, tl.trans(k)) * scale
        scores = tl.where(valid[None, :], scores, float("-inf"))
        new = tl.maximum(top, tl.max(scores, 1))
        p = tl.exp(scores - new[:, None])
        fade = tl.exp(top - new)
        v = tl.load(V + row, mask=valid[:, None], other=0.0)
        total = total * fade + tl.sum(p, 1)
        out = out * fade[:, None] + dot(p.to(q.dtype), v)
        top = new
    some = total > 0.0
    safe = tl.where(some, total, 1.0)
    to = head * slots_out + first + s
    tl.store(PART + to[:, None] * D + dims[None, :], out / safe[:, None], mask=real[:, None])
    tl.store(LSE + to, tl.where(some, top + tl.log(safe), float("-inf")), mask=real)


def cascade(queries: Any, k: Any, v: Any, cache: Cache, space: Workspace, own: int) -> Any:
    """Decode after a shared prefix (k, v: tokens, KV heads, width); `own` splits for the rest."""
    batch, heads, width = queries.shape
    kv_heads, splits = k.shape[1], space.splits - own
    attend(queries, cache, space, own)
    _shared[(triton.cdiv(batch * heads // kv_heads, ROWS), kv_heads, splits)](
        queries, k, v, space.part, space.lse, batch, k.shape[0], splits, space.splits, own,
        width**-0.5, H=heads, KVH=kv_heads, D=width, ROWS=ROWS, TILE=TILE,
        num_warps=4, num_stages=2,
    )  # fmt: skip
    merge(space)
    return space.out


def reference(queries: Any, k: Any, v: Any, cache: Cache) -> Any:
    """The same in float64."""
    batch, heads, width = queries.shape
    out = torch.empty(queries.shape, dtype=torch.float64, device=queries.device)
    for b in range(batch):
        parts = zip((k, v), sequence(cache, b, width), strict=True)
        keys, values = (torch.cat([shared.double(), own]) for shared, own in parts)
        each = heads // keys.shape[1]
        keys, values = (x.repeat_interleave(each, dim=1) for x in (keys, values))
        scores = torch.einsum("hd,thd->ht", queries[b].double(), keys) * width**-0.5
        out[b] = torch.einsum("ht,thd->hd", torch.softmax(scores, -1), values)
    return out
