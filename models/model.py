"""A transformer (or a recurrent relative): its sizes, its memory, and the work of a token."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from kvsim.models.attention import Attention
from kvsim.models.blocks import Block
from kvsim.models.layout import GROWING, KVLayout, Layer, ceil_div, in_bytes, shared_from
from kvsim.models.matmuls import Linear, Matmul, Width, whole

ACTIVATION_BYTES = 2
"""Bytes per activation element: engines keep activations in bf16, whatever the weights are."""

UNLIMITED = 1 << 20
"""Tokens allowed for a model that states no longest text, as recurrent ones do (assumed)."""

TABLE_BITS = 16
"""Quantised checkpoints leave the embeddings and the LM head at 16 bits."""

STATE_FLOPS = 4
"""FLOPs per state element and token of a linear layer: one multiply-add writes, another reads."""


@dataclass(frozen=True)
class Model:
    """An architecture as published. Says what it costs; knows no GPU, no batch and no time."""

    name: str
    title: str
    source: str
    context: int
    """Positions it was made for; `UNLIMITED` where neither architecture nor config sets a limit."""
    vocabulary: int
    hidden: int
    blocks: tuple[Block, ...]
    tied: bool
    """Whether the LM head is the token embedding, stored once."""
    positions: int = 0
    """Rows of a learned position embedding, whole on every rank."""
    vectors: int = 0
    """Parameters of the final norm and the like."""
    head_bias: bool = False

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """What each layer keeps of past tokens."""
        return tuple(block.memory for block in self.blocks)

    @cached_property
    def layout(self) -> KVLayout:
        """The memory of the past of the whole model."""
        return KVLayout(self.layers)

    @property
    def parameters(self) -> int:
        """All parameters. A multi-token prediction head, and any vision tower, are not counted."""
        return self._tables(1) + self._inner(1)

    @property
    def active_parameters(self) -> int:
        """Parameters a token meets: all but the routed experts it does not visit."""
        idle = sum(
            many * (linear.weights() - linear.active_weights())
            for linear, many in self._linears.items()
        )
        return self.parameters - idle

    def weights_bytes(self, bits: int = 16, tensor: int = 1) -> int:
        """Bytes of all weights on one of `tensor` ranks; below 16 bits the tables stay at 16."""
        tables = in_bytes(self._tables(tensor), max(bits, TABLE_BITS))
        return tables + in_bytes(self._inner(tensor), bits)

    def matmuls(self, tensor: int = 1) -> tuple[Matmul, ...]:
        """Every distinct matrix product on one rank, in the order of the layers; the head last."""
        products = [
            Matmul(
                name=linear.name,
                n=linear.n(tensor),
                k=linear.k(tensor),
                times=many,
                rows="experts" if linear.experts else "all",
                experts=linear.experts,
                active=linear.active,
            )
            for linear, many in self._linears.items()
        ]
        head = self._head
        return (*products, Matmul(head.name, head.n(tensor), head.k(tensor), 1, rows="sampled"))

    def projections(self, tensor: int = 1) -> tuple[Matmul, ...]:
        """The matrix products on one rank that make of hidden states what layers keep of tokens."""
        widths = Counter(stored for layer in self.layers if (stored := layer.stored(tensor)))
        return tuple(Matmul("kv", n, self.hidden, times) for n, times in widths.items())

    def hidden_bytes(self) -> int:
        """Bytes per token of the hidden states out of which all layers can make what they keep."""
        layers = sum(1 for layer in self.layers if layer.stored())
        return layers * self.hidden * ACTIVATION_BYTES

    def attention(self, tensor: int = 1) -> tuple[Attention, ...]:
        """The attention classes that read the text's own KV, in the order of their first layer.

        A `shared` layer reads like the layer that stores for it. Linear layers read a state, not
        tokens: see `layout.state_bytes` and `state_flops`.
        """
        return tuple(
            Attention(
                kind=layer.kind,
                layers=many,
                query_heads=ceil_div(layer.query_heads, tensor),
                kv_heads=ceil_div(layer.kv_heads, tensor),
                key_width=layer.key_width,
                value_width=layer.value_width,
                window=layer.window,
                scored=layer.scored,
                latent=layer.latent,
            )
            for layer, many in self._readers.items()
        )

    def token_flops(self, tensor: int = 1) -> int:
        """FLOPs of matrix products per token on one rank, without attention and the LM head."""
        return sum(product.flops(1) for product in self.matmuls(tensor)[:-1])

    def head_flops(self, tensor: int = 1) -> int:
        """FLOPs of the LM head per sampled row on one rank."""
        return self.matmuls(tensor)[-1].flops(1)

    def state_flops(self, tensor: int = 1) -> int:
        """FLOPs per token on one rank to write and read the states of linear layers."""
        return STATE_FLOPS * sum(ceil_div(layer.state, tensor) for layer in self.layers)

    def elementwise_bytes(self, tensor: int = 1) -> int:
        """Activation bytes moved per token on one rank between matrix products.

        Counted as fused kernels do it: what a product wrote is read once and what the next reads
        is written once; each norm also reads and writes the residual stream.
        """
        moved = sum(
            many * (linear.k(tensor) + linear.n(tensor)) * (linear.active or 1)
            for linear, many in self._linears.items()
        )
        residual = 2 * self.hidden * sum(block.norms for block in self.blocks)
        return ACTIVATION_BYTES * (moved + residual)

    @property
    def reductions(self) -> int:
        """All-reduces of the layers in a step under tensor parallelism."""
        return sum(block.reductions for block in self.blocks)

    @property
    def reduction_bytes(self) -> int:
        """Bytes per token and all-reduce."""
        return ACTIVATION_BYTES * self.hidden

    @cached_property
    def _linears(self) -> Counter[Linear]:
        return Counter(linear for block in self.blocks for linear in block.linears)

    @cached_property
    def _readers(self) -> Counter[Layer]:
        """What attention reads, with a `shared` layer counted as the one that stores for it."""
        stores = (shared_from(self.layers, index) for index in range(len(self.layers)))
        return Counter(layer for layer in stores if layer.kind in GROWING)

    @property
    def _head(self) -> Linear:
        return Linear("lm_head", whole(self.hidden), (Width(self.vocabulary),), self.head_bias)

    def _tables(self, tensor: int) -> int:
        """Elements of the embeddings and the LM head on one rank."""
        rows = ceil_div(self.vocabulary, tensor)
        biases = rows if self.head_bias else 0
        return ((1 if self.tied else 2) * rows + self.positions) * self.hidden + biases

    def _inner(self, tensor: int) -> int:
        """Elements of everything else on one rank."""
        vectors = self.vectors + sum(block.vectors for block in self.blocks)
        return vectors + sum(
            many * linear.weights(tensor) for linear, many in self._linears.items()
        )
