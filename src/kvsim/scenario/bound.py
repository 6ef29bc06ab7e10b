"""How far a run's eviction was from the best: per tier, on the look-ups that the run made."""

from typing import Any

from kvsim.scenario.build import Machine
from kvsim.scenario.choices import answer_of_tier, name_of, spec_of_tier
from kvsim.sim.bound import asked
from kvsim.sim.labels import Labels
from kvsim.sim.metrics import Facts
from kvsim.sim.recorder import TIERS


def bounds(machine: Machine, facts: Facts, labels: Labels) -> dict[str, dict[str, Any]]:
    """Per tier with look-ups: shares of the tokens that it was asked for, and what they mean.

    `hit_rate` is what the tier's own policy finds when the look-ups are replayed without time,
    `optimum` what MIN finds, `run` what requests got of the tier in the run itself. A tier below
    is asked for what those above do not have. See `kvsim.sim.bound` for what this bounds.
    """
    measure, eviction = machine.scenario.measure, machine.scenario.policies.eviction
    measured = facts.within(measure.start, measure.end).requests
    block = labels.block_tokens
    found: dict[str, dict[str, Any]] = {}
    for rank, place, blocks in _caches(machine):
        name = TIERS[rank]
        tier = asked(facts, labels, rank, place, measured["id"])
        if not tier.tokens:
            continue
        part = found.setdefault(
            name,
            {"policy": name_of(spec_of_tier(eviction, name, "lru")), "capacity_tokens": 0,
             "asked_tokens": 0, "hit_rate": 0, "optimum": 0, "run": 0},
        )  # fmt: skip
        part["capacity_tokens"] += blocks * block
        part["asked_tokens"] += tier.tokens
        part["hit_rate"] += tier.replay(answer_of_tier("eviction", eviction, name, "lru"), blocks)
        part["optimum"] += tier.optimum(blocks)
    for name, part in found.items():
        part["run"] = int(measured[f"hit_{name}"].sum())
        for share in ("hit_rate", "optimum", "run"):
            part[share] /= part["asked_tokens"]
    return found


def _caches(machine: Machine) -> list[tuple[int, int, int]]:
    """Every tier: its place among tiers, its replica or node, and blocks that fit into it."""
    memories = [engine.memory for engine in machine.simulation.cluster.engines]
    caches = [
        (0, index, memory.capacity // memory.block_bytes)
        for index, memory in enumerate(memories)
        if memory.caching and memory.block_bytes
    ]
    tiers = machine.room.tiers.values()
    return caches + [
        (tier.rank, tier.place, tier.capacity // tier.tree.block_bytes) for tier in tiers
    ]
