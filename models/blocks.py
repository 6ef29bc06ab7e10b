"""Layers put together from their parts: attention, feed-forward, experts, recurrent mixers."""

from dataclasses import dataclass, replace

from kvsim.models.layout import Layer
from kvsim.models.model import Block, Weight


@dataclass(frozen=True)
class Heads:
    """Multi-head attention with grouped KV heads."""

    hidden: int
    query: int
    kv: int
    width: int
    window: int | None = None
    chunked: bool = False
    bias: bool = False

    def layer(self) -> Layer:
        """Its memory."""
        kind = "full" if self.window is None else "chunk" if self.chunked else "window"
        return Layer(kind, self.query, self.kv, self.width, self.width, self.window)  # type: ignore[arg-type]

    def weights(self) -> tuple[Weight, ...]:
        """QKV as one product, and the output projection."""
        both = 2 * self.width
        qkv = self.query * self.width + self.kv * both
        return (
            Weight("qkv", qkv, self.hidden, "qkv", kv_width=both, kv_heads=self.kv),
            Weight("o", self.hidden, self.query * self.width, "k"),
        )

    @property
    def small(self) -> int:
        """Biases of QKV."""
        return (self.query + 2 * self.kv) * self.width if self.bias else 0


@dataclass(frozen=True)
class Latent:
    """Multi-head latent attention (DeepSeek-V2): one compressed vector a token, for all heads."""

    hidden: int
    heads: int
    query_rank: int
    """0: queries are not compressed."""
    rank: int
    nope: int
    rope: int
    value: int

    def layer(self) -> Layer:
        """The latent and the rope part of the key are kept, once."""
        scored = (self.nope + self.rope, self.value)
        return Layer("latent", self.heads, 1, self.rank + self.rope, 0, scored=scored)

    def weights(self) -> tuple[Weight, ...]:
        """Down- and up-projections; the down ones are copied to every GPU."""
        queries = self.heads * (self.nope + self.rope)
        rank = self.query_rank or self.hidden
        down = (Weight("q_down", self.query_rank, self.hidden, "none"),) if self.query_rank else ()
        return (
            *down,
            Weight("q_up", queries, rank, "n"),
            Weight("kv_down", self.rank + self.rope, self.hidden, "none"),
            Weight("kv_up", self.heads * (self.nope + self.value), self.rank, "n"),
            Weight("o", self.hidden, self.heads * self.value, "k"),
        )


@dataclass(frozen=True)
class Recurrent:
    """A mixer whose memory does not grow: Mamba, RWKV, linear attention."""

    state: int
    matrices: tuple[Weight, ...]
    small: int = 0

    def layer(self) -> Layer:
        """A state."""
        return Layer("linear", state=self.state)

    def weights(self) -> tuple[Weight, ...]:
        """As given."""
        return self.matrices


Mixer = Heads | Latent | Recurrent


@dataclass(frozen=True)
class Experts:
    """A mixture: routed experts, and shared ones that every token meets."""

    count: int
    active: int
    width: int
    shared_width: int = 0


def feed_forward(hidden: int, width: int, gated: bool = True) -> tuple[Weight, ...]:
    """Up (with its gate as one product) and down."""
    return (
        Weight("up", width * (2 if gated else 1), hidden, "n"),
        Weight("down", hidden, width, "k"),
    )


def mixture(hidden: int, experts: Experts, gated: bool = True) -> tuple[Weight, ...]:
    """Router, routed experts, shared experts."""
    up = experts.width * (2 if gated else 1)
    routed = (experts.count, experts.active)
    found: tuple[Weight, ...] = (
        Weight("router", experts.count, hidden, "none"),
        Weight("up", up, hidden, "n", *routed),
        Weight("down", hidden, experts.width, "k", *routed),
    )
    if experts.shared_width:
        found += (
            Weight("shared_up", experts.shared_width * (2 if gated else 1), hidden, "n"),
            Weight("shared_down", hidden, experts.shared_width, "k"),
        )
    return found


def block(mixer: Mixer, mlp: tuple[Weight, ...], hidden: int, norms: int = 2) -> Block:
    """One layer with its norms."""
    small = norms * hidden
    if isinstance(mixer, Heads | Recurrent):
        small += mixer.small
    return Block(mixer.layer(), (*mixer.weights(), *mlp), small)


def sharing(blocks: tuple[Block, ...], every: int) -> tuple[Block, ...]:
    """Of each `every` layers the first computes K and V and the others read them."""
    found = list(blocks)
    for index, one in enumerate(blocks):
        source = index - index % every
        if source == index:
            continue
        queries = one.layer.query_heads * one.layer.key_width
        weights = tuple(
            Weight("q", queries, w.k, "n") if w.name == "qkv" else w for w in one.weights
        )
        layer = replace(one.layer, kind="shared", shares=source)
        found[index] = Block(layer, weights, one.small)
    return tuple(found)
