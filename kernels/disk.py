"""A drive by block size and queue depth: real files past the page cache, by fio or our own reader.

Ours keeps `depth` operations in flight with as many threads. Where a file system refuses O_DIRECT
(tmpfs does), rows say `direct: false` and stand for memory, not for a drive. The file was written
by the same run, so a drive's own cache may hold it.
"""

import json
import mmap
import os
import random
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from .point import Bench, Point, Ready, SkipError

SIZE, QUICK = 1 << 30, 256 << 20
BLOCKS = (4096, 16384, 65536, 262144, 1 << 20, 4 << 20)
DEPTHS = (1, 4, 16, 64)
SPARE = 4
"""Times the file's size that must be free."""


def points(bench: Bench) -> Iterator[Point]:
    """Reads of random blocks, then writes."""
    if bench.ssd is None:
        return
    for way in ("read", "write"):
        for block in BLOCKS[::2] if bench.quick else BLOCKS:
            for depth in DEPTHS[::2] if bench.quick else DEPTHS:
                axes = {"way": way, "block": block, "depth": depth}
                yield Point(axes, partial(_prepare, bench, way, block, depth))


def _prepare(bench: Bench, way: str, block: int, depth: int) -> Ready:
    folder, size = Path(bench.ssd or "."), QUICK if bench.quick else SIZE
    if shutil.disk_usage(folder).free < SPARE * size:
        raise SkipError(f"{folder} has less than {SPARE * size >> 20} MiB free")
    notes: dict[str, Any] = {}
    take = _fio if shutil.which("fio") else _own

    def samples(seconds: float) -> list[float]:
        found, told = take(folder, size, way, block, depth, max(seconds, 0.3))
        notes.update(told)
        return found

    return Ready(lambda _: None, block, samples=samples, notes=notes)


_KEPT: dict[tuple[str, int], tuple[Any, bool]] = {}
"""The file of this process by folder and size: its handle and where it is open; and whether it is
read past the page cache."""


def _file(folder: Path, size: int) -> tuple[int, bool]:
    """A file full of noise. It goes with the process; one that is killed leaves `kvsim-...`."""
    key = (str(folder), size)
    if key not in _KEPT:
        handle = tempfile.NamedTemporaryFile(dir=folder, prefix="kvsim-")  # noqa: SIM115
        noise = os.urandom(4 << 20)
        for _ in range(size >> 22):
            handle.write(noise)
        handle.flush()
        os.fsync(handle.fileno())
        os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        try:
            direct, at = True, os.open(handle.name, os.O_RDWR | os.O_DIRECT)
        except OSError:
            direct, at = False, os.open(handle.name, os.O_RDWR)
        _KEPT[key] = ((handle, at), direct)
    (_, at), direct = _KEPT[key]
    return at, direct


def _own(
    folder: Path, size: int, way: str, block: int, depth: int, seconds: float
) -> tuple[list[float], dict[str, Any]]:
    """ns a block at full concurrency (elapsed over blocks, by fifths), and one block's latency."""
    at, direct = _file(folder, size)
    done: list[list[tuple[int, int]]] = [[] for _ in range(depth)]
    end = time.perf_counter_ns() + int(seconds * 1e9)

    def work(mine: list[tuple[int, int]], seed: int) -> None:
        buffer, pick = mmap.mmap(-1, block), random.Random(seed)
        while True:
            start = time.perf_counter_ns()
            if start >= end and len(mine) >= 3:
                return
            offset = pick.randrange(size // block) * block
            if way == "read":
                os.preadv(at, [buffer], offset)
            else:
                os.pwritev(at, [buffer], offset)
            mine.append((start, time.perf_counter_ns()))

    threads = [
        threading.Thread(target=work, args=(mine, seed), daemon=True)
        for seed, mine in enumerate(done)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spans = sorted((span for mine in done for span in mine), key=lambda span: span[1])
    waits = sorted(after - before for before, after in spans)
    told = {"by": "own", "direct": direct, "latency_ns": waits[len(waits) // 2]}
    ends = [min(start for start, _ in spans), *(after for _, after in spans)]
    last = len(ends) - 1
    cuts = sorted({round(last * part / 5) for part in range(6)})
    return [(ends[b] - ends[a]) / (b - a) for a, b in pairwise(cuts)], told


def _fio(
    folder: Path, size: int, way: str, block: int, depth: int, seconds: float
) -> tuple[list[float], dict[str, Any]]:
    _file(folder, size)
    (handle, _), _ = _KEPT[str(folder), size]
    command = [
        "fio", "--name=kvsim", f"--filename={handle.name}", f"--size={size}", f"--bs={block}",
        f"--rw=rand{way}", f"--iodepth={depth}", "--ioengine=libaio", "--direct=1",
        "--time_based", f"--runtime={max(1, round(seconds))}", "--output-format=json",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    job = json.loads(done.stdout[done.stdout.index("{") :])["jobs"][0][way]
    told = {"by": "fio", "direct": True, "latency_ns": job["clat_ns"]["mean"]}
    return [1e9 / job["iops"]], told
