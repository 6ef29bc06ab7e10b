"""Gemma 2 and 3: windows and full layers in turn, four norms a layer, tied embeddings."""

from kvsim.models.blocks import Block
from kvsim.models.config import Config
from kvsim.models.families.common import Heads, heads, layer_types, model
from kvsim.models.families.llama import stack
from kvsim.models.layout import Kind
from kvsim.models.model import Model

# Defaults of transformers' Gemma3TextConfig; published Gemma 3 files leave out what equals them.
GEMMA3_HEADS = Heads(query=8, kv=4, width=256)
GEMMA3_VOCABULARY = 262_208
GEMMA3_CONTEXT = 131_072
GEMMA3_PATTERN = 6

GEMMA2_PATTERN = 2
"""Every second layer is full (transformers' Gemma2Config)."""


def gemma2(config: Config) -> Model:
    """Gemma 2: a window in every layer of even index."""
    return model(config, _blocks(config, heads(config), GEMMA2_PATTERN), tied=True)


def gemma3(config: Config) -> Model:
    """Gemma 3 (text): five windows to one full layer, norms on query and key heads."""
    pattern = config.size("sliding_window_pattern", GEMMA3_PATTERN)
    blocks = _blocks(config, heads(config, GEMMA3_HEADS), pattern, head_norms=2)
    return model(config, blocks, tied=True, vocabulary=GEMMA3_VOCABULARY, context=GEMMA3_CONTEXT)


def _blocks(config: Config, group: Heads, pattern: int, head_norms: int = 0) -> list[Block]:
    kinds = layer_types(config, ("full_attention", "sliding_attention"))
    if kinds is None:
        kinds = [_kind(index, pattern) for index in range(config.layers())]
    bias = config.flag("attention_bias")
    return stack(config, group, kinds, bias=bias, out_bias=bias, norms=4, head_norms=head_norms)


def _kind(index: int, pattern: int) -> Kind:
    return "window" if (index + 1) % pattern else "full"
