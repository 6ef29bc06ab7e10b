"""The cheapest configuration that meets the SLO, out of a space of them.

Configurations are tried in order of what they cost an hour, so that the first one that meets the
objectives is the cheapest, and dearer ones need no run. What does not fit into memory costs nothing
to reject. For objectives that only a run can tell, all are tried, or `trials` of them are chosen by
Optuna. `rate_per_gpu` is DistServe's: each is driven at the highest rate that it serves in time.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from kvsim.errors import InputError, perhaps
from kvsim.hardware import gpu, price
from kvsim.scenario import Scenario
from kvsim.scenario.load import SHIPPED, read
from kvsim.sweep.assertions import COMPARISONS
from kvsim.sweep.goodput import goodput
from kvsim.sweep.grid import Point, Values, combinations, scenario_at, solve
from kvsim.sweep.table import at

Objective = Literal["cost", "cost_per_token", "goodput_per_gpu", "rate_per_gpu"]
OBJECTIVES = ("cost", "cost_per_token", "goodput_per_gpu", "rate_per_gpu")
MEASURES = ("gpus", "usd_per_hour")
"""What a constraint may speak of."""
CONSTRAINT = re.compile(r"^\s*(\w+)\s*(<=|>=|==|<|>)\s*(\d+(?:\.\d+)?)\s*$")
SPACES = SHIPPED / "spaces"
ENOUGH = 0.9
"""Share of requests that must be in time, unless the space says otherwise."""


class Space(NamedTuple):
    """What may be chosen."""

    paths: dict[str, list[Any]]
    constraints: list[str]
    attainment: float


class Candidate(NamedTuple):
    """A configuration, what it costs, and what came of it if it was run."""

    values: Values
    usd_per_hour: float | None
    gpus: int
    point: Point | None
    """None: it was not run, as a cheaper one was good enough."""
    met: bool


def shipped() -> list[str]:
    """Names of the spaces that come with kvsim."""
    return sorted(path.stem for path in SPACES.glob("*.yaml"))


def space(path: Path) -> Space:
    """A space: `paths`, and if wanted `constraints` and `attainment`; a file, or a shipped name."""
    if str(path) in shipped() and not path.is_file():
        path = SPACES / f"{path}.yaml"
    if not path.is_file():
        raise InputError(f"--space: there is no file {str(path)!r}.{perhaps(str(path), shipped())}")
    found = read(path)
    for name in found:
        if name not in Space._fields:
            raise InputError(f"{path}: unknown key {name!r}.{perhaps(str(name), Space._fields)}")
    paths = found.get("paths")
    if (not isinstance(paths, dict) or not paths
            or not all(isinstance(v, list) and v for v in paths.values())):  # fmt: skip
        raise InputError(f"{path}: write paths: {{path: [value, value]}}.")
    constraints = found.get("constraints") or []
    if not isinstance(constraints, list):
        raise InputError(f"{path}: constraints: found {constraints!r}; write ['gpus <= 8'].")
    for one in constraints:
        _limit(str(one), path)
    share = found.get("attainment", ENOUGH)
    if not isinstance(share, int | float) or not 0 < share <= 1:
        raise InputError(
            f"{path}: attainment: found {share!r}; it is a share, above 0 and up to 1, as 0.9."
        )
    paths = {str(name): values for name, values in paths.items()}
    return Space(paths, [str(one) for one in constraints], float(share))


def _limit(constraint: str, path: Path) -> None:
    """Raises InputError for what is no constraint."""
    match = CONSTRAINT.match(constraint)
    if match is None or match[1] not in MEASURES:
        raise InputError(
            f"{path}: constraint {constraint!r}: write it as 'gpus <= 8'; allowed are "
            f"{', '.join(MEASURES)}."
        )


def hourly(scenario: Scenario) -> float:
    """US dollars per hour of a scenario's machine; infinite where a GPU has no price."""
    cluster, own = scenario.cluster, scenario.prices
    listed = price().over(dram=own.dram, ssd=own.ssd, network=own.network)
    nodes = -(-cluster.gpus // cluster.node.gpus)
    total = 0.0
    for pool in cluster.pools:
        each = own.gpu if own.gpu is not None else gpu(pool.gpu or cluster.node.gpu).price
        if each is None:
            return float("inf")
        total += each * pool.replicas * pool.parallel.gpus
    tiers = cluster.tiers
    dram = (nodes * tiers.dram.capacity if tiers.dram else 0) + (
        tiers.remote.capacity if tiers.remote else 0
    )
    total += listed.dram * dram / 2**30
    total += listed.ssd * nodes * tiers.ssd.capacity / 2**40 if tiers.ssd else 0.0
    return total + (listed.network * nodes if tiers.remote else 0.0)


def plan(
    name: str, changes: tuple[str, ...], asked: Space, objective: Objective = "cost",
    trials: int | None = None, folder: Path | None = None,
    told: Callable[[Candidate], None] = lambda candidate: None,
) -> list[Candidate]:  # fmt: skip
    """Candidates, the best first among those that meet the SLO; then those that do not."""
    known = list(_candidates(name, changes, asked))
    if not known:
        raise InputError("plan: no combination of the space meets its constraints.")
    if trials is not None and trials < len(known):
        return _by_optuna(name, changes, asked, objective, trials, folder, told)
    known.sort(key=lambda one: (one.usd_per_hour or 0.0, str(one.values)))
    found, is_done = [], False
    for candidate in known:
        if is_done:
            found.append(candidate)
            continue
        found.append(_run(name, changes, candidate, asked.attainment, objective, folder))
        told(found[-1])
        is_done = objective == "cost" and found[-1].met
    return sorted(found, key=lambda one: _rank(one, objective))


def _candidates(name: str, changes: tuple[str, ...], asked: Space) -> Iterator[Candidate]:
    for values in combinations(asked.paths):
        scenario = scenario_at(name, changes, values)
        if all(_holds(one, scenario) for one in asked.constraints):
            yield Candidate(values, hourly(scenario), scenario.cluster.gpus, None, False)


def _holds(constraint: str, scenario: Scenario) -> bool:
    match = CONSTRAINT.match(constraint)
    assert match is not None
    value = scenario.cluster.gpus if match[1] == "gpus" else hourly(scenario)
    return COMPARISONS[match[2]](value, float(match[3]))


def _run(
    name: str, changes: tuple[str, ...], candidate: Candidate, wanted: float, objective: Objective,
    folder: Path | None,
) -> Candidate:  # fmt: skip
    if objective == "rate_per_gpu":
        return _driven(name, changes, candidate, wanted)
    point = solve(name, changes, candidate.values, folder)
    reached = at(point.summary or {}, "slo.attainment")
    return candidate._replace(point=point, met=reached is not None and reached >= wanted)


def _driven(name: str, changes: tuple[str, ...], candidate: Candidate, wanted: float) -> Candidate:
    """The run at the highest rate; a search of its own each, of which nothing is kept."""
    try:
        found = goodput(scenario_at(name, changes, candidate.values), wanted)
    except InputError as fault:
        return candidate._replace(point=Point(candidate.values, "", None, str(fault)))
    return candidate._replace(point=Point(candidate.values, "", found.summary, None), met=True)


def score(candidate: Candidate, objective: Objective) -> float:
    """What is minimised; infinite for what was not run or failed."""
    if objective == "cost":
        return candidate.usd_per_hour or 0.0
    summary = (candidate.point.summary if candidate.point else None) or {}
    if objective == "cost_per_token":
        found = at(summary, "cost.usd_per_million_output_tokens")
        return float("inf") if found is None else float(found)
    found = at(summary, "slo.goodput_rps")
    return float("inf") if found is None else -float(found) / candidate.gpus


def _rank(candidate: Candidate, objective: Objective) -> tuple[bool, float]:
    return not candidate.met, score(candidate, objective)


def _by_optuna(
    name: str, changes: tuple[str, ...], asked: Space, objective: Objective, trials: int,
    folder: Path | None, told: Callable[[Candidate], None],
) -> list[Candidate]:  # fmt: skip
    """`trials` configurations, chosen by a TPE sampler; misses count as far worse than any hit."""
    try:
        import optuna
    except ImportError:
        raise InputError("--trials: Optuna is not installed; pip install 'kvsim[plan]'.") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    found: dict[str, Candidate] = {}

    def value(trial: Any) -> float:
        values = {
            path: choices[trial.suggest_int(path, 0, len(choices) - 1)]
            for path, choices in asked.paths.items()
        }
        if str(values) not in found:
            scenario = scenario_at(name, changes, values)
            if not all(_holds(one, scenario) for one in asked.constraints):
                raise optuna.TrialPruned
            candidate = Candidate(values, hourly(scenario), scenario.cluster.gpus, None, False)
            found[str(values)] = _run(name, changes, candidate, asked.attainment, objective, folder)
            told(found[str(values)])
        one = found[str(values)]
        reached = at((one.point.summary if one.point else None) or {}, "slo.attainment") or 0.0
        return score(one, objective) if one.met else 1e9 * (1 + asked.attainment - reached)

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=1))
    study.optimize(value, n_trials=trials)
    return sorted(found.values(), key=lambda one: _rank(one, objective))
