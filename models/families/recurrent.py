"""Models that keep a state instead of tokens, alone or between attention layers.

Mamba-2, RWKV-6, and the mixers of Jamba (Mamba-1) and MiniMax-Text-01 (lightning attention).
"""

from kvsim.models.blocks import Block, gated, grouped, routed
from kvsim.models.config import Config
from kvsim.models.families.common import Heads, experts, heads, layer_types, model
from kvsim.models.layout import Kind, Layer, ceil_div
from kvsim.models.matmuls import Linear, Width, whole
from kvsim.models.model import Model


def mamba2(config: Config) -> Model:
    """Mamba-2: a state of heads x head width x state size, and a short convolution before it."""
    hidden, many, width = (config.size(name) for name in ("hidden_size", "num_heads", "head_dim"))
    inner, state = many * width, config.size("state_size")
    wide = config.size("expand", 2) * hidden
    if inner != wide:
        config.fail("num_heads", f"'expand' x 'hidden_size' / 'head_dim' = {wide} / {width}", many)
    groups, kernel = config.size("n_groups"), config.size("conv_kernel")
    convolved = inner + 2 * groups * state
    memory = Layer("linear", state=inner * state + convolved * (kernel - 1))
    inwards = (Width(many, 2 * width + 1), Width(groups, 2 * state))  # z, x and dt; B and C
    bias = config.flag("use_bias")
    linears = (
        Linear("in", whole(hidden), inwards, bias),
        Linear("out", Width(many, width), (whole(hidden),), bias),
    )
    taps = kernel + config.flag("use_conv_bias", default=True)
    vectors = convolved * taps + 3 * many + inner + hidden  # A, D and the bias of dt; two norms
    block = Block(memory, linears, vectors, norms=1, reductions=1)
    return model(config, [block] * config.layers())


def jamba(config: Config) -> Model:
    """Jamba: one attention layer in eight, Mamba-1 in the others, experts in every second layer."""
    hidden, inner = config.size("hidden_size"), config.size("intermediate_size")
    attend = _every(config, "attn_layer_period", "attn_layer_offset")
    spread = _every(config, "expert_layer_period", "expert_layer_offset")
    many, active = experts(config, "num_experts")
    sparse = routed(hidden, inner, many, active) if many > 1 else gated(hidden, inner)
    group = heads(config)
    full, mamba = group.memory(), _mamba1(config)
    blocks = []
    for index in range(config.layers()):
        forward = sparse if index in spread else gated(hidden, inner)
        if index in attend:
            blocks.append(Block(full, grouped(hidden, full) + forward, 2 * hidden))
        else:
            memory, linears, vectors = mamba
            blocks.append(Block(memory, linears + forward, 2 * hidden + vectors))
    return model(config, blocks)


def _every(config: Config, period: str, offset: str) -> range:
    """The layers whose index leaves `offset` when divided by `period`."""
    step = config.size(period)
    first = config.at_most(offset, config.count(offset), step - 1, f"{period!r} less one")
    return range(first, config.layers(), step)


def _mamba1(config: Config) -> tuple[Layer, tuple[Linear, ...], int]:
    hidden, state = config.size("hidden_size"), config.size("mamba_d_state")
    kernel = config.size("mamba_d_conv")
    inner, rank = config.size("mamba_expand") * hidden, _rank(config)
    bias = config.flag("mamba_proj_bias")
    linears = (
        Linear("mamba_in", whole(hidden), (Width(inner, 2),), bias),
        Linear("mamba_x", Width(inner), (whole(rank + 2 * state),)),
        Linear("mamba_dt", whole(rank), (Width(inner),), bias=True),
        Linear("mamba_out", Width(inner), (whole(hidden),), bias),
    )
    taps = kernel + config.flag("mamba_conv_bias", default=True)
    vectors = inner * (taps + state + 1) + rank + 2 * state  # A and D; norms of dt, B and C
    return Layer("linear", state=inner * state + inner * (kernel - 1)), linears, vectors


def _rank(config: Config) -> int:
    """The rank of dt; `auto` is a sixteenth of the hidden size (transformers' JambaConfig)."""
    if config.is_word("mamba_dt_rank", "auto"):
        return ceil_div(config.size("hidden_size"), 16)
    return config.size("mamba_dt_rank")


def minimax(config: Config) -> Model:
    """MiniMax-Text-01 and M1: lightning attention, softmax in every eighth layer, experts."""
    group, hidden = heads(config), config.size("hidden_size")
    many, active = experts(config, "num_local_experts")
    inner = routed(hidden, config.size("intermediate_size"), many, active)
    full, (memory, linears, vectors) = group.memory(), _lightning(hidden, group)
    blocks = [
        Block(full, grouped(hidden, full) + inner, 2 * hidden)
        if kind == "full"
        else Block(memory, linears + inner, 2 * hidden + vectors)
        for kind in _minimax_kinds(config)
    ]
    return model(config, blocks)


def _minimax_kinds(config: Config) -> list[Kind]:
    listed = layer_types(config, ("full_attention", "linear_attention"))
    if listed is not None:
        return listed
    softmax = config.per_layer("attn_type_list", (0, 1))
    if softmax is None:
        config.fail("attn_type_list", "a list with 0 (linear) or 1 (softmax) per layer")
    return ["full" if is_softmax else "linear" for is_softmax in softmax]


def _lightning(hidden: int, group: Heads) -> tuple[Layer, tuple[Linear, ...], int]:
    """Linear attention: a square state per head, an output gate, a norm over all heads."""
    outputs = group.query * group.width
    linears = (
        Linear("lightning_qkv", whole(hidden), (Width(group.query, 3 * group.width),)),
        Linear("lightning_gate", whole(hidden), (Width(group.query, group.width),)),
        Linear("lightning_o", Width(group.query, group.width), (whole(hidden),)),
    )
    return Layer("linear", state=outputs * group.width), linears, outputs
