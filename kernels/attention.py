"""Points of attention on a GPU: decode, latent, prefill, cascade, page selection.

Each kernel is compared with its float64 reference on a small case before it is timed.
"""

from collections.abc import Iterator
from functools import cache, partial
from typing import Any

from .paged import BITS, INTEGERS
from .point import Bench, Point, Ready, copies, error

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
CONTEXTS = (64, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072)
QUICK_BATCHES, QUICK_CONTEXTS = (1, 8, 32, 128), (64, 1024, 4096, 16384)
CHUNKS = (16, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
HISTORIES = (0, 1024, 4096, 16384)
QUICK_CHUNKS, QUICK_HISTORIES = (16, 128, 512, 2048, 8192), (0, 4096)
TOKENS = 1 << 22
"""Tokens of KV in a batch, at most."""
QUICK_HEADS, QUICK_FORMS = 2, ("bf16", "fp8", "int4")
"""Every shape and format is compiled anew, which takes seconds."""
FORMS = ("bf16", "fp8", "int8", "int4", "int2", "fp16")


def _axes(form: str, heads: tuple[int, int, int], **more: Any) -> dict[str, Any]:
    return {"form": form, **dict(zip(("query_heads", "kv_heads", "width"), heads, strict=True)),
            **more}  # fmt: skip


def _shapes(bench: Bench) -> tuple[tuple[int, int, int], ...]:
    return bench.heads[:QUICK_HEADS] if bench.quick else bench.heads


def decode_points(bench: Bench) -> Iterator[Point]:
    """bf16 for every head shape; other formats for the first, on a coarser grid."""
    batches = QUICK_BATCHES if bench.quick else BATCHES
    contexts = QUICK_CONTEXTS if bench.quick else CONTEXTS
    for form in QUICK_FORMS if bench.quick else FORMS:
        first = form == "bf16"
        for heads in _shapes(bench) if first else bench.heads[:1]:
            for batch in batches if first else QUICK_BATCHES:
                for context in contexts if first else QUICK_CONTEXTS:
                    if batch * context <= TOKENS:
                        axes = _axes(form, heads, batch=batch, context=context)
                        yield Point(axes, partial(_decode, bench, form, heads, batch, context))


@cache
def _decode_is_right(form: str, heads: tuple[int, int, int], device: str) -> float:
    import torch

    from . import decode, paged

    cache = paged.make(2, 333, heads[1], heads[2], form, device, ragged=True)
    kind = paged.dtype("fp16" if form == "fp16" else "bf16")
    q = torch.randn(2, heads[0], heads[2], device=device).to(kind)
    found = decode.decode(q, cache, decode.Workspace(q, 3, heads[2]))
    return error(found, decode.reference(q, cache))


def _decode(
    bench: Bench, form: str, heads: tuple[int, int, int], batch: int, context: int
) -> Ready:
    import torch

    from . import decode, paged

    queries, kv_heads, width = heads
    moved = batch * context * kv_heads * width * BITS[form] / 4
    count = copies(moved * 4 if form == "fp8" or form in INTEGERS else moved * 2, bench.memory)
    kind = paged.dtype("fp16" if form == "fp16" else "bf16")
    q = torch.randn(batch, queries, width, device=bench.device).to(kind)
    made = [
        paged.make(batch, context, kv_heads, width, form, bench.device, seed=i)
        for i in range(count)
    ]
    splits = decode.splits_for(batch, kv_heads, context, bench.cores)
    space = decode.Workspace(q, splits, width)
    return Ready(
        lambda i: decode.decode(q, made[i % count], space),
        made[0].nbytes,
        4.0 * batch * context * queries * width,
        partial(_decode_is_right, form, heads, bench.device),
    )


def latent_points(bench: Bench) -> Iterator[Point]:
    """DeepSeek's heads, on one GPU and on one of eight."""
    for heads in (128, 16):
        for batch in QUICK_BATCHES:
            for context in QUICK_CONTEXTS if bench.quick else (*QUICK_CONTEXTS, 65536):
                axes = _axes("bf16", (heads, 1, 576), batch=batch, context=context)
                yield Point(axes, partial(_latent, bench, heads, batch, context))


@cache
def _latent_is_right(device: str) -> float:
    import torch

    from . import decode, latent, paged

    cache = paged.make(2, 200, 1, 576, "bf16", device, ragged=True)
    q = torch.randn(2, 20, 576, device=device).to(torch.bfloat16)
    found = latent.decode(q, cache, decode.Workspace(q, 2, latent.LATENT))
    return error(found, latent.reference(q, cache))


def _latent(bench: Bench, heads: int, batch: int, context: int) -> Ready:
    import torch

    from . import decode, latent, paged

    moved = batch * context * 576 * 2.0
    count = copies(4 * moved, bench.memory)
    q = torch.randn(batch, heads, 576, device=bench.device).to(torch.bfloat16)
    made = [paged.make(batch, context, 1, 576, "bf16", bench.device, seed=i) for i in range(count)]
    splits = decode.splits_for(batch, -(-heads // latent.ROWS), context, bench.cores)
    space = decode.Workspace(q, splits, latent.LATENT)
    return Ready(
        lambda i: latent.decode(q, made[i % count], space),
        moved,
        2.0 * batch * context * heads * (576 + 512),
        partial(_latent_is_right, bench.device),
    )


def prefill_points(bench: Bench) -> Iterator[Point]:
    """A chunk of one sequence after a history."""
    for heads in _shapes(bench):
        for history in QUICK_HISTORIES if bench.quick else HISTORIES:
            for tokens in QUICK_CHUNKS if bench.quick else CHUNKS:
                if history and tokens > 8192:
                    continue
                axes = _axes("bf16", heads, batch=1, tokens=tokens, history=history)
                yield Point(axes, partial(_prefill, bench, heads, tokens, history))


@cache
def _prefill_is_right(heads: tuple[int, int, int], device: str) -> float:
    import torch

    from . import paged, prefill

    cache = paged.make(2, 200, heads[1], heads[2], "bf16", device)
    q = torch.randn(2, 130, heads[0], heads[2], device=device).to(torch.bfloat16)
    found = prefill.prefill(q, cache, torch.full_like(q, float("nan")))
    return error(found, prefill.reference(q, cache))


def _prefill(bench: Bench, heads: tuple[int, int, int], tokens: int, history: int) -> Ready:
    import torch

    from . import paged, prefill

    queries, kv_heads, width = heads
    moved = (history + tokens) * kv_heads * width * 4.0
    count = min(copies(4 * moved, bench.memory), 4)
    q = torch.randn(1, tokens, queries, width, device=bench.device).to(torch.bfloat16)
    out = torch.empty_like(q)
    made = [
        paged.make(1, history + tokens, kv_heads, width, "bf16", bench.device, seed=i)
        for i in range(count)
    ]
    pairs = tokens * (tokens + 1) / 2 + tokens * history
    return Ready(
        lambda i: prefill.prefill(q, made[i % count], out),
        moved,
        4.0 * pairs * queries * width,
        partial(_prefill_is_right, heads, bench.device),
    )


def cascade_points(bench: Bench) -> Iterator[Point]:
    """A batch behind one shared prefix, each with 256 tokens of its own."""
    for batch in (8, 32, 128):
        for shared in (1024, 4096, 16384):
            axes = _axes("bf16", bench.heads[0], batch=batch, shared=shared, context=256)
            yield Point(axes, partial(_cascade, bench, bench.heads[0], batch, shared, 256))


def _cascade(bench: Bench, heads: tuple[int, int, int], batch: int, shared: int, own: int) -> Ready:
    import torch

    from . import cascade, decode, paged

    queries, kv_heads, width = heads

    def make(batch: int, shared: int, context: int) -> Any:
        k, v = (
            torch.randn(shared, kv_heads, width, device=bench.device).to(torch.bfloat16)
            for _ in "kv"
        )
        q = torch.randn(batch, queries, width, device=bench.device).to(torch.bfloat16)
        return q, k, v, paged.make(batch, context, kv_heads, width, "bf16", bench.device)

    rows = -(-batch * queries // kv_heads // cascade.ROWS)
    splits = decode.splits_for(rows, kv_heads, shared, bench.cores)
    asked, keys, values, rest = make(batch, shared, own)
    space = decode.Workspace(asked, splits + 1, width)

    def check() -> float:
        q, k, v, kv = make(3, 199, 40)
        found = cascade.cascade(q, k, v, kv, decode.Workspace(q, 4, width), own=1)
        return error(found, cascade.reference(q, k, v, kv))

    moved = (shared + batch * own) * kv_heads * width * 4.0
    return Ready(
        lambda _: cascade.cascade(asked, keys, values, rest, space, own=1),
        moved,
        4.0 * batch * (shared + own) * queries * width,
        check,
    )


def page_points(bench: Bench) -> Iterator[Point]:
    """Scores of all pages of 16 tokens, and the 64 best."""
    for batch in (1, 8, 32):
        for context in (4096, 16384, 65536):
            axes = _axes("bf16", bench.heads[0], batch=batch, context=context)
            yield Point(axes, partial(_pages, bench, bench.heads[0], batch, context))


def _pages(bench: Bench, heads: tuple[int, int, int], batch: int, context: int) -> Ready:
    import torch

    from . import pages

    queries, kv_heads, width = heads
    q = torch.randn(batch, queries, width, device=bench.device).to(torch.bfloat16)
    shape = (batch, context // 16, kv_heads, width)
    one, other = (torch.randn(shape, device=bench.device).to(torch.bfloat16) for _ in range(2))
    low, high = torch.minimum(one, other), torch.maximum(one, other)
    out = torch.full((batch, queries, context // 16), float("nan"), device=bench.device)

    def check() -> float:
        found = pages.bound(q, low, high, out)[:1]
        return error(found, pages.reference(q[:1], low[:1], high[:1]))

    moved = 4.0 * low.numel()
    return Ready(lambda _: pages.select(q, low, high, out, 64), moved, check=check)
