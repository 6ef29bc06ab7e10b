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

    def token_bytes(self, bits: int, tensor: int = 1) -> int:
        """Bytes that one more token takes on one of `tensor` GPUs, as long as a window is not full.

        Heads are split over GPUs, and copied where there are fewer heads than GPUs.
        """
        if self.kind not in ("full", "window", "chunk", "latent", "cross"):
            return 0
        heads = -(self.kv_heads // -tensor)
        return heads * (self.key_width + self.value_width) * bits // 8

    @property
    def label(self) -> str:
        """The kind, with the window's size."""
        return f"{self.kind} {self.window}" if self.window else self.kind


@dataclass(frozen=True, slots=True)
class KVLayout:
    """What a whole model keeps of past tokens."""

    layers: tuple[Layer, ...]

    def bytes_per_token(self, bits: int = 16, tensor: int = 1) -> int:
        """Bytes of one more token on one of `tensor` GPUs while no window is full."""
        return sum(layer.token_bytes(bits, tensor) for layer in self.layers)

    def bytes(self, tokens: int, bits: int = 16, tensor: int = 1) -> int:
        """Bytes of a sequence of `tokens` on one of `tensor` GPUs, its state included."""
        total = self.state_bytes() // tensor
        for layer in self.layers:
            kept = min(tokens, layer.window) if layer.window else tokens
            total += layer.token_bytes(bits, tensor) * kept
        return total

    def state_bytes(self, bits: int = 16) -> int:
        """Bytes that the linear layers keep of a sequence, however long, over all GPUs."""
        return sum(layer.state for layer in self.layers) * bits // 8

    def kinds(self) -> list[str]:
        """The kind of each layer, in order."""
        return [layer.kind for layer in self.layers]
