"""The weight matrices of a model, and the matrix products that a rank runs with them."""

from dataclasses import dataclass
from typing import Literal

from kvsim.models.layout import ceil_div, in_bytes

Rows = Literal["all", "sampled", "experts"]

KV_REBUILD = "kv_b"
"""The product of MLA that rebuilds K and V; in prefill it runs over the stored tokens as well."""


@dataclass(frozen=True, slots=True)
class Width:
    """A side of a weight matrix: `units` that ranks share out whole, of `each` elements."""

    units: int
    each: int = 1
    split: bool = True
    """Whether ranks share it out. What is not split is held by all."""

    def on(self, tensor: int) -> int:
        """Elements on the rank with the most of them."""
        return (ceil_div(self.units, tensor) if self.split else self.units) * self.each


def whole(width: int) -> Width:
    """A side that every rank holds in full."""
    return Width(width, split=False)


@dataclass(frozen=True, slots=True)
class Linear:
    """The weights of y = x·W (+ bias), fused as serving engines fuse them, before sharding."""

    name: str
    inputs: Width
    outputs: tuple[Width, ...]
    bias: bool = False
    experts: int = 0
    """How many routed experts hold such a matrix; 0: the layer has one, used by every token."""
    active: int = 0
    """How many of the experts a token visits."""

    def k(self, tensor: int = 1) -> int:
        """Rows of W on one rank."""
        return self.inputs.on(tensor)

    def n(self, tensor: int = 1) -> int:
        """Columns of W on one rank."""
        return sum(part.on(tensor) for part in self.outputs)

    def weights(self, tensor: int = 1) -> int:
        """Elements of all copies on one rank, biases included."""
        return self._elements(tensor) * max(1, self.experts)

    def active_weights(self, tensor: int = 1) -> int:
        """Elements that one token meets, biases included."""
        return self._elements(tensor) * (self.active if self.experts else 1)

    def _elements(self, tensor: int) -> int:
        columns = self.n(tensor)
        return self.k(tensor) * columns + (columns if self.bias else 0)


@dataclass(frozen=True, slots=True)
class Matmul:
    """y[M, n] = x[M, k]·W on one rank, run `times` times in a pass through the model."""

    name: str
    n: int
    k: int
    times: int
    rows: Rows = "all"
    """M is: every token of the step; only those that are sampled from; or, for `experts`,
    M·active/experts rows for each of the rank's experts (a grouped product)."""
    experts: int = 0
    active: int = 0

    def flops(self, tokens: int) -> int:
        """FLOPs of all `times` products when `tokens` rows go through; a multiply-add is two."""
        visits = self.active if self.experts else 1
        return 2 * tokens * visits * self.n * self.k * self.times

    def weight_bytes(self, tokens: int, bits: int = 16) -> int:
        """Weight bytes read when `tokens` rows go through, each weight once.

        Of routed experts only those that some token visits are read: on average
        E·(1 - (1 - a/E)^tokens) if routing is uniform and independent.
        """
        once = self.n * self.k * self.times
        if not self.experts:
            return in_bytes(once, bits)
        missed = (1 - self.active / self.experts) ** tokens
        return in_bytes(round(once * self.experts * (1 - missed)), bits)
