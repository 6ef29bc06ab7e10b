"""The highest rate of requests at which enough of them meet their objectives."""

from collections.abc import Callable, Iterator
from statistics import mean, stdev
from typing import Any, NamedTuple

from kvsim.errors import InputError
from kvsim.scenario import Scenario
from kvsim.scenario.objectives import asked
from kvsim.scenario.replications import student95
from kvsim.sweep.judge import Verdict, judged
from kvsim.sweep.rate import scaled

TOLERANCE = 0.02
"""Relative width of the bracket at which the search ends."""
LIMIT = 2.0**12
"""Times the scenario's own rate beyond which, or a fraction below which, nothing is tried."""


class Probe(NamedTuple):
    """One rate that was tried."""

    factor: float
    """Times the scenario's own rate."""
    met: bool
    attainment: float
    early: bool
    """The run was stopped when the answer was certain; `attainment` is of those decided by then."""
    seed: int


class Goodput(NamedTuple):
    """What a search found."""

    factor: float
    """Times the scenario's own rate; the highest one that was seen to meet the attainment."""
    rate: float
    """The same in requests per second, as they arrived."""
    gpus: int
    attainment: float
    probes: list[Probe]
    confidence: tuple[float, float] | None
    """95 % interval of `rate` over seeds."""
    summary: dict[str, Any]
    """Of the run at that rate."""

    @property
    def per_gpu(self) -> float:
        """Requests per second and GPU."""
        return self.rate / self.gpus


Told = Callable[[Probe], None]


def goodput(
    scenario: Scenario, wanted: float = 0.9, replications: int = 1, told: Told = lambda probe: None
) -> Goodput:
    """Search by bisection with common random numbers, for each of `replications` seeds.

    Raises InputError for a scenario without objectives, without a rate, or whose objectives are
    missed even by single requests.
    """
    if not 0 < wanted <= 1:
        raise InputError(f"--attainment: found {wanted:g}; it is a share, above 0 and up to 1.")
    if not asked(scenario.slo).ask("ttft", "tpot", "itl", "e2e", "normalized"):
        raise InputError("slo: goodput needs objectives; write slo: {ttft: 1 s, tpot: 50 ms}.")
    probes: list[Probe] = []
    found: list[tuple[float, float, Verdict]] = []
    for seed in range(scenario.seed, scenario.seed + replications):
        own = scenario.model_copy(update={"seed": seed})
        start = found[0][0] if found else 1.0
        found.append(_highest(own, wanted, start, probes, told))
    rates = [rate for _, rate, _ in found]
    factor, _, verdict = found[0]
    interval = None
    if len(rates) > 1:
        spread = student95(len(rates)) * stdev(rates) / len(rates) ** 0.5
        interval = (mean(rates) - spread, mean(rates) + spread)
    return Goodput(
        factor, mean(rates), scenario.cluster.gpus, verdict.attainment, probes, interval,
        verdict.result.summary,
    )  # fmt: skip


def _highest(
    scenario: Scenario, wanted: float, start: float, probes: list[Probe], told: Told
) -> tuple[float, float, Verdict]:
    """Factor, rate in requests per second, and the whole run at the highest rate that is met."""
    total: int | None = None

    def probe(factor: float) -> bool:
        nonlocal total
        verdict = judged(scaled(scenario, factor), wanted, total)
        if not verdict.early:
            total = verdict.requests
        probes.append(Probe(factor, verdict.met, verdict.attainment, verdict.early, scenario.seed))
        told(probes[-1])
        return verdict.met

    low, high = _bracket(probe, start)
    while high / low > 1 + TOLERANCE:
        middle = (low * high) ** 0.5
        low, high = (middle, high) if probe(middle) else (low, middle)
    whole = judged(scaled(scenario, low), wanted)
    return low, _offered(whole), whole


def _bracket(probe: Callable[[float], bool], start: float) -> tuple[float, float]:
    """A factor that is met and one that is not, at most a factor of two apart."""
    met = probe(start)
    for factor in _steps(start, met):
        if probe(factor) != met:
            return (factor / 2, factor) if met else (factor, factor * 2)
    if met:
        raise InputError(
            f"the objectives are met even at {LIMIT:g} times the rate: the workload is too short "
            "to fill the machine; let it have more requests."
        )
    raise InputError(
        "the objectives are missed at any rate: a request alone takes longer. See kvsim explain."
    )


def _steps(start: float, up: bool) -> Iterator[float]:
    factor = start
    while 1 / LIMIT < factor < LIMIT:
        factor = factor * 2 if up else factor / 2
        yield factor


def _offered(verdict: Verdict) -> float:
    """Requests per second between the first arrival and the last."""
    arrivals = verdict.result.facts.requests["arrival"]
    spread = float(arrivals.max() - arrivals.min()) / 1e9
    return (len(arrivals) - 1) / spread if spread else 0.0
