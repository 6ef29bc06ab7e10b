"""Errors of predictions, summed up by regime."""

from collections.abc import Iterable
from statistics import mean, median
from typing import NamedTuple


class Errors(NamedTuple):
    """Relative errors of one regime: of the absolute values, and with their sign."""

    regime: str
    points: int
    median: float
    mean: float
    p90: float
    worst: float
    bias: float
    """Median with its sign: below zero, predictions are too short."""


def errors(regime: str, pairs: Iterable[tuple[float, float]]) -> Errors | None:
    """Of (predicted, measured) pairs; None if there are none."""
    signed = sorted(predicted / measured - 1 for predicted, measured in pairs)
    if not signed:
        return None
    sizes = sorted(map(abs, signed))
    p90 = sizes[min(len(sizes) - 1, int(0.9 * len(sizes)))]
    return Errors(regime, len(signed), median(sizes), mean(sizes), p90, sizes[-1], median(signed))
