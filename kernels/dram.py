"""Host memory: copies and fills by one thread and by all cores, larger than the caches."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from .point import Bench, Point, Ready

SIZE = 256 << 20
QUICK = 64 << 20
"""Bytes a thread copies."""


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def points(bench: Bench) -> Iterator[Point]:
    """Numpy lets go of the interpreter while it copies."""
    size = QUICK if bench.quick else SIZE
    for way in ("copy", "fill"):
        for threads in sorted({1, min(cores(), 16)}):
            axes = {"way": way, "threads": threads, "size": size}
            yield Point(axes, partial(_prepare, way, threads, size))


def _prepare(way: str, threads: int, size: int) -> Ready:
    pairs = [(np.ones(size, np.uint8), np.ones(size, np.uint8)) for _ in range(threads)]
    pool = ThreadPoolExecutor(threads)

    def one(pair: tuple[np.ndarray, np.ndarray]) -> None:
        if way == "copy":
            np.copyto(*pair)
        else:
            pair[0].fill(1)

    moved = threads * size * (2.0 if way == "copy" else 1.0)
    return Ready(lambda _: list(pool.map(one, pairs)), moved)
