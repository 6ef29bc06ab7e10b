"""A small config for every `model_type`, and what follows from it by hand: parameters and kinds.

Only fields that are read; every integer in them matters.
"""

from typing import Any, NamedTuple


class Small(NamedTuple):
    config: dict[str, Any]
    parameters: int
    kinds: list[str]


# hidden 8, feed-forward 16, 4 query heads of width 2, 2 KV heads, vocabulary 10, 2 layers
BASE: dict[str, Any] = {
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 10,
    "max_position_embeddings": 64,
}
MIXER = 8 * (4 + 2 * 2) * 2 + 8 * 8  # QKV and output of those heads
GATED = 3 * 8 * 16
TABLES = 2 * 10 * 8 + 8  # embedding, LM head, final norm
TIED = 10 * 8 + 8
NORMS = 2 * 8

LATENT: dict[str, Any] = {
    "hidden_size": 8,
    "intermediate_size": 16,
    "moe_intermediate_size": 4,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "q_lora_rank": 6,
    "kv_lora_rank": 5,
    "qk_nope_head_dim": 3,
    "qk_rope_head_dim": 2,
    "v_head_dim": 4,
    "n_routed_experts": 6,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "first_k_dense_replace": 1,
    "moe_layer_freq": 1,
    "vocab_size": 10,
    "max_position_embeddings": 64,
}
# query down and up, KV down and up, output; norms: two of hidden, one of each latent
MLA = 8 * 6 + 6 * 4 * 5 + 8 * (5 + 2) + 5 * 4 * (3 + 4) + 4 * 4 * 8 + NORMS + 6 + 5
SPARSE = 8 * 6 + (6 + 1) * 3 * 8 * 4  # router, six routed and one shared expert

EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
ROUTED = 8 * 4 + 4 * GATED
QWEN_MOE = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 6}
QWEN_ROUTED = 8 * 4 + 4 * 3 * 8 * 6


