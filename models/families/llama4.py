"""Llama 4: chunks and full layers, experts in every layer or every second, one shared expert."""

from kvsim.models.blocks import Block, gated, grouped, routed
from kvsim.models.config import Config
from kvsim.models.families.common import experts, heads, layer_types, model
from kvsim.models.layout import Kind
from kvsim.models.model import Model

FULL_EVERY = 4
"""Every fourth layer is not rotary and sees everything (transformers' Llama4TextConfig)."""


def llama4(config: Config) -> Model:
    """Llama 4 Scout and Maverick."""
    group, hidden = heads(config), config.size("hidden_size")
    many, active = experts(config, "num_local_experts")
    wide = config.size("intermediate_size")
    sparse = (*routed(hidden, wide, many, active), *gated(hidden, wide, prefix="shared_"))
    dense = gated(hidden, config.size("intermediate_size_mlp"))
    every = config.size("interleave_moe_layer_step", 1)
    bias = config.flag("attention_bias")
    blocks = []
    for index, kind in enumerate(_kinds(config)):
        memory = group.memory(kind, config.size("attention_chunk_size"))
        inner = dense if (index + 1) % every else sparse
        mixer = grouped(hidden, memory, bias, bias)
        blocks.append(Block(memory, mixer + inner, 2 * hidden))
    return model(config, blocks)


def _kinds(config: Config) -> list[Kind]:
    listed = layer_types(config, ("full_attention", "chunked_attention"))
    if listed is not None:
        return listed
    rotary = config.per_layer("no_rope_layers", (0, 1))  # 1: the layer has a rotary embedding
    if rotary is None:
        rotary = [(index + 1) % FULL_EVERY for index in range(config.layers())]
    return ["chunk" if has else "full" for has in rotary]
