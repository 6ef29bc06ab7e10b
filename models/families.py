"""The layers of each model family, read from the fields of its config.json."""

from collections.abc import Callable

from kvsim.models.blocks import (
    Experts,
    Heads,
    Latent,
    Mixer,
    Recurrent,
    block,
    feed_forward,
    mixture,
    sharing,
)
from kvsim.models.fields import Fields
from kvsim.models.model import Block, Weight

Blocks = tuple[Block, ...]


def _heads(
    f: Fields, window: int | None = None, bias: bool = False, chunked: bool = False
) -> Heads:
    hidden = f.whole("hidden_size")
    query = f.whole("num_attention_heads")
    kv = f.whole("num_key_value_heads", default=query)
    width = f.whole("head_dim", default=hidden // query)
    return Heads(hidden, query, kv, width, window, chunked, bias)


def _layers(f: Fields) -> int:
    return f.whole("num_hidden_layers", "n_layer", "num_layers")


def dense(f: Fields) -> Blocks:
    """Llama and its kin: gated feed-forward, grouped KV heads."""
    hidden, width = f.whole("hidden_size"), f.whole("intermediate_size")
    window = f.count("sliding_window") or None
    if not f.flag("use_sliding_window", True):
        window = None
    bias = f.values.get("model_type") == "qwen2"
    one = block(_heads(f, window, bias), feed_forward(hidden, width), hidden)
    return (one,) * _layers(f)


def opt(f: Fields) -> Blocks:
    """OPT: multi-head, plain feed-forward, biases everywhere."""
    hidden, width = f.whole("hidden_size"), f.whole("ffn_dim")
    mlp = feed_forward(hidden, width, gated=False)
    one = block(_heads(f), mlp, hidden, norms=4)
    biases = 5 * hidden + width
    return (Block(one.layer, one.weights, one.small + biases),) * _layers(f)


def falcon(f: Fields) -> Blocks:
    """Falcon: multi-query or grouped heads, plain feed-forward four times as wide."""
    hidden = f.whole("hidden_size")
    query = f.whole("num_attention_heads", "n_head")
    grouped = f.flag("new_decoder_architecture", False)
    many = query if not f.flag("multi_query", True) else 1
    kv = f.whole("num_kv_heads", "n_head_kv", default=query) if grouped else many
    mixer = Heads(hidden, query, kv, hidden // query)
    mlp = feed_forward(hidden, f.whole("ffn_hidden_size", default=4 * hidden), gated=False)
    return (block(mixer, mlp, hidden),) * _layers(f)


def phi(f: Fields) -> Blocks:
    """Phi-2: multi-head, plain feed-forward."""
    hidden = f.whole("hidden_size")
    mlp = feed_forward(hidden, f.whole("intermediate_size"), gated=False)
    return (block(_heads(f, bias=True), mlp, hidden, norms=5),) * _layers(f)


def alternating(f: Fields) -> Blocks:
    """Gemma and gpt-oss: layers with a window and layers that see everything, in a pattern."""
    count, window = _layers(f), f.whole("sliding_window")
    kinds = f.kinds("layer_types")
    if kinds is None:
        every = f.whole("sliding_window_pattern", default=2)
        kinds = [
            "full_attention" if (i + 1) % every == 0 else "sliding_attention" for i in range(count)
        ]
    local, everywhere = _heads(f, window), _heads(f)
    mlp, norms = _gemma_mlp(f)
    return tuple(
        block(local if kind == "sliding_attention" else everywhere, mlp, everywhere.hidden, norms)
        for kind in kinds[:count]
    )


def _gemma_mlp(f: Fields) -> tuple[tuple[Weight, ...], int]:
    hidden = f.whole("hidden_size")
    experts = f.count("num_local_experts")
    if experts:
        active = f.whole("num_experts_per_tok", "experts_per_token")
        return mixture(hidden, Experts(experts, active, f.whole("intermediate_size"))), 2
    return feed_forward(hidden, f.whole("intermediate_size")), 4


def experts_everywhere(f: Fields) -> Blocks:
    """Mixtral, Qwen MoE: a mixture in each layer, the first ones excepted where it is said."""
    hidden = f.whole("hidden_size")
    experts = Experts(
        f.whole("num_local_experts", "num_experts", "n_routed_experts"),
        f.whole("num_experts_per_tok"),
        f.whole("moe_intermediate_size", "intermediate_size"),
        f.count("shared_expert_intermediate_size")
        or f.count("n_shared_experts") * f.count("moe_intermediate_size"),
    )
    first = f.count("first_k_dense_replace")
    window = f.count("sliding_window") or None
    if not f.flag("use_sliding_window", True):
        window = None
    mixer = _heads(f, window)
    mixed = block(mixer, mixture(hidden, experts), hidden)
    if not first:
        return (mixed,) * _layers(f)
    plain = block(mixer, feed_forward(hidden, f.whole("intermediate_size")), hidden)
    return (plain,) * first + (mixed,) * (_layers(f) - first)


def deepseek(f: Fields) -> Blocks:
    """DeepSeek-V2, V3, R1 and Kimi-K2: latent attention, the first layers dense, then a mixture."""
    hidden = f.whole("hidden_size")
    mixer = Latent(
        hidden,
        f.whole("num_attention_heads"),
        f.count("q_lora_rank"),
        f.whole("kv_lora_rank"),
        f.whole("qk_nope_head_dim"),
        f.whole("qk_rope_head_dim"),
        f.whole("v_head_dim"),
    )
    width = f.whole("moe_intermediate_size")
    experts = Experts(
        f.whole("n_routed_experts"),
        f.whole("num_experts_per_tok"),
        width,
        f.count("n_shared_experts") * width,
    )
    first = f.count("first_k_dense_replace")
    plain = block(mixer, feed_forward(hidden, f.whole("intermediate_size")), hidden)
    mixed = block(mixer, mixture(hidden, experts), hidden)
    return (plain,) * first + (mixed,) * (_layers(f) - first)


def llama4(f: Fields) -> Blocks:
    """Llama 4: chunked attention but for every fourth layer; one routed, one shared expert."""
    hidden, every = f.whole("hidden_size"), 4
    chunked = _heads(f, f.whole("attention_chunk_size"), chunked=True)
    width = f.whole("intermediate_size")
    experts = Experts(f.whole("num_local_experts"), f.whole("num_experts_per_tok"), width, width)
    step = f.whole("interleave_moe_layer_step", default=1)
    found = []
    for index in range(_layers(f)):
        mixer = _heads(f) if (index + 1) % every == 0 else chunked
        mlp = feed_forward(hidden, f.whole("intermediate_size_mlp"))
        if (index + 1) % step == 0:
            mlp = mixture(hidden, experts)
        found.append(block(mixer, mlp, hidden))
    return tuple(found)


def hunyuan(f: Fields) -> Blocks:
    """Hunyuan-Large: a mixture in each layer, K and V shared between neighbours."""
    hidden, width = f.whole("hidden_size"), f.whole("intermediate_size")
    shared = f.whole("num_shared_expert", default=1)
    experts = Experts(f.whole("num_experts"), f.whole("moe_topk"), width, shared * width)
    blocks = (block(_heads(f), mixture(hidden, experts), hidden),) * _layers(f)
    return sharing(blocks, f.whole("cla_share_factor")) if f.flag("use_cla", False) else blocks


def jamba(f: Fields) -> Blocks:
    """Jamba: one attention layer in eight, Mamba in the others; a mixture every second layer."""
    hidden, width = f.whole("hidden_size"), f.whole("intermediate_size")
    inner = f.whole("mamba_expand") * hidden
    states, rank = f.whole("mamba_d_state"), f.whole("mamba_dt_rank")
    mamba = Recurrent(
        inner * (states + f.whole("mamba_d_conv") - 1),
        (
            Weight("mamba_in", 2 * inner, hidden, "n"),
            Weight("mamba_x", rank + 2 * states, inner, "k"),
            Weight("mamba_dt", inner, rank, "n"),
            Weight("o", hidden, inner, "k"),
        ),
        inner * (states + f.whole("mamba_d_conv") + 3),
    )
    experts = Experts(f.whole("num_experts"), f.whole("num_experts_per_tok"), width)
    found = []
    for index in range(_layers(f)):
        attends = index % f.whole("attn_layer_period") == f.count("attn_layer_offset")
        mixed = index % f.whole("expert_layer_period") == f.count("expert_layer_offset")
        mixer: Mixer = _heads(f) if attends else mamba
        mlp = mixture(hidden, experts) if mixed else feed_forward(hidden, width)
        found.append(block(mixer, mlp, hidden))
    return tuple(found)


def mamba2(f: Fields) -> Blocks:
    """Mamba-2: state-space layers only."""
    hidden = f.whole("hidden_size", "d_model")
    inner = f.whole("expand", default=2) * hidden
    states, groups = f.whole("state_size", default=128), f.whole("n_groups", default=1)
    heads = inner // f.whole("head_dim", default=64)
    conv = f.whole("conv_kernel", default=4)
    mixed = inner + 2 * groups * states
    mixer = Recurrent(
        inner * states + mixed * (conv - 1),
        (
            Weight("mamba_in", inner + mixed + heads, hidden, "n"),
            Weight("o", hidden, inner, "k"),
        ),
        mixed * (conv + 1) + 3 * heads + inner,
    )
    return (block(mixer, (), hidden, norms=1),) * _layers(f)


def rwkv6(f: Fields) -> Blocks:
    """RWKV-6: time mixing with a matrix state per head, channel mixing for a feed-forward."""
    hidden = f.whole("hidden_size")
    head = f.whole("head_size", default=64)
    width = f.whole("intermediate_size", default=int(3.5 * hidden) // 32 * 32)
    ranks = 2 * hidden * (5 * RWKV_MIX_RANK + RWKV_DECAY_RANK * max(1, hidden // 4096))
    names = ("time_r", "time_k", "time_v", "time_g")
    mixer = Recurrent(
        hidden * head + 2 * hidden,
        (
            *(Weight(name, hidden, hidden, "n") for name in names),
            Weight("o", hidden, hidden, "k"),
        ),
        ranks + 12 * hidden,
    )
    mlp = (
        Weight("up", width, hidden, "n"),
        Weight("down", hidden, width, "k"),
        Weight("channel_r", hidden, hidden, "n"),
    )
    return (block(mixer, mlp, hidden, norms=4),) * _layers(f)


RWKV_MIX_RANK, RWKV_DECAY_RANK = 32, 64
"""Ranks of RWKV-6's data-dependent mixing and decay (arXiv 2404.05892; twice for 7B)."""


def minimax(f: Fields) -> Blocks:
    """MiniMax-Text-01 and M1: lightning attention in seven of eight layers, a mixture in each."""
    hidden, heads = f.whole("hidden_size"), f.whole("num_attention_heads")
    width = f.whole("head_dim")
    inner = heads * width
    lightning = Recurrent(
        heads * width * width,
        (
            Weight("linear_qkv", 3 * inner, hidden, "n"),
            Weight("gate", inner, hidden, "n"),
            Weight("o", hidden, inner, "k"),
        ),
    )
    experts = Experts(
        f.whole("num_local_experts"), f.whole("num_experts_per_tok"), f.whole("intermediate_size")
    )
    kinds = f.kinds("attn_type_list") or [int(i % 8 == 7) for i in range(_layers(f))]
    mlp = mixture(hidden, experts)
    return tuple(block(_heads(f) if kind else lightning, mlp, hidden) for kind in kinds)


FAMILIES: dict[str, Callable[[Fields], Blocks]] = {
    "llama": dense, "mistral": dense, "qwen2": dense, "qwen3": dense, "phi3": dense, "yi": dense,
    "opt": opt, "falcon": falcon, "RefinedWeb": falcon, "RefinedWebModel": falcon, "phi": phi,
    "gemma2": alternating, "gemma3": alternating, "gemma3_text": alternating,
    "gpt_oss": alternating, "mixtral": experts_everywhere, "qwen2_moe": experts_everywhere,
    "qwen3_moe": experts_everywhere, "glm4_moe": experts_everywhere, "deepseek_v2": deepseek,
    "deepseek_v3": deepseek, "kimi_k2": deepseek, "llama4": llama4, "llama4_text": llama4,
    "hunyuan": hunyuan, "jamba": jamba, "mamba2": mamba2, "rwkv6": rwkv6,
    "minimax_text_01": minimax, "minimax_m1": minimax, "minimax": minimax,
}  # fmt: skip
"""By `model_type` of the config."""
