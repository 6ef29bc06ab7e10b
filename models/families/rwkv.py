"""RWKV-6 (Finch): a matrix state per head, and the last token of each half of a layer."""

from kvsim.models.blocks import Block
from kvsim.models.config import Config
from kvsim.models.families.common import model
from kvsim.models.layout import Layer
from kvsim.models.matmuls import Linear, Width, whole
from kvsim.models.model import UNLIMITED, Model

MIXES = 5
"""Interpolations between a token and the one before it: for w, k, v, r and g."""


def rwkv6(config: Config) -> Model:
    """RWKV-6, after the modeling code beside RWKV/v6-Finch-7B-HF and arXiv 2404.05892."""
    hidden, width = config.size("hidden_size"), config.size("head_size")
    if config.size("attention_hidden_size", hidden) != hidden:
        config.refuse("attention_hidden_size", f"{hidden}, the 'hidden_size'")
    heads = hidden // config.divides("head_size", width, hidden, "'hidden_size'")
    inner = config.size("intermediate_size", int(hidden * 3.5) // 32 * 32)
    memory = Layer("linear", state=heads * width * width + 2 * hidden)
    linears = (*_time_mix(hidden, heads, width), *_channel_mix(hidden, inner))
    # two layer norms 4, mixes 6 + 2, decay 1, bonus 1, group norm 2: in units of hidden
    block = Block(memory, linears, 16 * hidden)
    blocks = [block] * config.layers()
    return model(config, blocks, norm=4, context=config.size("context_length", UNLIMITED))


def _time_mix(hidden: int, heads: int, width: int) -> tuple[Linear, ...]:
    """Five square projections, and low-rank corrections of the mixes and of the decay."""
    mix, decay = (32, 64) if hidden < 4096 else (64, 128)
    by_head = Width(heads, width)
    return (
        Linear("mix_a", whole(hidden), (whole(MIXES * mix),)),
        Linear("mix_b", whole(mix), (whole(MIXES * hidden),)),
        Linear("decay_a", whole(hidden), (whole(decay),)),
        Linear("decay_b", whole(decay), (whole(hidden),)),
        *(Linear(name, whole(hidden), (by_head,)) for name in ("r", "k", "v", "g")),
        Linear("o", by_head, (whole(hidden),)),
    )


def _channel_mix(hidden: int, inner: int) -> tuple[Linear, ...]:
    return (
        Linear("ffn_receptance", whole(hidden), (whole(hidden),)),
        Linear("ffn_key", whole(hidden), (Width(inner),)),
        Linear("ffn_value", Width(inner), (whole(hidden),)),
    )
