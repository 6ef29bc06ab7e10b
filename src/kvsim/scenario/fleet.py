"""Pools that change their size: how many replicas are built, and what starting one takes."""

from dataclasses import replace
from typing import TYPE_CHECKING

from kvsim.errors import InputError
from kvsim.hardware import drive
from kvsim.scenario.choices import answer
from kvsim.scenario.schema import Pool, Scenario
from kvsim.sim.cluster import Cluster
from kvsim.sim.fleet import Fleet
from kvsim.sim.fleet import Pool as Scaled
from kvsim.units import SECOND, Ns

if TYPE_CHECKING:
    from kvsim.scenario.build import Replica

ENGINE_START: Ns = 58 * SECOND
"""From the start of vLLM v1 to its first answer, the loading of weights apart: 59 s with a cached
compilation, of which 0.9 s load 3.4 GiB from memory (vllm-project/vllm issue 20264, 2025-06)."""


def widened(scenario: Scenario, part: "Replica") -> "Replica":
    """As many replicas as the pool may ever have. Raises InputError for what cannot be."""
    scaled = part.pool.autoscale
    if scaled is None or _is_fixed(scenario):
        return part
    where = f"cluster.pools.{scenario.cluster.pools.index(part.pool)}"
    if not scaled.min <= part.pool.replicas <= scaled.max:
        raise InputError(
            f"{where}.replicas: found {part.pool.replicas}; autoscale has {scaled.min} at least "
            f"and {scaled.max} at most."
        )
    return replace(part, pool=part.pool.model_copy(update={"replicas": scaled.max}))


def scale(scenario: Scenario, parts: "tuple[Replica, ...]", cluster: Cluster) -> None:
    """Let pools change their size. `parts` are as wide as they can be."""
    if _is_fixed(scenario):
        return
    first = answer("scaling", scenario.policies.scaling)
    for field in ("period", "target"):
        if getattr(first, field, 1) <= 0:
            raise InputError(
                f"policies.scaling: {field} is {getattr(first, field)}; it must be above 0."
            )
    if all(pool.autoscale is None for pool in scenario.cluster.pools):
        raise InputError(
            "policies.scaling: no pool may change its size; write "
            "`autoscale: {min: 1, max: 4}` into one of cluster.pools."
        )
    if scenario.events:
        raise InputError("events: replicas of a cluster that scales cannot fail or be slow yet.")
    fleet, engines = Fleet(cluster, first.period), iter(cluster.engines)
    for pool, part in zip(scenario.cluster.pools, parts, strict=True):
        members = [next(engines) for _ in range(part.pool.replicas)]
        if pool.autoscale is None:
            continue
        own = answer("scaling", scenario.policies.scaling)
        fleet.add(Scaled(members, own, pool.autoscale.min, startup(pool, part)), pool.replicas)


def startup(pool: Pool, part: "Replica") -> Ns:
    """From the decision to the first request: as given, or reading weights and starting up."""
    scaled = pool.autoscale
    assert scaled is not None
    if scaled.startup is not None:
        return scaled.startup
    weights = part.capacity.weights * part.capacity.gpus
    speed = drive(scaled.device).read * scaled.drives
    return int(weights / speed * SECOND) + ENGINE_START


def _is_fixed(scenario: Scenario) -> bool:
    return scenario.policies.scaling in ("fixed", {"fixed": None}, {"fixed": {}})
