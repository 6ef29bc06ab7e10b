"""How long a call takes: warmed up, many times, the median and its spread.

On a GPU a CUDA graph of calls in a row is timed by device events, so that launching from Python
does not count; where a call cannot be captured, the calls themselves are. `call(i)` uses the i-th
of several buffers, so that a cache does not hold what is read.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

LEAST = 7
"""Samples of a point on a processor: others may run on it at any time."""
Call = Callable[[int], object]


class Timing(NamedTuple):
    """Nanoseconds of one call."""

    median: float
    low: float
    """10th percentile."""
    high: float
    """90th percentile."""
    samples: int
    how: str


def timed(call: Call, device: str, seconds: float, graph: bool = True) -> Timing:
    """Time a call for about so long."""
    if device == "cpu":
        return _host(call, seconds)
    return _device(call, seconds, graph)


def summed(samples: list[float], how: str) -> Timing:
    """Median and spread."""
    ordered = sorted(samples)
    last = len(ordered) - 1
    low, middle, high = (ordered[round(part * last)] for part in (0.1, 0.5, 0.9))
    return Timing(middle, low, high, len(ordered), how)


def _host(call: Call, seconds: float) -> Timing:
    """A sample is a call, or as many as take 20 us, where the clock would not be fine enough."""
    start = time.perf_counter_ns()
    call(0)
    call(1)
    once = (time.perf_counter_ns() - start) / 2
    inner = max(1, round(20e3 / max(once, 1.0)))
    samples: list[float] = []
    end = time.perf_counter_ns() + seconds * 1e9
    while len(samples) < LEAST or (time.perf_counter_ns() < end and len(samples) < 200):
        first = len(samples) * inner
        start = time.perf_counter_ns()
        for i in range(first, first + inner):
            call(i)
        samples.append((time.perf_counter_ns() - start) / inner)
    return summed(samples, "clock")


def _device(call: Call, seconds: float, graph: bool) -> Timing:
    import torch

    for i in range(3):
        call(i)
    torch.cuda.synchronize()
    once = _events(lambda: call(3))
    inner = int(max(1, min(200, 2e6 / max(once, 1.0))))  # about 2 ms a sample

    def row() -> None:
        for i in range(inner):
            call(i)

    how, run = "events", row
    if graph:
        try:
            run, how = _captured(row), "graph"
        except RuntimeError:
            torch.cuda.synchronize()
    run()
    torch.cuda.synchronize()
    samples: list[float] = []
    end = time.perf_counter() + seconds
    while len(samples) < 3 or (time.perf_counter() < end and len(samples) < 50):
        samples.append(_events(run) / inner)
    return summed(samples, how)


def _captured(row: Callable[[], None]) -> Callable[[], None]:
    import torch

    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        row()
    return graph.replay


def _events(run: Callable[[], object]) -> float:
    """ns between two events around a call."""
    import torch

    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    run()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) * 1e6
