"""The same scenario under several seeds, and how far the answer moves."""

from statistics import mean, stdev
from typing import Any

from kvsim.scenario.run import INTERRUPTED, Look, Result, run
from kvsim.scenario.schema import Scenario
from kvsim.sim.recorder import Recorder

T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
       2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
       2.052, 2.048, 2.045, 2.042)  # fmt: skip
"""Two-sided 95 % quantiles of Student's t for 1, 2, … 30 degrees of freedom (NIST handbook)."""
NORMAL95 = 1.960
MEASURED = ("throughput", "ttft_s", "tpot_s", "itl_s", "e2e_s", "queue_s", "slo", "cache", "cost")
"""Parts of a summary whose numbers vary with the seed and matter."""


def replicate(
    scenario: Scenario,
    replications: int,
    *,
    max_wall: float | None = None,
    look: Look | None = None,
    **options: Any,
) -> Result:
    """The run of the scenario's own seed, with `confidence` from `replications` seeds in all.

    `max_wall` seconds are for all together. Cut short, it says how many seeds were done.
    """
    first = latest = run(scenario, max_wall=max_wall, look=look, **options)
    summaries = [first.summary]
    left = max_wall
    while len(summaries) < replications and not first.summary["partial"]:
        if left is not None:
            left = max(0.0, left - latest.summary["simulator"]["wall_s"])
        why = INTERRUPTED if look and look(latest.end, _recorder(latest)) else None
        if why is None and left != 0:
            other = scenario.model_copy(update={"seed": scenario.seed + len(summaries)})
            latest = run(other, max_wall=left, look=look, **options)
            why = latest.summary["partial"]
        if why is None and left != 0:
            summaries.append(latest.summary)
            continue
        why = why if why == INTERRUPTED else f"stopped after {max_wall:g} s"
        first.summary["partial"] = f"{why}, {len(summaries)} of {replications} seeds done"
    if len(summaries) > 1:
        first.summary["confidence"] = confidence(summaries)
    return first


def _recorder(result: Result) -> Recorder:
    return result.machine.simulation.recorder


def confidence(summaries: list[dict[str, Any]]) -> dict[str, list[float]]:
    """Per metric, as `ttft_s.p99`: the 95 % interval of its mean over seeds (Student's t)."""
    count = len(summaries)
    quantile = student95(count)
    found: dict[str, list[float]] = {}
    for part in MEASURED:
        for name in summaries[0][part]:
            values = [summary[part][name] for summary in summaries]
            if all(isinstance(value, int | float) for value in values):
                middle, spread = mean(values), quantile * stdev(values) / count**0.5
                found[f"{part}.{name}"] = [middle - spread, middle + spread]
    return found


def student95(count: int) -> float:
    """Student's t for the 95 % interval of a mean of `count` values."""
    return T95[count - 2] if count - 2 < len(T95) else NORMAL95
