"""A product of two tiles, in the type of its operands, summed in float32."""

import os

import triton
import triton.language as tl

WIDE: tl.constexpr = tl.constexpr(os.environ.get("TRITON_INTERPRET") == "1")
"""Triton's interpreter multiplies bf16 as if it were integers; it gets float32 instead."""


@triton.jit
def dot(a, b):
    """a x b."""
    if WIDE:
        return tl.dot(a.to(tl.float32), b.to(tl.float32), input_precision="ieee")
    else:
        return tl.dot(a, b)
