"""Paged decode attention: one query per sequence, keys cut into splits, any stored format.

A program attends with all query heads of one KV head to one split; a second kernel merges the
splits by their log-sum-exp. Counts are not specialised for: each would
compile anew. Rows are padded to 16, the least that `tl.dot` multiplies.
"""

from typing import Any

import torch
import triton
import triton.language as tl

from .multiply import dot
from .paged import INTEGERS, Cache, group_of, sequence

TILE = 64


@triton.jit
def _load(
    at, slots, heads, h, valid, scales,
    D: tl.constexpr, BITS: tl.constexpr, GROUP: tl.constexpr, KIND: tl.constexpr,
):  # fmt: skip
    """A tile of keys or values as KIND. BITS: 0 for floats."""
    dims = tl.arange(0, D)
    row = slots * heads + h
    if BITS == 0:
        raw = tl.load(at + row[:, None] * D + dims[None, :], mask=valid[:, None], other=0.0)
        return raw.to(tl.float32).to(KIND)
    else:
        plane: tl.constexpr = D * BITS // 8
        offset: tl.constexpr = 1 << (BITS - 1)
        code = tl.load(
            at + row[:, None] * plane + (dims % plane)[None, :], mask=valid[:, None], other=0
        ).to(tl.int32)
        code = (code >> ((dims // plane) * BITS)[None, :]) & ((1 << BITS) - 1)
        scale = tl.load(
            scales + row[:, None] * (D // GROUP) + (dims // GROUP)[None, :],
            mask=valid[:, None],
            other=0.0,
        )
        return ((code - offset).to(tl.float32) * scale.to(tl.float32)).to(KIND)


@triton.jit(do_not_specialize=["pages", "splits", "slots_out"])
def _attend(
    Q, K, V, KS, VS, TABLE, LENGTHS, PART, LSE, pages, splits, slots_out, scale,
    H: tl.constexpr, KVH: tl.constexpr, QUERIES: tl.constexpr, ROWS: tl.constexpr,
    D: tl.constexpr, PAGE: tl.constexpr, TILE: tl.constexpr, BITS: tl.constexpr,
    GROUP: tl.constexpr,
):  # fmt: skip
    b, h, s = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    length = tl.load(LENGTHS + b)
    share = tl.cdiv(tl.cdiv(length, TILE), splits) * TILE
    start = s * share
    end = tl.minimum(start + share, length)
    rows, dims = tl.arange(0, ROWS), tl.arange(0, D)
    head = b * H + h * QUERIES + rows
    real = rows < QUERIES
    q = tl.load(Q + head[:, None] * D + dims[None, :], mask=real[:, None], other=0.0)
    top = tl.full((ROWS,), float("-inf"), tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    out = tl.zeros((ROWS, D), tl.float32)
    for at in range(start, end, TILE):
        keys = at + tl.arange(0, TILE)
        valid = keys < end
        block = tl.load(TABLE + b * pages + keys // PAGE, mask=valid, other=0)
        slots = block.to(tl.int64) * PAGE + keys % PAGE
        k = _load(K, slots, KVH, h, valid, KS, D, BITS, GROUP, q.dtype)
        scores = dot(q, tl.trans(k)) * scale
        scores = tl.where(valid[None, :], scores, float("-inf"))
        new = tl.maximum(top, tl.max(scores, 1))
        p = tl.exp(scores - new[:, None])
        fade = tl.exp(top - new)
        v = _load(V, slots, KVH, h, valid, VS, D, BITS, GROUP, q.dtype)
        total = total * fade + tl.sum(p, 1)
        out = out * fade[:, None] + dot(p.to(q.dtype), v)
        top = new
    some = total > 0.0
    safe = tl.where(some, total, 1.0)
    to = head * slots_out + s
    tl.store(PART + to[:, None] * D + dims[None, :], out / safe[:, None], mask=real[:, None])
    tl.store(LSE + to, tl.where(some, top + tl.log(safe), float("-inf")), mask=real)


@triton.jit(do_not_specialize=["splits"])
def _merge(PART, LSE, OUT, splits, D: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    dims = tl.arange(0, D)
    top = tl.load(LSE + row * splits)
    for s in range(1, splits):
        top = tl.maximum(top, tl.load(LSE + row * splits + s))
    total = tl.exp(tl.load(LSE + row * splits) - top)
    out = tl.load(PART + row * splits * D + dims) * total
    for s in range(1, splits):
        weight = tl.exp(tl.load(LSE + row * splits + s) - top)
        total += weight
        out += weight * tl.load(PART + (row * splits + s) * D + dims)
    tl.store(OUT + row * D + dims, (out / total).to(OUT.dtype.element_ty))


class Workspace:
    """What partial results are written to. Poisoned, so that a hole shows."""

    def __init__(self, queries: Any, splits: int, width: int) -> None:
        rows = queries.shape[0] * queries.shape[1]
        nan = float("nan")
        self.splits = splits
        self.part = torch.full((rows, splits, width), nan, device=queries.device)
        self.lse = torch.full((rows, splits), nan, device=queries.device)
        shape = (*queries.shape[:2], width)
        self.out = torch.full(shape, nan, device=queries.device, dtype=queries.dtype)


def splits_for(batch: int, kv_heads: int, context: int, cores: int) -> int:
    """Pieces that fill the GPU twice, of at least four tiles each, 64 at most."""
    wanted = -(-2 * cores // (batch * kv_heads))
    return max(1, min(wanted, context // (4 * TILE), 64))


def attend(queries: Any, cache: Cache, space: Workspace, splits: int) -> None:
    """Fill the first `splits` places of the workspace. Queries: (batch, heads, width)."""
    batch, heads, width = queries.shape
    kv_heads = cache.k.shape[1]
    bits = INTEGERS.get(cache.format, 0)
    each = heads // kv_heads
    _attend[(batch, kv_heads, splits)](
        queries, cache.k, cache.v, cache.k_scale, cache.v_scale, cache.table, cache.lengths,
        space.part, space.lse, cache.table.shape[1], splits, space.splits, width**-0.5,
        H=heads, KVH=kv_heads, QUERIES=each, ROWS=max(16, triton.next_power_of_2(each)), D=width,
        PAGE=cache.page, TILE=TILE, BITS=bits, GROUP=group_of(width, cache.format) if bits else 1,
        num_warps=4, num_stages=2,
    )  # fmt: skip


def merge(space: Workspace) -> None:
    """Put all places of the workspace together."""
    rows, splits, width = space.part.shape
    _merge[(rows,)](space.part, space.lse, space.out, splits, D=width, num_warps=4)


def decode(queries: Any, cache: Cache, space: Workspace) -> Any:
    """Attention of one query per sequence."""
    attend(queries, cache, space, space.splits)
    merge(space)
    return space.out


def reference(queries: Any, cache: Cache) -> Any:
    """The same in float64, a sequence at a time."""
    batch, heads, width = queries.shape
    out = torch.empty(queries.shape, dtype=torch.float64, device=queries.device)
    for b in range(batch):
        k, v = sequence(cache, b, width)
        each = heads // k.shape[1]
        k, v = (x.repeat_interleave(each, dim=1) for x in (k, v))
        scores = torch.einsum("hd,thd->ht", queries[b].double(), k) * width**-0.5
        out[b] = torch.einsum("ht,thd->hd", torch.softmax(scores, -1), v)
    return out
