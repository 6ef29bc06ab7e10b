"""DeepSeek V2, V3, R1 and Kimi K2: latent attention (MLA), dense first layers, shared experts."""

from kvsim.models.blocks import Block, gated, routed
from kvsim.models.config import Config
from kvsim.models.families.common import experts, model
from kvsim.models.layout import Layer
from kvsim.models.matmuls import KV_REBUILD, Linear, Width, whole
from kvsim.models.model import Model


def deepseek_v2(config: Config) -> Model:
    """DeepSeek-V2, V2-Lite and Coder-V2: routing without a bias."""
    return _deepseek(config, routing_bias=False)


def deepseek_v3(config: Config) -> Model:
    """DeepSeek-V3, V3.1, R1 and Kimi K2: a routing bias per expert. Without the MTP head."""
    return _deepseek(config, routing_bias=True)


def _deepseek(config: Config, routing_bias: bool) -> Model:
    hidden, memory = config.size("hidden_size"), _memory(config)
    mixer = _mixer(config, memory)
    latents = config.count("q_lora_rank") + memory.latent  # each has its norm
    vectors = 2 * hidden + latents
    dense = gated(hidden, config.size("intermediate_size"))
    layers = config.layers()
    if not config.has("n_routed_experts"):
        return model(config, [Block(memory, mixer + dense, vectors)] * layers)
    sparse, many = _experts(config)
    first, every = config.count("first_k_dense_replace"), config.size("moe_layer_freq", 1)
    blocks = [
        Block(memory, mixer + sparse, vectors + (many if routing_bias else 0))
        if index >= first and index % every == 0
        else Block(memory, mixer + dense, vectors)
        for index in range(layers)
    ]
    return model(config, blocks)


def _memory(config: Config) -> Layer:
    latent, rope = config.size("kv_lora_rank"), config.size("qk_rope_head_dim")
    return Layer(
        "latent",
        query_heads=config.size("num_attention_heads"),
        kv_heads=1,
        key_width=latent + rope,
        scored=(config.size("qk_nope_head_dim") + rope, config.size("v_head_dim")),
        latent=latent,
    )


def _mixer(config: Config, memory: Layer) -> tuple[Linear, ...]:
    """The projections of MLA. Those into a latent are whole on every rank, fused where both are.

    Rebuilding K and V from the latent costs a new token the same when decode absorbs it.
    """
    hidden, query = whole(config.size("hidden_size")), config.optional("q_lora_rank")
    bias = config.flag("attention_bias")
    keys, values = memory.scored or (0, 0)
    queries = (Width(memory.query_heads, keys),)
    rope = memory.key_width - memory.latent
    rebuilt = (Width(memory.query_heads, keys - rope + values),)
    if query is None:
        inwards = (
            Linear("q", hidden, queries),
            Linear("kv_a", hidden, (whole(memory.key_width),), bias),
        )
    else:
        inwards = (
            Linear("qkv_a", hidden, (whole(query + memory.key_width),), bias),
            Linear("q_b", whole(query), queries),
        )
    return (
        *inwards,
        Linear(KV_REBUILD, whole(memory.latent), rebuilt),
        Linear("o", Width(memory.query_heads, values), (hidden,), bias),
    )


def _experts(config: Config) -> tuple[tuple[Linear, ...], int]:
    hidden, wide = config.size("hidden_size"), config.size("moe_intermediate_size")
    many, active = experts(config, "n_routed_experts")
    sparse = routed(hidden, wide, many, active)
    shared = config.count("n_shared_experts")
    if shared:
        sparse += gated(hidden, shared * wide, prefix="shared_")
    return sparse, many