SMALL: dict[str, Small] = {
    "llama": Small(BASE, TABLES + 2 * (MIXER + GATED + NORMS), ["full"] * 2),
    "yi": Small(BASE, TABLES + 2 * (MIXER + GATED + NORMS), ["full"] * 2),
    "mistral": Small(
        {**BASE, "head_dim": 3, "sliding_window": 16},
        TABLES + 2 * (8 * 8 * 3 + 12 * 8 + GATED + NORMS),
        ["window"] * 2,
    ),
    "phi3": Small(BASE, TABLES + 2 * (MIXER + GATED + NORMS), ["full"] * 2),
    "qwen2": Small(
        {**BASE, "use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1},
        TABLES + 2 * (MIXER + 8 * 2 + GATED + NORMS),
        ["full", "window"],
    ),
    "qwen3": Small(
        {**BASE, "head_dim": 3},
        TABLES + 2 * (8 * 8 * 3 + 12 * 8 + 2 * 3 + GATED + NORMS),
        ["full"] * 2,
    ),
    "qwen3_vl_text": Small(BASE, TABLES + 2 * (MIXER + 2 * 2 + GATED + NORMS), ["full"] * 2),
    "gemma2": Small(
        {**BASE, "sliding_window": 16},
        TIED + 2 * (MIXER + GATED + 2 * NORMS),
        ["window", "full"],
    ),
    "gemma3_text": Small(
        {**BASE, "head_dim": 2, "sliding_window": 16, "sliding_window_pattern": 2},
        TIED + 2 * (MIXER + 2 * 2 + GATED + 2 * NORMS),
        ["window", "full"],
    ),
    "mixtral": Small({**BASE, **EXPERTS}, TABLES + 2 * (MIXER + ROUTED + NORMS), ["full"] * 2),
    "minimax_m2": Small(
        {**BASE, **EXPERTS, "use_qk_norm": True, "use_routing_bias": True},
        TABLES + 2 * (MIXER + 8 + 4 + ROUTED + 4 + NORMS),
        ["full"] * 2,
    ),
    "qwen2_moe": Small(
        {**BASE, **QWEN_MOE, "shared_expert_intermediate_size": 5, "decoder_sparse_step": 2},
        TABLES + 2 * (MIXER + 8 * 2 + NORMS) + GATED + QWEN_ROUTED + (3 * 8 * 5 + 8),
        ["full"] * 2,
    ),
    "qwen3_moe": Small(
        {**BASE, **QWEN_MOE, "mlp_only_layers": [0]},
        TABLES + 2 * (MIXER + 2 * 2 + NORMS) + GATED + QWEN_ROUTED,
        ["full"] * 2,
    ),
    "qwen3_vl_moe_text": Small(
        {**BASE, **QWEN_MOE, "decoder_sparse_step": 2},
        TABLES + 2 * (MIXER + 2 * 2 + NORMS) + GATED + QWEN_ROUTED,
        ["full"] * 2,
    ),
    "glm4_moe": Small(
        {
            **BASE,
            "n_routed_experts": 6,
            "n_shared_experts": 1,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 4,
            "first_k_dense_replace": 1,
            "attention_bias": True,
            "use_qk_norm": True,
        },
        TABLES + 2 * (MIXER + 8 * 2 + 2 * 2 + NORMS) + GATED + SPARSE + 6,
        ["full"] * 2,
    ),
    "gpt_oss": Small(
        {**BASE, **EXPERTS, "head_dim": 3, "sliding_window": 16},
        TABLES
        + 2 * (8 * 8 * 3 + 8 * 3 + 12 * 8 + 8 + 4)  # biases, and a sink per head
        + 2 * (ROUTED + 4 + 4 * (2 * 16 + 8) + NORMS),
        ["window", "full"],
    ),
    "hunyuan": Small(
        {
            **BASE,
            "num_experts": 4,
            "moe_topk": 2,
            "num_shared_expert": 1,
            "use_cla": True,
            "cla_share_factor": 2,
            "use_qk_norm": True,
        },
        TABLES + 2 * (ROUTED + GATED + NORMS) + (MIXER + 2 * 2) + (2 * 8 * 8 + 2),
        ["full", "shared"],
    ),
    "llama4_text": Small(
        {
            **BASE,
            **EXPERTS,
            "num_hidden_layers": 4,
            "intermediate_size_mlp": 12,
            "interleave_moe_layer_step": 2,
            "attention_chunk_size": 16,
        },
        TABLES + 4 * (MIXER + NORMS) + 2 * 3 * 8 * 12 + 2 * (ROUTED + GATED),
        ["chunk", "chunk", "chunk", "full"],
    ),
    "deepseek_v2": Small(LATENT, TABLES + 3 * MLA + GATED + 2 * SPARSE, ["latent"] * 3),
    "deepseek_v3": Small(LATENT, TABLES + 3 * MLA + GATED + 2 * (SPARSE + 6), ["latent"] * 3),
    "kimi_k2": Small(LATENT, TABLES + 3 * MLA + GATED + 2 * (SPARSE + 6), ["latent"] * 3),
    "opt": Small(
        {
            "hidden_size": 8,
            "ffn_dim": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "vocab_size": 10,
            "max_position_embeddings": 64,
        },
        10 * 8 + (64 + 2) * 8 + 2 * 8 + 2 * (4 * (8 * 8 + 8) + 8 * 16 + 16 + 16 * 8 + 8 + 4 * 8),
        ["full"] * 2,
    ),
    "falcon": Small(
        {
            "hidden_size": 8,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_kv_heads": 2,
            "new_decoder_architecture": True,
            "vocab_size": 10,
        },
        10 * 8 + 2 * 8 + 2 * (MIXER + 2 * 8 * 32 + 4 * 8),
        ["full"] * 2,
    ),
    "phi": Small(
        {**BASE, "num_key_value_heads": 4},
        2 * 10 * 8 + 10 + 2 * 8 + 2 * (4 * (8 * 8 + 8) + 8 * 16 + 16 + 16 * 8 + 8 + 2 * 8),
        ["full"] * 2,
    ),
    "jamba": Small(
        {
            **BASE,
            "attn_layer_period": 2,
            "attn_layer_offset": 1,
            "expert_layer_period": 2,
            "expert_layer_offset": 1,
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "mamba_d_state": 3,
            "mamba_d_conv": 4,
            "mamba_expand": 2,
            "mamba_dt_rank": 5,
        },
        TABLES
        + 2 * NORMS
        + (8 * 32 + 16 * 4 + 16 + 16 * (5 + 6) + 5 * 16 + 16 + 16 * 3 + 16 + 16 * 8 + 5 + 6)
        + GATED
        + MIXER
        + ROUTED,
        ["linear", "full"],
    ),
    "mamba2": Small(
        {
            "hidden_size": 8,
            "num_hidden_layers": 2,
            "expand": 2,
            "num_heads": 4,
            "head_dim": 4,
            "state_size": 3,
            "n_groups": 1,
            "conv_kernel": 4,
            "vocab_size": 10,
            "tie_word_embeddings": True,
        },
        # in (z, x, B, C, dt), convolution with bias, A, D, dt bias, gated norm, out, norm
        TIED + 2 * (8 * (16 + 16 + 3 + 3 + 4) + 22 * 5 + 3 * 4 + 16 + 16 * 8 + 8),
        ["linear"] * 2,
    ),
    "rwkv6": Small(
        {
            "hidden_size": 8,
            "attention_hidden_size": 8,
            "head_size": 4,
            "intermediate_size": 16,
            "num_hidden_layers": 2,
            "vocab_size": 10,
            "tie_word_embeddings": False,
        },
        # tables, final and first layer norm; per layer: time mix, its low ranks, channel mix
        2 * 10 * 8
        + 4 * 8
        + 2
        * (
            5 * 64
            + (8 * 160 + 5 * 32 * 8 + 8 * 64 + 64 * 8)
            + (64 + 2 * 8 * 16)
            + (2 * 2 + 6 + 1 + 1 + 2 + 2) * 8
        ),
        ["linear"] * 2,
    ),
}
for kind in ("minimax", "minimax_m1", "minimax_text_01"):
    listed = {"layer_types": ["linear_attention", "full_attention"]}
    SMALL[kind] = Small(
        {**BASE, **EXPERTS, **(listed if kind == "minimax" else {"attn_type_list": [0, 1]})},
        TABLES + 2 * (ROUTED + NORMS) + MIXER + (8 * 24 + 8 * 8 + 8 * 8 + 8),
        ["linear", "full"],
    )
