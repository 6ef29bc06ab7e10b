"""FLOPs and bytes of prefill and decode on one rank, from a model's products and attention."""

from kvsim.models.matmuls import KV_REBUILD
from kvsim.models.model import Model


def prefill_flops(model: Model, tokens: int, history: int = 0, tensor: int = 1) -> int:
    """FLOPs to compute `tokens` of a prompt after `history` stored ones, and sample once.

    Latent attention rebuilds K and V of the history as well.
    """
    rebuilt = sum(p.flops(history) for p in model.matmuls(tensor) if p.name == KV_REBUILD)
    per_token = model.token_flops(tensor) + model.state_flops(tensor)
    scored = sum(
        attention.pair_flops(prefill=True) * attention.pairs(tokens, history)
        for attention in model.attention(tensor)
    )
    return tokens * per_token + rebuilt + scored + model.head_flops(tensor)


def decode_flops(model: Model, context: int, tensor: int = 1) -> int:
    """FLOPs of one token, the last of `context`, and of sampling the next."""
    scored = sum(
        attention.pair_flops(prefill=False) * attention.pairs(1, context - 1)
        for attention in model.attention(tensor)
    )
    return model.token_flops(tensor) + model.state_flops(tensor) + scored + model.head_flops(tensor)


def weight_read_bytes(model: Model, tokens: int, bits: int = 16, tensor: int = 1) -> int:
    """Weight bytes a step of `tokens` reads, each once; experts as far as they are visited."""
    return sum(product.weight_bytes(tokens, bits) for product in model.matmuls(tensor))


def kv_read_bytes(model: Model, context: int, bits: int = 16, tensor: int = 1) -> int:
    """KV bytes that decoding the last token of `context` reads."""
    return sum(
        attention.read_bytes(bits) * attention.pairs(1, context - 1)
        for attention in model.attention(tensor)
    )
