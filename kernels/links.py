"""Copies between host and GPU: by block, number of blocks, direction; alone and while decoding.

Blocks are copied one call each, as engines do that have no batched copy; what a call costs shows in
small blocks. Nothing is captured in a graph.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from .point import Bench, Point, Ready, SkipError

BLOCKS = (4096, 16384, 65536, 262144, 1 << 20, 4 << 20, 16 << 20, 64 << 20)
COUNTS = (1, 16, 128)
MOST = 256 << 20
"""Bytes of a point, at most."""


def points(bench: Bench) -> Iterator[Point]:
    """Pinned first; pageable and loaded ones with fewer sizes."""
    if bench.device == "cpu":
        return
    few = BLOCKS[::2]
    for pinned, load, sizes in (
        (True, "none", few if bench.quick else BLOCKS),
        (True, "decode", few[1:]),
        (False, "none", few),
    ):
        for way in ("h2d", "d2h", "both"):
            for block in sizes:
                for count in COUNTS:
                    if block * count <= MOST and (load == "none" or count == 16):
                        axes: dict[str, Any] = {
                            "way": way,
                            "pinned": pinned,
                            "load": load,
                            "block": block,
                            "blocks": count,
                        }
                        yield Point(axes, partial(_copies, bench, **axes))
    yield Point({"way": "none", "load": "decode"}, partial(_decoding, bench, False))
    yield Point({"way": "both", "load": "decode", "of": "decode"}, partial(_decoding, bench, True))


def _pair(bench: Bench, block: int, blocks: int, pinned: bool) -> tuple[Any, Any]:
    import torch

    host = torch.zeros(blocks, block, dtype=torch.uint8, pin_memory=pinned)
    return host, torch.zeros(blocks, block, dtype=torch.uint8, device=bench.device)


def _busy(bench: Bench) -> Any:
    """A decode call of some hundred us that keeps HBM busy."""
    import torch

    from . import decode, paged

    q = torch.randn(32, 32, 128, device=bench.device).to(torch.bfloat16)
    kv = paged.make(32, 4096, 8, 128, "bf16", bench.device)
    space = decode.Workspace(q, decode.splits_for(32, 8, 4096, bench.cores), 128)
    return lambda: decode.decode(q, kv, space)


def _copies(bench: Bench, way: str, pinned: bool, load: str, block: int, blocks: int) -> Ready:
    import torch

    up, down = _pair(bench, block, blocks, pinned), _pair(bench, block, blocks, pinned)
    busy = _busy(bench) if load == "decode" else None
    streams = [torch.cuda.Stream() for _ in range(3)]

    def copy() -> None:
        for wanted, (host, gpu), stream in (("h2d", up, 0), ("d2h", down, 1)):
            if way in (wanted, "both"):
                to, source = (gpu, host) if wanted == "h2d" else (host, gpu)
                with torch.cuda.stream(streams[stream]):
                    for i in range(blocks):
                        to[i].copy_(source[i], non_blocking=pinned)

    def samples(seconds: float) -> list[float]:
        return _timed(copy, streams[:2], busy, streams[2], seconds)

    total = float(block * blocks * (2 if way == "both" else 1))
    return Ready(lambda _: None, total, samples=samples)


def _timed(copy: Any, streams: list[Any], busy: Any, aside: Any, seconds: float) -> list[float]:
    """ns until all copies have ended, from events on a stream that waits for them."""
    import time

    import torch

    main, found = torch.cuda.current_stream(), list[float]()
    end = time.perf_counter() + seconds
    while len(found) < 4 or (time.perf_counter() < end and len(found) < 100):
        torch.cuda.synchronize()
        if busy is not None:
            with torch.cuda.stream(aside):
                for _ in range(200):
                    busy()
        begin, done = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record(main)
        for stream in streams:
            stream.wait_event(begin)
        copy()
        for stream in streams:
            main.wait_stream(stream)
        done.record(main)
        done.synchronize()
        found.append(begin.elapsed_time(done) * 1e6)
    torch.cuda.synchronize()
    return found[1:]


def _decoding(bench: Bench, copying: bool) -> Ready:
    """Decode calls, alone or while both directions copy all the time."""
    import torch

    busy, block = _busy(bench), 4 << 20
    up, down = _pair(bench, block, 16, True), _pair(bench, block, 16, True)
    streams = [torch.cuda.Stream() for _ in range(2)]

    def samples(seconds: float) -> list[float]:
        import time

        found: list[float] = []
        end = time.perf_counter() + seconds
        while len(found) < 4 or (time.perf_counter() < end and len(found) < 100):
            torch.cuda.synchronize()
            if copying:
                for stream, (to, source) in zip(streams, (up[::-1], down), strict=True):
                    with torch.cuda.stream(stream):
                        for i in range(16):
                            to[i].copy_(source[i], non_blocking=True)
            begin, done = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            for _ in range(5):
                busy()
            done.record()
            done.synchronize()
            found.append(begin.elapsed_time(done) * 1e6 / 5)
        torch.cuda.synchronize()
        return found[1:]

    return Ready(lambda _: None, samples=samples)


def peer_points(bench: Bench) -> Iterator[Point]:
    """Copies from GPU to GPU, and NCCL all-reduces, where there are several."""
    if bench.device == "cpu":
        return
    import torch

    gpus = torch.cuda.device_count()
    for count in (2, 4, 8):
        if count <= gpus:
            for size in (4096, 65536, 1 << 20, 16 << 20, 256 << 20):
                axes = {"way": "all_reduce", "gpus": count, "size": size}
                yield Point(axes, partial(_reduce, count, size))
    if gpus > 1:
        for size in (65536, 1 << 20, 16 << 20, 256 << 20):
            yield Point({"way": "peer", "size": size}, partial(_peer, size))


def _reduce(gpus: int, size: int) -> Ready:
    import time

    import torch
    from torch.cuda import nccl

    parts = [torch.ones(size // 2, device=f"cuda:{i}", dtype=torch.bfloat16) for i in range(gpus)]
    if not nccl.is_available(parts):
        raise SkipError("torch was built without NCCL")

    def samples(seconds: float) -> list[float]:
        found, inner = list[float](), 20
        end = time.perf_counter() + seconds
        while len(found) < 4 or (time.perf_counter() < end and len(found) < 50):
            for i in range(gpus):
                torch.cuda.synchronize(i)
            start = time.perf_counter_ns()
            for _ in range(inner):
                nccl.all_reduce(parts)
            for i in range(gpus):
                torch.cuda.synchronize(i)
            found.append((time.perf_counter_ns() - start) / inner)
        return found[1:]

    return Ready(lambda _: None, size, samples=samples)


def _peer(size: int) -> Ready:
    import torch

    here, there = (torch.zeros(size, device=f"cuda:{i}", dtype=torch.uint8) for i in range(2))
    return Ready(lambda _: there.copy_(here, non_blocking=True), size, graph=False)
