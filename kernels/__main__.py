"""Measure this machine: `python -m kvsim.kernels --out raw.json`, or `python -m kernels ...`.

A supervisor starts a worker, watches it, and starts another where one crashes or hangs; the raw
samples are written after every worker. Run again with the same --out, it goes on where it was.
"""

import argparse
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from .groups import groups
from .journal import Journal, write

BUDGET = {True: 100.0, False: 540.0}
"""Seconds, quick and full."""
STALL = 90.0
"""Seconds without a new line in the journal after which a worker is given up."""
GRACE = 60.0
"""Seconds a worker may run over, as a point is never cut short."""
EVERY = 60.0
"""Seconds between two files of all samples so far."""
RESTARTS = 12
BAD_INPUT = 2


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("kernels", description="Measure this machine.")
    parser.add_argument("--out", type=Path, required=True, help="raw samples, as JSON")
    parser.add_argument("--device", default="cuda:0", help="cuda:0 or cpu")
    parser.add_argument("--ssd", help="folder on the drive to measure; none is if not given")
    parser.add_argument("--quick", action="store_true", help="coarser grids, under two minutes")
    parser.add_argument("--budget", type=float, help="seconds in all")
    parser.add_argument("--only", nargs="*", default=[], help="groups to measure")
    parser.add_argument("--shapes", type=Path, help="JSON of products and heads to measure")
    parser.add_argument("--worker", type=float, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measure, and write the samples."""
    asked = _arguments()
    asked.shapes = asked.shapes or Path(__file__).with_name("shapes.json")
    if problem := _problem(asked):
        sys.stderr.write(f"kernels: {problem}\n")
        sys.exit(BAD_INPUT)
    parts = Journal(asked.out.with_name(asked.out.name + ".parts"))
    if asked.worker:
        from .worker import bench, work

        place = bench(asked.device, asked.quick, asked.ssd, asked.shapes)
        work(place, parts, asked.worker, asked.only)
        return
    until = time.time() + (asked.budget or BUDGET[asked.quick])
    try:
        _supervise(asked, until, parts.path)
    finally:
        sys.stderr.write(_write(asked, parts.path))


def _problem(asked: argparse.Namespace) -> str | None:
    unknown = set(asked.only) - set(groups(asked.device))
    if unknown:
        allowed = ", ".join(groups(asked.device))
        return f"--only: there is no group {sorted(unknown)[0]!r}; there are {allowed}."
    if asked.device == "cpu":
        return None
    for name in ("torch", "triton"):
        if not find_spec(name):
            return f"a GPU is measured with {name}: pip install torch triton; or --device cpu."
    import torch

    if not torch.cuda.is_available():
        return f"{asked.device}: torch sees no GPU here; --device cpu measures the processor."
    return None


def _supervise(asked: argparse.Namespace, until: float, path: Path) -> None:
    """Workers, one after another, until one has gone through all points."""
    path.parent.mkdir(parents=True, exist_ok=True)
    size = -1
    for _ in range(RESTARTS):
        module = __spec__.name if __spec__ else "kernels"
        command = [sys.executable, "-m", module, *sys.argv[1:], "--worker", str(until)]
        worker = subprocess.Popen(command)
        try:
            why = _watched(worker, asked, until, path)
        except BaseException:
            worker.kill()
            raise
        if worker.returncode == 0:
            return
        sys.stderr.write(f"\n{why}; another worker goes on\n")
        Journal(path).lost(why)
        before, size = size, path.stat().st_size if path.is_file() else 0
        if time.time() > until or size == before:  # no point ever began
            return


def _watched(
    worker: "subprocess.Popen[bytes]", asked: argparse.Namespace, until: float, path: Path
) -> str:
    """Wait for a worker, and write what there is; give it up where it hangs. Says how it ended."""
    begun = written = time.time()
    while worker.poll() is None:
        time.sleep(0.1)
        now = time.time()
        if now - written > EVERY:
            _write(asked, path)
            written = now
        last = max(path.stat().st_mtime if path.is_file() else begun, begun)
        if now - last > STALL or now > until + GRACE:
            worker.kill()
            worker.wait()
            return f"hung for {now - last:.0f} s"
    return f"the process ended with {worker.returncode}"


def _write(asked: argparse.Namespace, path: Path) -> str:
    """Put all samples so far into one file; says how many."""
    from .facts import facts

    rows = list(Journal(path).rows.values())
    for row in rows:
        row.pop("key", None)
    found = {"format": 1, **facts(asked.device), "quick": asked.quick, "ssd": asked.ssd}
    if asked.ssd:
        found["ssd_capacity"] = shutil.disk_usage(asked.ssd).total
    write(asked.out, {**found, "rows": rows})
    failed = [row for row in rows if "error" in row]
    return f"{asked.out}: {len(rows)} points, {len(failed)} failed\n"


if __name__ == "__main__":
    main()
