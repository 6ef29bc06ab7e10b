"""Points of memory on a GPU: KV to codes and back, blocks to a buffer and back, plain streams.

Each kernel is checked before it is timed.
"""

from collections.abc import Iterator
from functools import partial

from .paged import INTEGERS, group_of
from .point import Bench, Point, Ready, copies, error


def code_points(bench: Bench) -> Iterator[Point]:
    """KV of so many tokens of one layer to codes, and back."""
    for form in INTEGERS:
        for way in ("quantise", "dequantise"):
            for tokens in (256, 4096, 65536):
                axes = {"form": form, "way": way, "tokens": tokens}
                yield Point(axes, partial(_codes, bench, form, way, tokens))


def _codes(bench: Bench, form: str, way: str, tokens: int) -> Ready:
    import torch

    from . import paged, quantise

    _, kv_heads, width = bench.heads[0]
    rows, bits = 2 * tokens * kv_heads, INTEGERS[form]
    x = torch.randn(rows, width, device=bench.device).to(torch.bfloat16)
    codes = torch.empty(rows, width * bits // 8, device=bench.device, dtype=torch.uint8)
    groups = width // group_of(width, form)
    scales = torch.empty(rows, groups, device=bench.device, dtype=torch.float16)
    back = torch.full_like(x, float("nan"))

    def check() -> float:
        quantise.quantise(x, codes, scales, form)
        quantise.dequantise(codes, scales, back, form)
        first = slice(0, 1000)
        wanted = paged.plain(codes[first], scales[first], form, width)
        return error(back[first], wanted)

    quantise.quantise(x, codes, scales, form)
    moved = x.numel() * (2 + bits / 8) + scales.numel() * 2
    if way == "quantise":
        return Ready(lambda _: quantise.quantise(x, codes, scales, form), moved, check=check)
    return Ready(lambda _: quantise.dequantise(codes, scales, back, form), moved, check=check)


def block_points(bench: Bench) -> Iterator[Point]:
    """Pack blocks of so many bytes, and unpack them, by how many."""
    for way in ("gather", "scatter"):
        for size in (4096, 16384, 65536, 262144, 2 << 20):
            for count in (1, 16, 256):
                yield Point({"way": way, "block": size, "blocks": count},
                            partial(_blocks, bench, way, size, count))  # fmt: skip


def _blocks(bench: Bench, way: str, size: int, count: int) -> Ready:
    import torch

    from . import blocks

    held = max(count, min(4 * count, (1 << 30) // size))
    pool = torch.randint(0, 1 << 30, (held, size // 4), device=bench.device, dtype=torch.int32)
    order = torch.randperm(held, device=bench.device)
    parts = [order[at : at + count].to(torch.int32) for at in range(0, held - count + 1, count)]
    packed = torch.full((count, size // 4), -1, device=bench.device, dtype=torch.int32)

    def check() -> float:
        blocks.gather(pool, parts[0], packed)
        wrong = not torch.equal(packed, pool[parts[0].long()])
        other = torch.full_like(pool[:1], -1).expand_as(pool).contiguous()
        blocks.scatter(packed, parts[0], other)
        return float(wrong or not torch.equal(other[parts[0].long()], packed))

    def call(i: int) -> None:
        if way == "gather":
            blocks.gather(pool, parts[i % len(parts)], packed)
        else:
            blocks.scatter(packed, parts[i % len(parts)], pool)

    return Ready(call, 2.0 * count * size, check=check)


def stream_points(bench: Bench) -> Iterator[Point]:
    """HBM by size: small ones show the cache, and say so by their speed."""
    for way in ("read", "write", "copy"):
        for size in (1 << 20, 16 << 20, 256 << 20, 1 << 30, 4 << 30):
            yield Point({"way": way, "size": size}, partial(_stream, bench, way, size))


def _stream(bench: Bench, way: str, size: int) -> Ready:
    import torch

    from . import stream

    count = copies(2 * size, bench.memory)
    xs = [torch.ones(size // 4, device=bench.device) for _ in range(count)]
    if way == "read":
        sums = torch.full((-(-size // 4 // stream.TILE),), float("nan"), device=bench.device)

        def check() -> float:
            stream.read(xs[0], sums)
            return abs(float(sums.double().sum()) / (size // 4) - 1)

        return Ready(lambda i: stream.read(xs[i % count], sums), size, check=check)
    if way == "write":
        return Ready(lambda i: stream.write(xs[i % count], 1.0), size)
    y = torch.empty_like(xs[0])
    return Ready(lambda i: stream.copy(xs[i % count], y), 2 * size)
