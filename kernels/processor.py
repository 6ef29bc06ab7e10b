"""Attention on this machine's processor: torch in bf16, or numpy in float32. KV in one piece."""

from collections.abc import Iterator
from functools import cache, partial
from importlib.util import find_spec
from typing import Any

from .point import Bench, Point, Ready, copies

BATCHES = (1, 2, 4, 8)
CONTEXTS = (128, 512, 1024, 2048, 4096)
PROMPTS = (32, 64, 128, 256, 512, 1024)


@cache
def library() -> str:
    """What multiplies: torch if it is installed, else numpy."""
    return "torch" if find_spec("torch") else "numpy"


def decode_points(bench: Bench) -> Iterator[Point]:
    """One query per sequence."""
    for heads in bench.heads:
        for batch in BATCHES:
            for context in CONTEXTS:
                if batch * context <= CONTEXTS[-1] * (2 if bench.quick else 8):
                    yield _point(bench, batch, heads, 1, context)


def prefill_points(bench: Bench) -> Iterator[Point]:
    """A prompt alone."""
    for heads in bench.heads:
        for tokens in PROMPTS if bench.quick else (*PROMPTS, 2048, 4096):
            yield _point(bench, 1, heads, tokens, 0)


def _point(
    bench: Bench, batch: int, heads: tuple[int, int, int], tokens: int, history: int
) -> Point:
    queries, kv_heads, width = heads
    axes: dict[str, Any] = {"form": "bf16", "query_heads": queries, "kv_heads": kv_heads,
                            "width": width, "batch": batch}  # fmt: skip
    if history:
        axes |= {"context": history}
    else:
        axes |= {"tokens": tokens, "history": 0}
    return Point(axes, partial(_prepare, bench, batch, heads, tokens, history or tokens))


def _prepare(
    bench: Bench, batch: int, heads: tuple[int, int, int], tokens: int, context: int
) -> Ready:
    queries, kv_heads, width = heads
    moved = 2 * batch * context * kv_heads * width * 2.0
    count = min(copies(moved, bench.memory), 4)
    shapes = (
        (batch, kv_heads, queries // kv_heads * tokens, width),
        (batch, kv_heads, context, width),
    )
    if library() == "torch":
        import torch

        q = torch.randn(batch, queries, tokens, width).to(torch.bfloat16)
        pairs = [[torch.randn(shapes[1]).to(torch.bfloat16) for _ in "kv"] for _ in range(count)]
        attention = torch.nn.functional.scaled_dot_product_attention

        def call(i: int) -> object:
            k, v = pairs[i % count]
            return attention(q, k, v, is_causal=tokens > 1, enable_gqa=True)

        return Ready(call, moved)
    import numpy as np

    rng = np.random.default_rng(0)
    q = rng.random(shapes[0], dtype=np.float32)
    pairs = [[rng.random(shapes[1], dtype=np.float32) for _ in "kv"] for _ in range(count)]
    hidden = np.triu(np.full((tokens, context), -np.inf, np.float32), 1) if tokens > 1 else None

    def attend(i: int) -> object:
        k, v = pairs[i % count]
        scores = q @ k.swapaxes(-1, -2) * width**-0.5
        if hidden is not None:
            folded = scores.reshape(*scores.shape[:2], -1, tokens, context)
            folded += hidden
        scores -= scores.max(-1, keepdims=True)
        weights = np.exp(scores, out=scores)
        weights /= weights.sum(-1, keepdims=True)
        return weights @ v

    return Ready(attend, moved)
