"""Llama and its likeness: grouped-query attention and a gated feed-forward in every layer."""

from kvsim.models.blocks import Block, gated, grouped
from kvsim.models.config import Config
from kvsim.models.families.common import Heads, heads, layer_types, model
from kvsim.models.layout import Kind
from kvsim.models.model import Model


def kinds(config: Config) -> list[Kind]:
    """Full or windowed, layer by layer: `layer_types`, else a window in every layer, else full."""
    listed = layer_types(config, ("full_attention", "sliding_attention"))
    if listed is not None:
        return listed
    kind: Kind = "window" if config.has("sliding_window") else "full"
    return [kind] * config.layers()


def stack(
    config: Config,
    group: Heads,
    layers: list[Kind],
    *,
    bias: bool = False,
    out_bias: bool = False,
    mlp_bias: bool = False,
    norms: int = 2,
    head_norms: int = 0,
) -> list[Block]:
    """A block per kind in `layers`; `head_norms` norms of one head's width are shared by heads."""
    hidden = config.size("hidden_size")
    window = config.optional("sliding_window")
    inner = gated(hidden, config.size("intermediate_size"), mlp_bias)
    vectors = norms * hidden + head_norms * group.width
    blocks = []
    for kind in layers:
        if kind == "window" and window is None:
            config.fail("sliding_window", "a positive integer, as 'layer_types' has windows")
        memory = group.memory(kind, window)
        mixer = grouped(hidden, memory, bias, out_bias)
        blocks.append(Block(memory, mixer + inner, vectors, norms))
    return blocks


def llama(config: Config) -> Model:
    """Llama 1 to 3, Yi, DeepSeek-67B, Vicuna and others that call themselves `llama`."""
    bias = config.flag("attention_bias")
    full: list[Kind] = ["full"] * config.layers()
    blocks = stack(
        config,
        heads(config),
        full,
        bias=bias,
        out_bias=bias,
        mlp_bias=config.flag("mlp_bias"),
    )
    return model(config, blocks)


def mistral(config: Config) -> Model:
    """Mistral 7B, Nemo, Small, Large: Llama with a window in the first 7B only."""
    return model(config, stack(config, heads(config), kinds(config)))


def phi3(config: Config) -> Model:
    """Phi-3, Phi-3.5 and Phi-4 (fused projections in the file, the same arithmetic)."""
    return model(config, stack(config, heads(config), kinds(config)))


def qwen2(config: Config) -> Model:
    """Qwen 1.5, 2 and 2.5: biases on Q, K and V; a window, if switched on, in the upper layers."""
    return model(config, stack(config, heads(config), qwen_kinds(config), bias=True))


def qwen3(config: Config) -> Model:
    """Qwen 3, dense: a norm on each query and key head instead of biases."""
    bias = config.flag("attention_bias")
    blocks = stack(
        config, heads(config), qwen_kinds(config), bias=bias, out_bias=bias, head_norms=2
    )
    return model(config, blocks)


def qwen_kinds(config: Config) -> list[Kind]:
    """Windows only with `use_sliding_window`, and then from layer `max_window_layers` up."""
    listed = layer_types(config, ("full_attention", "sliding_attention"))
    if listed is not None:
        return listed
    layers = config.layers()
    below = config.count("max_window_layers") if config.flag("use_sliding_window") else layers
    return ["full" if index < below else "window" for index in range(layers)]
