"""Older decoders with a plain feed-forward: OPT, Falcon, Phi-2."""

from kvsim.models.blocks import Block, grouped, plain
from kvsim.models.config import Config
from kvsim.models.families.common import Heads, heads, model
from kvsim.models.model import Model

OPT_POSITION_OFFSET = 2
"""Unused rows in front of the position embedding (transformers' OPTLearnedPositionalEmbedding)."""


def opt(config: Config) -> Model:
    """OPT: learned positions, biases everywhere, ReLU, tied embeddings."""
    hidden, group = config.size("hidden_size"), heads(config)
    if config.size("word_embed_proj_dim", hidden) != hidden:
        config.refuse("word_embed_proj_dim", f"{hidden}, the 'hidden_size'")
    if not config.flag("do_layer_norm_before", default=True):
        config.refuse("do_layer_norm_before", "true")
    bias, memory = config.flag("enable_bias", default=True), group.memory()
    linears = grouped(hidden, memory, bias, bias) + plain(hidden, config.size("ffn_dim"), bias)
    positions = config.size("max_position_embeddings") + OPT_POSITION_OFFSET
    block = Block(memory, linears, 4 * hidden)
    blocks = [block] * config.layers()
    return model(config, blocks, tied=True, norm=2, positions=positions)


def falcon(config: Config) -> Model:
    """Falcon 7B, 40B and 180B: attention and feed-forward side by side, few or one KV heads."""
    hidden, group = config.size("hidden_size"), _falcon_heads(config)
    bias, memory = config.flag("bias"), group.memory()
    inner = config.size("ffn_hidden_size", 4 * hidden)
    linears = grouped(hidden, memory, bias, bias) + plain(hidden, inner, bias)
    grown = config.flag("new_decoder_architecture")
    parallel = grown or config.flag("parallel_attn", default=True)
    norms = config.size("num_ln_in_parallel_attn", 2) if grown else 1 if parallel else 2
    block = Block(memory, linears, 2 * norms * hidden, norms, reductions=1 if parallel else 2)
    return model(config, [block] * config.layers(), tied=True, norm=2, context=FALCON_CONTEXT)


FALCON_CONTEXT = 2048
"""The length Falcon was trained for (arXiv 2311.16867); its config.json has no field for it."""


def _falcon_heads(config: Config) -> Heads:
    query, hidden = config.size("num_attention_heads"), config.size("hidden_size")
    width = hidden // config.divides("num_attention_heads", query, hidden, "'hidden_size'")
    if config.flag("new_decoder_architecture"):
        name = "num_kv_heads" if config.has("num_kv_heads") else "n_head_kv"
        kv = config.divides(name, config.size(name, query), query, "query heads")
    else:
        kv = 1 if config.flag("multi_query", default=True) else query
    return Heads(query, kv, width)


def phi(config: Config) -> Model:
    """Phi-1.5 and Phi-2: attention and feed-forward side by side, biases everywhere."""
    hidden, group = config.size("hidden_size"), heads(config)
    memory = group.memory()
    inner = plain(hidden, config.size("intermediate_size"), bias=True)
    linears = grouped(hidden, memory, True, True) + inner
    head_norms = 4 * group.width if config.flag("qk_layernorm") else 0
    block = Block(memory, linears, 2 * hidden + head_norms, norms=1, reductions=1)
    return model(config, [block] * config.layers(), norm=2, head_bias=True)
