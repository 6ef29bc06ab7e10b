"""Measures point after point into the journal, until all are done or the time is up."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from .groups import Group, groups
from .journal import Journal
from .point import Bench, Point, SkipError
from .timer import summed, timed

OFF = 0.03
"""A kernel whose result is further from its reference is not timed: bf16 keeps 8 bits."""
BROKEN = 3
"""Exit code of a process whose GPU context is lost; another one goes on."""


def key_of(name: str, point: Point) -> str:
    """A point's name in the journal."""
    return " ".join([name, *(f"{axis}={value}" for axis, value in point.axes.items())])


def bench(device: str, quick: bool, ssd: str | None, shapes: Path) -> Bench:
    """What all points know."""
    from .facts import facts

    told, wanted = facts(device)["device"], json.loads(shapes.read_text(encoding="utf-8"))
    part = wanted["cpu" if device == "cpu" else "gpu"]
    return Bench(
        device,
        quick,
        told["sms"],
        told["memory"] // (4 if device == "cpu" else 1) * 3 // 4,
        ssd,
        tuple(map(tuple, part["gemm"])),
        tuple(map(tuple, part["heads"])),
    )


def work(place: Bench, journal: Journal, until: float, only: list[str]) -> None:
    """All groups, each within its share of the time that is left."""
    wanted = {name: g for name, g in groups(place.device).items() if not only or name in only}
    left = sum(group.weight for group in wanted.values())
    for name, group in wanted.items():
        now = time.time()
        end = min(until, now + (until - now) * group.weight / left)
        left -= group.weight
        _group(place, journal, name, group, end)


def _group(place: Bench, journal: Journal, name: str, group: Group, end: float) -> None:
    points = {key_of(name, point): point for point in group.points(place)}
    done = failed = late = 0
    for key, point in points.items():
        if key in journal.rows:
            done += 1
            continue
        if time.time() > end:
            late += 1
            continue
        _make_room(place)
        journal.begin(key)
        row = _measured(place, point, group.seconds)
        journal.end(key, {"group": name, **point.axes, **row})
        done, failed = done + 1, failed + ("error" in row)
        if "error" in row:
            _stop_if_broken(place.device)
        sys.stderr.write(f"\r{name:8} {done:5} of {len(points)}")
        sys.stderr.flush()
    told = (f", {failed} failed" if failed else "") + (f", {late} left out" if late else "")
    sys.stderr.write(f"\r{name:8} {done:5} of {len(points)}{told}\n")


def _measured(place: Bench, point: Point, seconds: float) -> dict[str, Any]:
    """A row; whatever goes wrong is its `error`."""
    try:
        ready = point.prepare()
        if ready.check is not None and (off := ready.check()) > OFF:
            return {"error": f"the result is off by {off:.3g}"}
        if ready.samples is not None:
            timing = summed(ready.samples(seconds), "events" if place.device != "cpu" else "clock")
        else:
            timing = timed(ready.call, place.device, seconds, ready.graph)
    except SkipError as reason:
        return {"error": f"skipped: {reason}"}
    except Exception as error:  # one kernel's failure costs its own rows only
        return {"error": f"{type(error).__name__}: {str(error)[:300]}"}
    return {
        "ns": round(timing.median, 1),
        "low": round(timing.low, 1),
        "high": round(timing.high, 1),
        "samples": timing.samples,
        "how": timing.how,
        "bytes": round(ready.bytes),
        "flops": round(ready.flops),
        **(ready.notes or {}),
    }


def _make_room(place: Bench) -> None:
    """Give back what torch keeps of earlier points, before it is most of the memory."""
    if place.device == "cpu":
        return
    import torch

    if torch.cuda.memory_reserved() > place.memory / 2:
        torch.cuda.empty_cache()


def _stop_if_broken(device: str) -> None:
    """A GPU context that met an illegal address answers nothing any more."""
    if device == "cpu":
        return
    import torch

    try:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.ones(1, device=device).add_(1).item()
    except Exception:
        sys.stderr.write("\nthe GPU context is lost; going on in a new process\n")
        sys.exit(BROKEN)
