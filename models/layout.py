"""What each layer of a model keeps of past tokens, and what it costs to read it back."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["full", "window", "chunk", "latent", "linear", "shared", "cross", "none"]

GROWING: frozenset[Kind] = frozenset({"full", "window", "chunk", "latent"})
"""Kinds that store something of their own for every token of text."""


def ceil_div(whole: int, parts: int) -> int:
    """The largest share when `whole` indivisible things are dealt to `parts` ranks."""
    return -(-whole // parts)


def in_bytes(elements: int, bits: int) -> int:
    """Bytes that `elements` of `bits` each take, packed."""
    return ceil_div(elements * bits, 8)


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
    latent: int = 0
    """Of a `latent` layer's `key_width`, the elements that its values are read out of."""

    def stored(self, tensor: int = 1) -> int:
        """Elements kept per token by one of `tensor` ranks; 0 where nothing grows with the text."""
        return self.read(tensor) if self.kind in GROWING else 0

    def read(self, tensor: int = 1) -> int:
        """Elements one rank reads per token attended to, whichever layer stored them.

        KV heads cannot be cut: with fewer heads than ranks each rank holds one. The latent
        of MLA serves all heads, so every rank holds all of it.
        """
        return ceil_div(self.kv_heads, tensor) * (self.key_width + self.value_width)

    def seen(self, tokens: int) -> int:
        """How many of the last `tokens` a new token can attend to, at most."""
        return tokens if self.window is None else min(tokens, self.window)


@dataclass(frozen=True, slots=True)
class KVLayout:
    """The memory of the past of a whole model, layer by layer."""

    layers: tuple[Layer, ...]

    def bytes_per_token(self, bits: int = 16, tensor: int = 1) -> int:
        """KV bytes per token on one of `tensor` ranks, before any window saturates."""
        return in_bytes(sum(layer.stored(tensor) for layer in self.layers), bits)

    def bytes(self, tokens: int, bits: int = 16, tensor: int = 1) -> int:
        """Bytes of a sequence of `tokens` on one rank: windows saturate, states are included.

        `bits` are those of K and V; states stay at 16.
        """
        stored = sum(layer.stored(tensor) * layer.seen(tokens) for layer in self.layers)
        return in_bytes(stored, bits) + self.state_bytes(tensor=tensor)

    def state_bytes(self, bits: int = 16, tensor: int = 1) -> int:
        """Bytes of recurrent state per sequence on one rank, whatever the length of the text."""
        return in_bytes(sum(ceil_div(layer.state, tensor) for layer in self.layers), bits)

    def kinds(self) -> list[str]:
        """The kind of every layer, first to last."""
        return [layer.kind for layer in self.layers]


def shared_from(layers: Iterable[Layer], index: int) -> Layer:
    """The layer that really stores what layer `index` reads; itself unless it is `shared`."""
    known = tuple(layers)
    layer = known[index]
    return layer if layer.shares is None else shared_from(known, layer.shares)
