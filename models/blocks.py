"""What one layer of a model computes: weights, vectors, and builders for the usual halves."""

from dataclasses import dataclass

from kvsim.models.layout import Layer
from kvsim.models.matmuls import Linear, Width, whole


@dataclass(frozen=True, slots=True)
class Block:
    """One layer: its memory of the past, its weight matrices, and the small parameters between."""

    memory: Layer
    linears: tuple[Linear, ...]
    vectors: int
    """Parameters outside matrix products (norms, convolutions, decays), whole on every rank."""
    norms: int = 2
    """How often the residual stream is read, added to and normalised."""
    reductions: int = 2
    """All-reduces under tensor parallelism: after the mixer and after the feed-forward; one where
    both run side by side on the same input."""


def grouped(
    hidden: int, layer: Layer, bias: bool = False, out_bias: bool = False
) -> tuple[Linear, ...]:
    """Q, K and V in one product, and the output projection, of attention by heads."""
    values = layer.value_width
    fused = (
        Width(layer.query_heads, layer.key_width),
        Width(layer.kv_heads, layer.key_width + values),
    )
    return (
        Linear("qkv", whole(hidden), fused, bias),
        Linear("o", Width(layer.query_heads, values), (whole(hidden),), out_bias),
    )


def gated(hidden: int, inner: int, bias: bool = False, prefix: str = "") -> tuple[Linear, ...]:
    """A feed-forward whose gate and up projections run as one product (SwiGLU, GeGLU)."""
    return (
        Linear(f"{prefix}gate_up", whole(hidden), (Width(inner, 2),), bias),
        Linear(f"{prefix}down", Width(inner), (whole(hidden),), bias),
    )


def plain(hidden: int, inner: int, bias: bool = False) -> tuple[Linear, ...]:
    """A feed-forward of two products with an activation between (ReLU, GELU)."""
    return (
        Linear("up", whole(hidden), (Width(inner),), bias),
        Linear("down", Width(inner), (whole(hidden),), bias),
    )


def routed(
    hidden: int, inner: int, experts: int, active: int, bias: bool = False
) -> tuple[Linear, ...]:
    """A router and its gated experts; every rank holds a slice of every expert."""
    return (
        Linear("router", whole(hidden), (whole(experts),), bias),
        Linear("expert_gate_up", whole(hidden), (Width(inner, 2),), bias, experts, active),
        Linear("expert_down", Width(inner), (whole(hidden),), bias, experts, active),
    )
