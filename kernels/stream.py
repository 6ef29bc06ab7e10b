"""How fast memory is read, written and copied."""

from typing import Any

import triton
import triton.language as tl

TILE = 4096


@triton.jit
def _read(X, OUT, size, TILE: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * TILE + tl.arange(0, TILE)
    tl.store(OUT + tl.program_id(0), tl.sum(tl.load(X + at, mask=at < size, other=0.0), 0))


@triton.jit
def _write(X, value, size, TILE: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * TILE + tl.arange(0, TILE)
    tl.store(X + at, tl.zeros((TILE,), tl.float32) + value, mask=at < size)


@triton.jit
def _copy(X, Y, size, TILE: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * TILE + tl.arange(0, TILE)
    tl.store(Y + at, tl.load(X + at, mask=at < size, other=0.0), mask=at < size)


def read(x: Any, sums: Any) -> None:
    """Sum `x` (float32) by tiles into `sums`."""
    _read[(triton.cdiv(x.numel(), TILE),)](x, sums, x.numel(), TILE=TILE)


def write(x: Any, value: float) -> None:
    """Fill `x` (float32)."""
    _write[(triton.cdiv(x.numel(), TILE),)](x, value, x.numel(), TILE=TILE)


def copy(x: Any, y: Any) -> None:
    """Copy `x` to `y`, both float32."""
    _copy[(triton.cdiv(x.numel(), TILE),)](x, y, x.numel(), TILE=TILE)
