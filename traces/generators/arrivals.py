"""Instants of arrival: a rate, constant or in pieces, and a process of gaps around it.

    rate: 1.5/s                              process: poisson
    rate: [[0 s, 1/s], [60 s, 5/s]]          process: gamma, cv: 2.5

Gaps are drawn with mean 1, in a time in which one request is due per unit, and that time is then
stretched to the rate. So a piecewise Poisson process is exact, and with one seed another rate gives
the same pattern, scaled: systems are compared under common random numbers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise, takewhile
from math import exp, lgamma, sqrt
from typing import Annotated, Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from kvsim.errors import InputError
from kvsim.traces.generators import fields
from kvsim.traces.generators.chance import stream
from kvsim.traces.generators.fields import Duration, FieldError, between, duration, one_of, read
from kvsim.units import SECOND, Ns

BLOCK = 4096
"""Gaps drawn at once."""
LEAST_CV, MOST_CV = 0.01, 100.0
"""Between them the Weibull shape is found; below, write `process: uniform`."""

Pieces = tuple[tuple[Ns, float], ...]
"""Start and rate (per second) of each piece; the last one goes on for ever."""


def pieces(value: object, where: str) -> Pieces:
    """Reads a rate, or a list of [start, rate]."""
    if not isinstance(value, list | tuple):
        found: Pieces = ((0, fields.rate(value, where)),)
    else:
        found = tuple(_piece(pair, f"{where}[{index}]") for index, pair in enumerate(value))
    if any(after[0] <= before[0] for before, after in pairwise(found)):
        raise InputError(f"{where}: each piece must start later than the one before.")
    if not any(rate for _, rate in found):
        raise InputError(f"{where}: found {value!r}; a rate above 0 is wanted, as in 1.5/s.")
    return found


def _piece(pair: object, where: str) -> tuple[Ns, float]:
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise InputError(f"{where}: found {pair!r}; write [start, rate], as in [60 s, 5/s].")
    return duration(pair[0], f"{where}[0]"), fields.rate(pair[1], f"{where}[1]")


Rate = Annotated[Pieces, pieces]
"""A rate with its unit, or [[start, rate], ...]."""
Process = Annotated[str, one_of("poisson", "gamma", "weibull", "uniform")]
"""The law of the gaps; uniform: all alike."""
Burstiness = Annotated[float, between(0, MOST_CV)]
"""Coefficient of variation of the gaps."""


@dataclass(frozen=True)
class Arrivals:
    """When requests, or sessions, come."""

    rate: Rate
    process: Process = "poisson"
    cv: Burstiness | None = None
    """1 if left out; a poisson process has no other, a uniform one has 0."""
    duration: Duration | None = None
    """Nothing comes from this instant on."""

    def __post_init__(self) -> None:
        own = {"poisson": 1, "uniform": 0}.get(self.process)
        if own is not None and self.cv not in (None, own):
            hint = "a process with a cv of one's own is gamma or weibull."
            raise FieldError("cv", f"found {self.cv:g}; {self.process} has {own}: {hint}")
        if own is None and self.cv is not None and self.cv < LEAST_CV:
            hint = f"{LEAST_CV:g} is the least; write `process: uniform` for gaps all alike."
            raise FieldError("cv", f"found {self.cv:g}; {hint}")

    @property
    def ends(self) -> bool:
        """Whether there is an end to them."""
        return self.duration is not None or not self.rate[-1][1]

    def instants(self, seed: int) -> Iterator[Ns]:
        """Instants in order, up to the duration if there is one. A gap comes first."""
        if self.duration is None:
            return self._unbounded(seed)
        end = self.duration
        return takewhile(lambda at: at < end, self._unbounded(seed))

    def _unbounded(self, seed: int) -> Iterator[Ns]:
        """Instants without end, unless the rate ends with 0."""
        rng = stream(seed, "arrivals")
        starts = np.array([start for start, _ in self.rate], dtype=np.float64)
        rates = np.array([rate for _, rate in self.rate]) / SECOND
        # requests due before each piece begins
        due = np.concatenate(([0.0], np.cumsum(np.diff(starts) * rates[:-1])))
        ends = np.append(starts[1:], np.inf)
        passed = 0.0
        while True:
            count = passed + np.cumsum(self._gaps(rng))
            passed = float(count[-1])
            if not rates[-1]:
                count = count[count < due[-1]]
            at = np.searchsorted(due, count, side="right") - 1
            instant = np.minimum(starts[at] + (count - due[at]) / rates[at], ends[at])
            yield from np.rint(instant).astype(np.int64).tolist()
            if len(count) < BLOCK:
                return

    def _gaps(self, rng: Generator) -> NDArray[np.float64]:
        """Gaps with mean 1."""
        cv = 1.0 if self.cv is None else self.cv
        if self.process == "uniform":
            return np.ones(BLOCK)
        if self.process == "poisson":
            return rng.exponential(1.0, BLOCK)
        if self.process == "gamma":
            return rng.gamma(cv**-2, cv**2, BLOCK)
        shape = weibull_shape(cv)
        return rng.weibull(shape, BLOCK) / exp(lgamma(1 + 1 / shape))


def instants(spec: Mapping[str, Any], seed: int, where: str = "arrivals") -> Iterator[Ns]:
    """Instants of arrival for `{rate: 1.5/s, process: poisson, cv: 1}`, integer ns in order."""
    return read(Arrivals, spec, where).instants(seed)


def weibull_shape(cv: float) -> float:
    """The shape k of the Weibull law with this cv: cv² = Γ(1 + 2/k) / Γ(1 + 1/k)² - 1."""
    low, high = 0.1, 1000.0
    for _ in range(100):  # halves the interval of log k each time: to the last bit
        middle = sqrt(low * high)
        if exp(lgamma(1 + 2 / middle) - 2 * lgamma(1 + 1 / middle)) - 1 > cv**2:
            low = middle
        else:
            high = middle
    return high
