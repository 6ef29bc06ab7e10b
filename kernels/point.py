"""A point of a benchmark: what it is called, and how to get ready for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from .timer import Call

COPIES = 1 << 28
"""Bytes that the rotating buffers of a point have in all, at least: more than any cache."""
MOST = 8
"""Buffers, so that large points do not fill the memory."""


class Ready(NamedTuple):
    """A point that can be timed."""

    call: Call
    bytes: float = 0.0
    """What one call has to move."""
    flops: float = 0.0
    check: Callable[[], float] | None = None
    """How far the result is from the reference, by the largest value; called before timing."""
    graph: bool = True
    samples: Callable[[float], list[float]] | None = None
    """Times itself instead: ns of each sample, within so many seconds."""
    notes: dict[str, Any] | None = None
    """What else the row should say."""


class Point(NamedTuple):
    """Names and numbers that say what is measured, and what prepares it."""

    axes: dict[str, Any]
    prepare: Callable[[], Ready]


@dataclass(frozen=True)
class Bench:
    """Where and how thoroughly points are measured."""

    device: str
    quick: bool
    cores: int
    memory: int
    """Bytes that are free."""
    ssd: str | None = None
    shapes: tuple[tuple[int, int], ...] = ()
    """(n, k) of the model catalogue's products."""
    heads: tuple[tuple[int, int, int], ...] = ()
    """(query heads, KV heads, width) of the model catalogue."""


class SkipError(Exception):
    """This point cannot be measured here, and why."""


def copies(size: float, memory: float) -> int:
    """Buffers of `size` bytes that outgrow the cache and fit in a third of the memory."""
    if size > memory / 3:
        raise SkipError(f"{size / 2**30:.1f} GiB do not fit")
    return max(1, min(MOST, int(-(-COPIES // max(size, 1))), int(memory / 3 / max(size, 1))))


def error(found: Any, wanted: Any) -> float:
    """Largest difference by the largest value; infinite where there is no number."""
    import torch

    if not bool(torch.isfinite(found.float()).all()):
        return float("inf")
    scale = float(wanted.double().abs().max()) or 1.0
    return float((found.double() - wanted.double()).abs().max()) / scale
