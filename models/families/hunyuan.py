"""Hunyuan-Large: experts in every layer, K and V shared between neighbouring layers (CLA)."""

from dataclasses import replace

from kvsim.models.blocks import Block, gated, grouped, routed
from kvsim.models.config import Config
from kvsim.models.families.common import experts, heads, model
from kvsim.models.layout import Layer
from kvsim.models.matmuls import Linear, Width, whole
from kvsim.models.model import Model


def hunyuan(config: Config) -> Model:
    """Hunyuan-Large. Of each `cla_share_factor` layers the first stores K and V for all of them."""
    hidden, wide = config.size("hidden_size"), config.size("intermediate_size")
    many, active = experts(config, "num_experts", "moe_topk")
    inner = routed(hidden, wide, many, active)
    shared = config.count("num_shared_expert")
    if shared:
        inner += gated(hidden, shared * wide, prefix="shared_")
    every = config.size("cla_share_factor") if config.flag("use_cla") else 1
    group = heads(config)
    stores, bias = group.memory(), config.flag("attention_bias")
    norm = group.width if config.flag("use_qk_norm") else 0
    blocks = []
    for index in range(config.layers()):
        if index % every == 0:
            mixer = grouped(hidden, stores, bias, bias)
            blocks.append(Block(stores, mixer + inner, 2 * hidden + 2 * norm))
        else:
            reads = replace(stores, kind="shared", shares=index - index % every)
            mixer = _queries(hidden, reads, bias)
            blocks.append(Block(reads, mixer + inner, 2 * hidden + norm))
    return model(config, blocks)


def _queries(hidden: int, layer: Layer, bias: bool) -> tuple[Linear, ...]:
    """Attention with the K and V of another layer: only queries are projected."""
    return (
        Linear("q", whole(hidden), (Width(layer.query_heads, layer.key_width),), bias),
        Linear("o", Width(layer.query_heads, layer.value_width), (whole(hidden),), bias),
    )
