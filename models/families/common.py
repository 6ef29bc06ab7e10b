"""What most families have in common: heads, windows by layer, and the frame around the blocks."""

from collections.abc import Iterable
from typing import NamedTuple

from kvsim.models.blocks import Block
from kvsim.models.config import Config
from kvsim.models.layout import Kind, Layer
from kvsim.models.model import UNLIMITED, Model

WORDS: dict[str, Kind] = {
    "full_attention": "full",
    "sliding_attention": "window",
    "chunked_attention": "chunk",
    "linear_attention": "linear",
}
"""Hugging Face's words in `layer_types`, and ours."""


class Heads(NamedTuple):
    """The attention heads of a layer; keys and values are equally wide."""

    query: int
    kv: int
    width: int

    def memory(self, kind: Kind = "full", window: int | None = None) -> Layer:
        """A layer that stores K and V of these heads."""
        limit = window if kind in ("window", "chunk") else None
        return Layer(kind, self.query, self.kv, self.width, self.width, limit)


def heads(config: Config, defaults: Heads | None = None) -> Heads:
    """Query heads, KV heads (absent: as many) and their width (absent: hidden size over heads)."""
    query = config.size("num_attention_heads", defaults.query if defaults else None)
    kv = config.size("num_key_value_heads", defaults.kv if defaults else query)
    config.divides("num_key_value_heads", kv, query, "query heads ('num_attention_heads')")
    width = config.optional("head_dim") or (defaults.width if defaults else None)
    if width is None:
        hidden = config.size("hidden_size")
        width = hidden // config.divides("num_attention_heads", query, hidden, "'hidden_size'")
    return Heads(query, kv, width)


def layer_types(config: Config, allowed: Iterable[str]) -> list[Kind] | None:
    """The kinds of layers by `layer_types`, if the config has it."""
    words = config.per_layer("layer_types", allowed)
    return None if words is None else [WORDS[word] for word in words]


def model(
    config: Config,
    blocks: Iterable[Block],
    *,
    tied: bool = False,
    norm: int = 1,
    vocabulary: int | None = None,
    context: int = UNLIMITED,
    positions: int = 0,
    head_bias: bool = False,
) -> Model:
    """The frame around the blocks: embedding, final norm (`norm` vectors) and LM head.

    `tied`, `vocabulary` and `context` hold where the config does not speak.
    """
    hidden = config.size("hidden_size")
    return Model(
        *config.origin,
        context=config.size("max_position_embeddings", context),
        vocabulary=config.size("vocab_size", vocabulary),
        hidden=hidden,
        blocks=tuple(blocks),
        tied=config.flag("tie_word_embeddings", tied),
        positions=positions,
        vectors=norm * hidden,
        head_bias=head_bias,
    )


def experts(config: Config, number: str, visited: str = "num_experts_per_tok") -> tuple[int, int]:
    """How many routed experts there are, and how many of them a token visits."""
    many = config.size(number)
    return many, config.at_most(visited, config.size(visited), many, f"experts ({number!r})")
