"""Grouped-query attention over routed experts: Mixtral, Qwen MoE, GLM-4.5, gpt-oss, MiniMax-M2."""

from kvsim.models.blocks import Block, gated, grouped, routed
from kvsim.models.config import Config
from kvsim.models.families.common import experts, heads, layer_types, model
from kvsim.models.families.llama import kinds, qwen_kinds
from kvsim.models.layout import Kind
from kvsim.models.matmuls import Linear, whole
from kvsim.models.model import Model


def mixtral(config: Config) -> Model:
    """Mixtral 8x7B and 8x22B: experts in every layer, no biases."""
    group, hidden = heads(config), config.size("hidden_size")
    many, active = experts(config, "num_local_experts")
    inner = routed(hidden, config.size("intermediate_size"), many, active)
    blocks = []
    for kind in kinds(config):
        memory = group.memory(kind, config.optional("sliding_window"))
        blocks.append(Block(memory, grouped(hidden, memory) + inner, 2 * hidden))
    return model(config, blocks)


def minimax_m2(config: Config) -> Model:
    """MiniMax-M2: experts in every layer, one norm over all query heads and one over all keys."""
    group, hidden = heads(config), config.size("hidden_size")
    many, active = experts(config, "num_local_experts")
    if config.count("shared_intermediate_size"):
        config.refuse("shared_intermediate_size", "0, no shared expert")
    memory = group.memory()
    linears = grouped(hidden, memory) + routed(
        hidden, config.size("intermediate_size"), many, active
    )
    normed = (group.query + group.kv) * group.width if config.flag("use_qk_norm") else 0
    bias = many if config.flag("use_routing_bias") else 0
    block = Block(memory, linears, 2 * hidden + normed + bias)
    return model(config, [block] * config.layers())


def qwen2_moe(config: Config) -> Model:
    """Qwen 1.5 and 2 MoE: biases on Q, K, V, and a gated shared expert beside the routed ones."""
    hidden = config.size("hidden_size")
    shared = gated(hidden, config.size("shared_expert_intermediate_size"), prefix="shared_")
    gate = Linear("shared_gate", whole(hidden), (whole(1),))
    return _qwen(config, (*shared, gate), bias=True)


def qwen3_moe(config: Config) -> Model:
    """Qwen 3 MoE and Qwen3-Coder: norms on query and key heads, no shared expert."""
    bias = config.flag("attention_bias")
    return _qwen(config, (), bias=bias, out_bias=bias, head_norms=2)


def _qwen(
    config: Config,
    shared: tuple[Linear, ...],
    bias: bool,
    out_bias: bool = False,
    head_norms: int = 0,
) -> Model:
    group, hidden = heads(config), config.size("hidden_size")
    many, active = experts(config, "num_experts")
    every, without = config.size("decoder_sparse_step", 1), config.indices("mlp_only_layers")
    sparse = (*routed(hidden, config.size("moe_intermediate_size"), many, active), *shared)
    blocks = []
    for index, kind in enumerate(qwen_kinds(config)):
        memory = group.memory(kind, config.optional("sliding_window"))
        is_sparse = (index + 1) % every == 0 and index not in without
        inner = sparse if is_sparse else gated(hidden, config.size("intermediate_size"))
        mixer = grouped(hidden, memory, bias, out_bias)
        blocks.append(Block(memory, mixer + inner, 2 * hidden + head_norms * group.width))
    return model(config, blocks)


def glm4_moe(config: Config) -> Model:
    """GLM-4.5 and Air: dense first layers, then routed experts and a shared one."""
    group, hidden = heads(config), config.size("hidden_size")
    many, active = experts(config, "n_routed_experts")
    wide = config.size("moe_intermediate_size")
    shared = config.count("n_shared_experts")
    sparse = routed(hidden, wide, many, active)
    if shared:
        sparse += gated(hidden, shared * wide, prefix="shared_")
    dense = gated(hidden, config.size("intermediate_size"))
    memory = group.memory()
    mixer = grouped(hidden, memory, bias=config.flag("attention_bias"))
    vectors = 2 * hidden + (2 * group.width if config.flag("use_qk_norm") else 0)
    first = config.count("first_k_dense_replace")
    blocks = [
        Block(memory, mixer + dense, vectors)
        if index < first
        else Block(memory, mixer + sparse, vectors + many)  # a routing bias per expert
        for index in range(config.layers())
    ]
    return model(config, blocks)


def gpt_oss(config: Config) -> Model:
    """gpt-oss: windows and full layers in turn, biases everywhere, a learned sink per head."""
    group, hidden = heads(config), config.size("hidden_size")
    many, active = experts(config, "num_local_experts")
    inner = routed(hidden, config.size("intermediate_size"), many, active, bias=True)
    bias = config.flag("attention_bias", default=True)
    listed = layer_types(config, ("full_attention", "sliding_attention"))
    alternating: list[Kind] = [
        "full" if index % 2 else "window" for index in range(config.layers())
    ]
    blocks = []
    for kind in listed or alternating:
        memory = group.memory(kind, config.size("sliding_window"))
        mixer = grouped(hidden, memory, bias, bias)
        blocks.append(Block(memory, mixer + inner, 2 * hidden + group.query))
    return model(config, blocks)
