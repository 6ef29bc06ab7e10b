"""KV to codes of 8, 4 or 2 bits with a scale per group of neighbours, and back."""

from typing import Any

import triton
import triton.language as tl

from .paged import INTEGERS, group_of

TILE = 16


@triton.jit
def _pack(
    X, CODES, SCALES, rows, D: tl.constexpr, BITS: tl.constexpr, GROUP: tl.constexpr,
    TILE: tl.constexpr,
):  # fmt: skip
    PLANE: tl.constexpr = D * BITS // 8
    GROUPS: tl.constexpr = PLANE // GROUP
    MOST: tl.constexpr = (1 << (BITS - 1)) - 1
    row = tl.program_id(0).to(tl.int64) * TILE + tl.arange(0, TILE)
    real = (row < rows)[:, None]
    column, group = tl.arange(0, PLANE), tl.arange(0, GROUPS)
    packed = tl.zeros((TILE, PLANE), tl.int32)
    for plane in tl.static_range(8 // BITS):
        at = row[:, None] * D + (plane * PLANE + column)[None, :]
        x = tl.load(X + at, mask=real, other=0.0).to(tl.float32)
        grouped = tl.reshape(x, (TILE, GROUPS, GROUP))
        scale = tl.max(tl.abs(grouped), 2) / MOST
        safe = tl.where(scale > 0.0, scale, 1.0)
        code = tl.floor(grouped / safe[:, :, None] + 0.5)
        code = tl.minimum(tl.maximum(code, -MOST), MOST).to(tl.int32) + MOST + 1
        packed = packed | (tl.reshape(code, (TILE, PLANE)) << (plane * BITS))
        to = row[:, None] * (D // GROUP) + (plane * GROUPS + group)[None, :]
        tl.store(SCALES + to, scale.to(tl.float16), mask=real)
    tl.store(CODES + row[:, None] * PLANE + column[None, :], packed.to(tl.uint8), mask=real)


@triton.jit
def _unpack(
    CODES, SCALES, X, rows, D: tl.constexpr, BITS: tl.constexpr, GROUP: tl.constexpr,
    TILE: tl.constexpr,
):  # fmt: skip
    PLANE: tl.constexpr = D * BITS // 8
    row = tl.program_id(0).to(tl.int64) * TILE + tl.arange(0, TILE)
    real = (row < rows)[:, None]
    dims = tl.arange(0, D)
    code = tl.load(CODES + row[:, None] * PLANE + (dims % PLANE)[None, :], mask=real, other=0)
    code = (code.to(tl.int32) >> ((dims // PLANE) * BITS)[None, :]) & ((1 << BITS) - 1)
    at = row[:, None] * (D // GROUP) + (dims // GROUP)[None, :]
    scale = tl.load(SCALES + at, mask=real, other=0.0).to(tl.float32)
    x = (code - (1 << (BITS - 1))).to(tl.float32) * scale
    tl.store(X + row[:, None] * D + dims[None, :], x.to(X.dtype.element_ty), mask=real)


def quantise(x: Any, codes: Any, scales: Any, form: str) -> None:
    """Rows of `x` to packed codes (uint8) and scales (fp16)."""
    rows, width = x.shape
    _pack[(triton.cdiv(rows, TILE),)](
        x, codes, scales, rows, D=width, BITS=INTEGERS[form], GROUP=group_of(width, form), TILE=TILE
    )


def dequantise(codes: Any, scales: Any, x: Any, form: str) -> None:
    """The reverse, as close as the codes are."""
    rows, width = x.shape
    _unpack[(triton.cdiv(rows, TILE),)](
        codes, scales, x, rows, D=width, BITS=INTEGERS[form], GROUP=group_of(width, form), TILE=TILE
    )
