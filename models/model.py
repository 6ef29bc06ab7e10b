"""A transformer as its arithmetic: weights to multiply by, attention to read, bytes to move."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from kvsim.models.layout import KVLayout, Layer

Shard = Literal["n", "k", "none", "qkv"]


class Weight(NamedTuple):
    """A matrix of one layer, y[n] = W x[k]; how it is split over GPUs; its copies among experts."""

    name: str
    n: int
    k: int
    shard: Shard
    experts: int = 0
    """Routed experts that each have one; 0: not routed."""
    active: int = 0
    """Experts a token goes to."""
    kv_width: int = 0
    """Of `qkv`: elements of one KV head, K and V."""
    kv_heads: int = 0


class Block(NamedTuple):
    """One layer: its memory of the past, its matrices, and its small parameters."""

    layer: Layer
    weights: tuple[Weight, ...]
    small: int
    """Norms, biases, convolutions, decay rates."""


class Matmul(NamedTuple):
    """y[M, n] = x[M, k] W on one GPU, `times` times in the model."""

    name: str
    n: int
    k: int
    times: int
    rows: Literal["all", "sampled", "experts"]
    """M: every token of the step, those sampled from, or those routed to each expert."""
    experts: int = 0
    active: int = 0


@dataclass(frozen=True, slots=True)
class Attention:
    """Layers on one GPU that read the past alike."""

    kind: str
    layers: int
    query_heads: int
    kv_heads: int
    key_width: int
    value_width: int
    window: int | None
    scored: tuple[int, int] | None
    """(QK, PV) widths per query head of latent layers in prefill, with K and V rebuilt."""

    def read_bytes(self, bits: int) -> int:
        """KV bytes read per token of context, all its layers."""
        return self.layers * self.kv_heads * (self.key_width + self.value_width) * bits // 8

    def pair_flops(self, prefill: bool) -> int:
        """FLOPs per (query, key) pair, all its layers: one multiply-add per width, QK and PV."""
        if self.kind == "latent" and self.scored is not None:
            latent = self.key_width - (self.scored[0] - self.scored[1])
            score, value = self.scored if prefill else (self.key_width, latent)
            return 2 * self.layers * self.query_heads * (score + value)
        return 2 * self.layers * self.query_heads * (self.key_width + self.value_width)


@dataclass(frozen=True)
class Model:
    """A model as published. Sizes in elements; per GPU where `tensor` is asked for."""

    name: str
    title: str
    source: str
    published: float | None
    """Parameters its makers state, to check the layout against; None for a file of one's own."""
    context: int
    """Longest text it was made for, in tokens."""
    vocabulary: int
    hidden: int
    blocks: tuple[Block, ...]
    tied: bool
    """The LM head is the embedding."""
    positions: int = 0
    """Learned position vectors."""

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Each layer's memory of the past."""
        return tuple(block.layer for block in self.blocks)

    @cached_property
    def layout(self) -> KVLayout:
        """What it keeps of past tokens."""
        return KVLayout(self.layers)

    @cached_property
    def parameters(self) -> int:
        """All parameters."""
        inner = sum(
            sum(w.n * w.k * max(w.experts, 1) for w in block.weights) + block.small
            for block in self.blocks
        )
        return inner + self._embeddings

    @cached_property
    def active_parameters(self) -> int:
        """Parameters that one token meets."""
        inner = sum(
            sum(w.n * w.k * (w.active if w.experts else 1) for w in block.weights) + block.small
            for block in self.blocks
        )
        return inner + self._embeddings

    @property
    def _embeddings(self) -> int:
        vectors = self.vocabulary * (1 if self.tied else 2) + self.positions
        return vectors * self.hidden + self.hidden

    def weights_bytes(self, bits: int = 16) -> int:
        """Bytes of all weights; embeddings and the LM head stay at 16 bits."""
        inner = self.parameters - self._embeddings
        return inner * bits // 8 + self._embeddings * max(bits, 16) // 8

    def matmuls(self, tensor: int = 1) -> tuple[Matmul, ...]:
        """The distinct matrix products of a step on one GPU, the LM head last."""
        counted: Counter[Matmul] = Counter()
        for block in self.blocks:
            for weight in block.weights:
                n, k = _sharded(weight, tensor)
                rows: Literal["all", "experts"] = "experts" if weight.experts else "all"
                one = Matmul(weight.name, n, k, 1, rows, weight.experts, weight.active)
                counted[one] += 1
        found = [matmul._replace(times=times) for matmul, times in counted.items()]
        head = Matmul("lm_head", -(self.vocabulary // -tensor), self.hidden, 1, "sampled")
        return (*found, head)

    def attention(self, tensor: int = 1) -> tuple[Attention, ...]:
        """Layers that read the past alike, together, on one GPU."""
        counted: Counter[Attention] = Counter()
        for layer in self.layers:
            if layer.kind == "none":
                continue
            source = self.layers[layer.shares] if layer.shares is not None else layer
            one = Attention(
                source.kind,
                1,
                -(source.query_heads // -tensor),
                -(source.kv_heads // -tensor),
                source.key_width,
                source.value_width,
                source.window,
                source.scored,
            )
            counted[one] += 1
        return tuple(
            Attention(
                one.kind, count, one.query_heads, one.kv_heads, one.key_width, one.value_width,
                one.window, one.scored,
            )
            for one, count in counted.items()
        )  # fmt: skip

    def token_flops(self, tensor: int = 1) -> int:
        """FLOPs of the layers' matrix products for one token on one GPU."""
        return sum(
            2 * m.n * m.k * m.times * (m.active if m.rows == "experts" else 1)
            for m in self.matmuls(tensor)
            if m.rows != "sampled"
        )

    def head_flops(self, tensor: int = 1) -> int:
        """FLOPs of the LM head for one sampled token on one GPU."""
        return 2 * -(self.vocabulary // -tensor) * self.hidden

    def elementwise_bytes(self, tensor: int = 1) -> int:
        """Bytes that norms, residuals, rotary and activations move per token on one GPU, 16 bits.

        Two norms with residual read and write two hidden vectors each; an activation reads what the
        up-projection wrote and writes what the down-projection reads.
        """
        total = 0
        for block in self.blocks:
            total += 8 * self.hidden
            for weight in block.weights:
                n, k = _sharded(weight, tensor)
                times = weight.active if weight.experts else 1
                if weight.name in ("qkv", "up", "shared_up"):
                    total += n * times
                elif weight.name in ("down", "shared_down"):
                    total += k * times
        return 2 * total

    @property
    def reductions(self) -> int:
        """All-reduces of a step under tensor parallelism: after attention and after the MLP."""
        return 2 * len(self.blocks)

    @property
    def reduction_bytes(self) -> int:
        """Bytes each of them sums per token, at 16 bits."""
        return 2 * self.hidden


def _sharded(weight: Weight, tensor: int) -> tuple[int, int]:
    """(n, k) on one GPU; KV heads are copied where there are fewer of them than GPUs."""
    n, k = weight.n, weight.k
    if weight.shard == "qkv":
        shared = weight.kv_heads * weight.kv_width
        heads = -(weight.kv_heads // -tensor)
        return -((n - shared) // -tensor) + heads * weight.kv_width, k
    if weight.shard == "n":
        return -(n // -tensor), k
    if weight.shard == "k":
        return n, -(k // -tensor)
    return n, k
