"""Laws of probability that a field may follow: what they are called and what they ask for."""

from dataclasses import dataclass, field
from math import exp, log, sqrt
from typing import Annotated, Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from kvsim.traces.generators.fields import FieldError, between, number

Sample = NDArray[np.float64] | NDArray[np.int64]
MOST = 2.0**53
"""The largest value that a draw may take: whole numbers up to here are exact in a float."""
Value = Annotated[float, number]
"""In the unit of the field: tokens, turns, or a duration."""
CV = Annotated[float, between(0, 1000)]
"""Coefficient of variation: standard deviation over mean."""


class Law(Protocol):
    """Where draws come from. Not yet rounded or clipped."""

    def sample(self, rng: Generator, count: int) -> Sample:
        """`count` draws."""
        ...


@dataclass(frozen=True)
class Constant:
    """Always the same."""

    value: float

    def sample(self, rng: Generator, count: int) -> Sample:
        """`count` times the value; takes nothing from `rng`."""
        del rng
        return np.full(count, self.value)


@dataclass(frozen=True)
class Uniform:
    """Every whole number from `low` to `high`, both included."""

    low: int
    high: int

    def sample(self, rng: Generator, count: int) -> Sample:
        """`count` draws."""
        return rng.integers(self.low, self.high, count, endpoint=True)


@dataclass(frozen=True)
class Normal:
    """The bell curve. What falls below the field's least value is put there."""

    mean: Value
    std: Value

    def __post_init__(self) -> None:
        if self.std < 0:
            raise FieldError("std", f"found {self.std:g}; a deviation is not negative.")

    def sample(self, rng: Generator, count: int) -> Sample:
        """`count` draws."""
        return rng.normal(self.mean, self.std, count)


@dataclass(frozen=True)
class LogNormal:
    """The logarithm is normal: many short, a few very long. Median or mean, and cv or sigma."""

    median: Value | None = None
    mean: Value | None = None
    cv: CV | None = None
    sigma: CV | None = None
    """Standard deviation of the natural logarithm: cv² = exp(sigma²) - 1."""

    def __post_init__(self) -> None:
        if (self.median is None) == (self.mean is None):
            raise FieldError("median", "write either median or mean.")
        if (self.cv is None) == (self.sigma is None):
            raise FieldError("cv", "write either cv or sigma.")
        if self.median is not None:
            _positive("median", self.median)
        if self.mean is not None:
            _positive("mean", self.mean)

    def sample(self, rng: Generator, count: int) -> Sample:
        """`count` draws."""
        sigma = sqrt(log(1 + self.cv**2)) if self.cv is not None else self.sigma or 0.0
        median = self.median
        if median is None:
            assert self.mean is not None
            median = self.mean * exp(-(sigma**2) / 2)
        with np.errstate(over="ignore"):
            return rng.lognormal(log(median), sigma, count)


@dataclass(frozen=True)
class Exponential:
    """Memoryless."""

    mean: Value

    def __post_init__(self) -> None:
        _positive("mean", self.mean)

    def sample(self, rng: Generator, count: int) -> Sample:
        """`count` draws."""
        return rng.exponential(self.mean, count)


@dataclass(frozen=True)
class Geometric:
    """Whole numbers from 1: after each one, the same chance that it was the last."""

    mean: Value

    def __post_init__(self) -> None:
        if self.mean < 1:
            raise FieldError("mean", f"found {self.mean:g}; a geometric mean is at least 1.")

    def sample(self, rng: Generator, count: int) -> Sample:
        """`count` draws."""
        return rng.geometric(1 / self.mean, count)


@dataclass(frozen=True)
class Gamma:
    """Between constant (cv 0) and bursty (cv above 1); cv 1 is exponential."""

    mean: Value
    cv: Annotated[float, between(0.01, 1000)]

    def __post_init__(self) -> None:
        _positive("mean", self.mean)

    def sample(self, rng: Generator, count: int) -> Sample:
        """`count` draws."""
        shape = self.cv**-2
        return rng.gamma(shape, self.mean / shape, count)


@dataclass(frozen=True)
class Choice:
    """One of a few values, each with its weight."""

    values: tuple[int, ...]
    weights: tuple[float, ...]

    def sample(self, rng: Generator, count: int) -> Sample:
        """`count` draws."""
        return np.array(self.values)[weighted(rng, self.weights, count)]


@dataclass(frozen=True, eq=False)
class Empirical:
    """Values that were measured; each draw is one of them, all equally likely."""

    values: Sample = field(repr=False)

    def sample(self, rng: Generator, count: int) -> Sample:
        """`count` draws, with replacement."""
        return self.values[rng.integers(len(self.values), size=count)]


def weighted(rng: Generator, weights: tuple[float, ...], count: int) -> NDArray[np.int64]:
    """`count` indices of `weights`, each in proportion to its weight."""
    edges = np.cumsum(weights)
    last = np.flatnonzero(weights)[-1]  # rounding may reach the very end
    at = np.searchsorted(edges, rng.random(count) * edges[-1], side="right")
    chosen: NDArray[np.int64] = np.minimum(at, last)
    return chosen


def _positive(name: str, value: float) -> None:
    if value <= 0:
        raise FieldError(name, f"found {value:g}; it must be above 0.")
