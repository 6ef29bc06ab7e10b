"""Attention layers that cost alike, taken together: bytes read and FLOPs per pair of tokens."""

from dataclasses import dataclass

from kvsim.models.layout import Kind, in_bytes


@dataclass(frozen=True, slots=True)
class Attention:
    """All layers of one attention class, on one rank."""

    kind: Kind
    layers: int
    query_heads: int
    kv_heads: int
    key_width: int
    value_width: int
    window: int | None = None
    scored: tuple[int, int] | None = None
    """(QK width, PV width) of a `latent` class in prefill, where K and V are rebuilt per head."""
    latent: int = 0
    """Of a `latent` class's `key_width`, the elements that its values are read out of."""

    def __hash__(self) -> int:
        """Of what tells classes of one model apart; look-ups ask for it all the time."""
        return hash((self.kind, self.layers, self.query_heads, self.window))

    def read_bytes(self, bits: int = 16) -> int:
        """KV bytes read for one stored token by all layers of the class."""
        return in_bytes(self.layers * self.kv_heads * (self.key_width + self.value_width), bits)

    def pair_flops(self, prefill: bool) -> int:
        """FLOPs for one (query, key) pair in all layers: scores and weighted values.

        A `latent` class has two forms. Prefill rebuilds K and V and scores at their narrow widths;
        decode absorbs the rebuilding into the query and scores against the latent itself.
        """
        if self.scored is None:
            widths = self.key_width + self.value_width
        elif prefill:
            widths = sum(self.scored)
        else:
            widths = self.key_width + self.latent
        return 2 * self.layers * self.query_heads * widths

    def pairs(self, tokens: int, history: int = 0) -> int:
        """(query, key) pairs when `tokens` follow `history`: causal, each token sees itself too."""
        return self._pairs(history + tokens) - self._pairs(history)

    def _pairs(self, tokens: int) -> int:
        """Pairs of a whole text of `tokens`."""
        if self.window is None or tokens <= self.window:
            return _triangle(tokens)
        if self.kind == "chunk":
            chunks, rest = divmod(tokens, self.window)
            return chunks * _triangle(self.window) + _triangle(rest)
        return _triangle(self.window) + (tokens - self.window) * self.window


def _triangle(side: int) -> int:
    return side * (side + 1) // 2
