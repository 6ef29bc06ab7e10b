"""Run a scenario and say what its user would have measured."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import kvsim
from kvsim.calibration import digest
from kvsim.calibration.baked import baked
from kvsim.calibration.table import digested
from kvsim.errors import InputError
from kvsim.hardware import price
from kvsim.scenario.bound import bounds
from kvsim.scenario.build import Machine, build
from kvsim.scenario.choices import oracles
from kvsim.scenario.load import dump
from kvsim.scenario.schema import Scenario
from kvsim.scenario.tiers import tiers, transfers
from kvsim.sim.fairness import fairness
from kvsim.sim.labels import Labels
from kvsim.sim.metrics import Facts, interval, powered, summarize
from kvsim.sim.physics import PhysicsError, check
from kvsim.sim.recorder import Recorder
from kvsim.sim.waste import Grain, waste
from kvsim.units import SECOND, Ns, seconds

HOUR = 3600 * SECOND
INTERRUPTED = "interrupted"
"""What `partial` says of a run that was told to stop."""
Look = Callable[[Ns, Recorder], bool]
"""Hears the simulated time now and then; True stops the run."""


@dataclass(frozen=True)
class Result:
    """A run that is over."""

    machine: Machine
    facts: Facts
    end: Ns
    """The last instant of the run."""
    summary: dict[str, Any]


def run(
    scenario: Scenario,
    *,
    step_by_step: bool = False,
    max_wall: float | None = None,
    look: Look | None = None,
    started: Callable[[Machine], None] | None = None,
) -> Result:
    """Build the scenario's machine, run it, check physics, sum up.

    `look` hears the simulated time now and then and may stop the run; `started` hears the machine.
    """
    machine = build(scenario, step_by_step)
    if started is not None:
        started(machine)
    simulation = machine.simulation
    simulation.run(scenario.measure.end, max_wall, look)
    facts = Facts.of(simulation.recorder)
    check(facts, simulation.recorder, machine.peaks)
    _everything_is_over(machine, facts)
    end = int(facts.spans["end"].max()) if len(facts.spans["end"]) else simulation.env.now
    return Result(machine, facts, end, _summary(machine, facts, end))


def _everything_is_over(machine: Machine, facts: Facts) -> None:
    """A run that was not cut short leaves nobody waiting."""
    if machine.simulation.partial or machine.scenario.measure.end is not None:
        return
    left = int(((facts.status == "waiting") | (facts.status == "running")).sum())
    if left:
        raise PhysicsError(f"{left} requests are not finished, and nothing is left to happen")


def _summary(machine: Machine, facts: Facts, over: Ns) -> dict[str, Any]:
    scenario, simulation = machine.scenario, machine.simulation
    now, start, end = simulation.env.now, scenario.measure.start, scenario.measure.end
    if end is not None:
        now = end = min(end, now) if simulation.partial else end
    summary = summarize(facts, machine.objectives, start, end, now)
    summary["requests"]["rejected_reasons"] = _rejections(simulation.recorder)
    summary["requests"]["dropped"] = getattr(machine.workload, "dropped", 0)
    engines = simulation.cluster.engines
    summary["cache"]["evicted_bytes"] = sum(engine.memory.tree.evicted for engine in engines)
    labels = Labels(simulation.recorder, engines[0].memory.block_tokens)
    summary["cache"]["bound"] = bounds(machine, facts, labels)
    measured = facts.within(start, end)
    _something_was_measured(machine, facts, measured)
    fair = fairness(measured, over)
    shares = powered(facts, len(engines), *interval(measured, start, end))
    return {
        "partial": simulation.partial,
        **summary,
        **({"fairness": fair} if fair is not None else {}),
        **({"oracle": seers} if (seers := oracles(scenario.policies)) else {}),
        "transfers": transfers(machine, facts, over),
        "tiers": tiers(machine, facts, labels, over),
        "gpu": _gpu(machine, facts, summary["duration_s"], shares),
        "memory": _memory(machine, facts, interval(measured, start, end)),
        "cost": _cost(machine, measured, summary["duration_s"], shares),
        "energy": None,
        "confidence": {},
        "simulator": {
            "wall_s": simulation.wall_s,
            "events": simulation.events,
            "steps": int(facts.spans["steps"].sum()),
            "spans": len(facts.spans["steps"]),
        },
        "manifest": {
            "version": kvsim.__version__,
            "scenario_sha256": hashlib.sha256(dump(scenario).encode()).hexdigest(),
            "calibration_sha256": _calibrations(scenario, machine),
            "seed": scenario.seed,
        },
    }


def _calibrations(scenario: Scenario, machine: Machine) -> str | None:
    """A digest of the tables that step times came from."""
    gpus = sorted({part.gpu.name for part in machine.pools})
    chosen = scenario.policies.timing
    if chosen == "silicon" or (isinstance(chosen, dict) and "silicon" in chosen):
        return digested(baked(gpu, scenario.engine) for gpu in gpus)
    return digest(scenario.engine, *gpus)


def _something_was_measured(machine: Machine, facts: Facts, measured: Facts) -> None:
    if len(measured.status) or machine.simulation.partial:
        return
    arrival = facts.requests["arrival"]
    if not len(arrival):
        raise InputError("workload: no request arrives in the whole run.")
    raise InputError(
        "measure: no request arrives from `from` on and before `to`; the first arrives at "
        f"{seconds(arrival.min()):g} s, the last at {seconds(arrival.max()):g} s."
    )


def _rejections(recorder: Recorder) -> dict[str, int]:
    """How many requests were rejected, by the reason without its numbers."""
    told = (re.sub(r"\d+", "N", reason) for reason in recorder.reasons.values())
    return dict(Counter(told))


def _gpu(
    machine: Machine, facts: Facts, duration: float, powered: list[float]
) -> dict[str, float | None]:
    """Shares of the replicas' time in a step, of their peak FLOP/s, of their peak HBM bytes/s.

    Of the time that counts: in which a replica starts, is up or drains.
    """
    spans, peaks, measure = facts.spans, machine.peaks, machine.scenario.measure
    if not duration:
        return {"busy_fraction": None, "mfu": None, "mbu": None}
    last = spans["end"] if measure.end is None else spans["end"].clip(max=measure.end)
    inside = (last - spans["start"].clip(min=measure.start)).clip(min=0)
    share = inside / (spans["end"] - spans["start"]).clip(min=1)
    return {
        "busy_fraction": int(inside.sum()) / SECOND / (duration * sum(powered)),
        "mfu": float((spans["flops"] * share).sum())
        / (duration * sum(peak.flops * on for peak, on in zip(peaks, powered, strict=True))),
        "mbu": float((spans["bytes"] * share).sum())
        / (duration * sum(peak.bandwidth * on for peak, on in zip(peaks, powered, strict=True))),
    }


def _memory(machine: Machine, facts: Facts, measured: tuple[Ns, Ns]) -> dict[str, Any]:
    """KV of the whole cluster; the peak is of the fullest replica."""
    engines = machine.simulation.cluster.engines
    bytes_of = [part.capacity.bytes for part in machine.pools for _ in range(part.pool.replicas)]
    tokens = [(part.capacity.tokens, part.pool.replicas) for part in machine.pools]
    peak = max(
        (int(leased) / bytes_of[replica] if bytes_of[replica] else 0.0
         for replica, leased in _peaks(facts).items()), default=0.0,
    )  # fmt: skip
    return {
        "kv_capacity_bytes": sum(bytes_of),
        "kv_capacity_tokens": sum((each or 0) * count for each, count in tokens) or None,
        "kv_peak_fraction": peak,
        "weights_bytes": machine.pools[0].capacity.weights * machine.pools[0].capacity.gpus,
        "waste": waste(
            facts,
            [Grain.of(one.memory, size) for one, size in zip(engines, bytes_of, strict=True)],
            *measured,
        )
        if machine.scenario.measure.waste
        else None,
    }


def _peaks(facts: Facts) -> dict[int, int]:
    """Most KV bytes that running sequences held, by replica."""
    replica, leased = facts.spans["replica"], facts.spans["kv_leased"]
    return {int(index): int(leased[replica == index].max()) for index in set(replica.tolist())}


def _cost(machine: Machine, facts: Facts, duration: float, powered: list[float]) -> dict[str, Any]:
    """What renting the machine for the measured time costs, at list or overridden prices.

    GPUs of a replica that is off cost nothing; memory and drives of its node do.
    """
    scenario, own = machine.scenario, machine.scenario.prices
    done = facts.status == "finished"
    tokens = int(facts.requests["output_tokens"][done].sum())
    hours = duration * SECOND / HOUR
    listed = price().over(dram=own.dram, ssd=own.ssd, network=own.network)
    tiers, nodes = scenario.cluster.tiers, machine.room.nodes
    dram = nodes * tiers.dram.capacity if tiers.dram else 0
    dram += tiers.remote.capacity if tiers.remote else 0
    ssd = nodes * tiers.ssd.capacity if tiers.ssd else 0
    used = _gpus(machine, powered)
    gpus = _gpu_cost(machine, used, hours)
    by = {
        "gpu": gpus,
        "dram": listed.dram * hours * dram / 2**30,
        "ssd": listed.ssd * hours * ssd / 2**40,
        "network": listed.network * hours * nodes if tiers.remote else 0.0,
    }
    usd = None if gpus is None else sum(part or 0.0 for part in by.values())
    return {
        "gpu_hours": hours * sum(used),
        "usd": usd,
        "usd_by": by,
        "usd_per_million_output_tokens": usd / tokens * 1e6 if usd is not None and tokens else None,
    }


def _gpus(machine: Machine, powered: list[float]) -> list[float]:
    """GPUs of each pool, those of replicas that are off for a part of the time in part."""
    shares = iter(powered)
    return [
        sum(next(shares) for _ in range(part.pool.replicas)) * part.pool.parallel.gpus
        for part in machine.pools
    ]


def _gpu_cost(machine: Machine, used: list[float], hours: float) -> float | None:
    """US dollars for all GPUs; None if one of them has no price."""
    total = 0.0
    for part, gpus in zip(machine.pools, used, strict=True):
        own = machine.scenario.prices.gpu
        each = part.gpu.price if own is None else own
        if each is None:
            return None
        total += gpus * hours * each
    return total
