"""What each layer of a model keeps of past tokens, and what it costs to read it back."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["full", "window", "chunk", "latent", "linear", "shared", "cross", "none"]


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer's memory of the past. Widths in elements per head, before any sharding."""

    kind: Kind
    query_heads: int = 0
    kv_heads: int = 0
    key_width: int = 0
    """Elements per K head; for `latent`: the latent plus its rope part, kept once for all heads."""
    value_width: int = 0
    """Elements per V head; 0 for `latent`, whose values are read out of the same latent."""
    window: int | None = None
    """Tokens that a `window` or `chunk` layer can see."""
    state: int = 0
    """Elements a `linear` layer keeps per sequence, however long."""
    shares: int | None = None
    """Index of the layer whose K and V a `shared` layer reads."""
    scored: tuple[int, int] | None = None
    """(QK width, PV width) per query head of a `latent` layer in prefill, with K and V rebuilt."""
