"""Where those who are preempted go: the host's memory, or another replica."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kvsim.errors import InputError
from kvsim.hardware import host
from kvsim.models import Model
from kvsim.models.layout import GROWING
from kvsim.scenario.allocating import allocation, claimed
from kvsim.scenario.disaggregate import Wires
from kvsim.scenario.room import Room
from kvsim.scenario.schema import WIDTHS, Scenario
from kvsim.sim.cluster import Cluster
from kvsim.sim.engine import Engine
from kvsim.sim.fabric import watch
from kvsim.sim.migration import Emigration, Migration
from kvsim.sim.spilling import Spill
from kvsim.sim.swapping import Swap

if TYPE_CHECKING:
    from kvsim.scenario.build import Replica


def shelter(
    scenario: Scenario, kind: Model, pools: "tuple[Replica, ...]", cluster: Cluster, room: Room
) -> None:
    """Give every replica its refuge. Raises InputError for what the scenario has no place for."""
    fate = cluster.engines[0].preemption.fate
    outside = [claimed(scenario, kind, part.pool).outside for part in pools]
    if fate == "swap":
        spaces = [cluster.engines[0].preemption.space * part.pool.parallel.gpus for part in pools]
        for engine, swap in _swaps(
            scenario, kind, pools, cluster, room, spaces, "preemption: swap"
        ):
            engine.refuge = swap
    elif any(outside):
        for engine, swap in _swaps(scenario, kind, pools, cluster, room, outside, "allocation"):
            engine.spill = Spill(engine, swap, allocation(scenario))
    elif fate == "migrate":
        if kind.layout.state_bytes(16):
            raise InputError(
                f"policies.preemption: {kind.name} has recurrent layers, whose state does not "
                "migrate; use recompute or swap."
            )
        wires = Wires(scenario, pools, room).between
        token = kind.layout.bytes_per_token(WIDTHS[scenario.precision.kv])
        cluster.migration = Migration(room.fabric, token, wires, cluster.peers)
        for engine in cluster.engines:
            engine.refuge = Emigration(engine, cluster.migration)


def _swaps(
    scenario: Scenario, kind: Model, pools: "tuple[Replica, ...]", cluster: Cluster, room: Room,
    spaces: list[int], asking: str,
) -> Iterator[tuple[Engine, Swap]]:  # fmt: skip
    """Each replica's part of its host's memory, of so many bytes by pool, and its way there."""
    tensors = sum(
        bool(layer.key_width) + bool(layer.value_width)
        for layer in kind.layers
        if layer.kind in GROWING
    )
    parts = [
        (part, space)
        for part, space in zip(pools, spaces, strict=True)
        for _ in range(part.pool.replicas)
    ]
    taken: dict[int, int] = {}
    for engine, (part, space), spot in zip(cluster.engines, parts, room.spots, strict=True):
        taken[spot.node] = taken.get(spot.node, 0) + space
        out, back = room.to_host(spot, part.gpu)
        if engine.traffic is None:
            wires = out[0], back[-1]
            engine.traffic = room.traffic(wires, part.timing.bandwidth)
            watch(wires, engine.disturbed)
        yield engine, Swap(engine, room.fabric, spot.node, space, out, back, tensors)
    _fits(scenario, max(taken.values()), asking)


def _fits(scenario: Scenario, wanted: int, asking: str) -> None:
    """The host's memory holds what is asked for and the DRAM tier."""
    node = scenario.cluster.node.host
    dram = scenario.cluster.tiers.dram
    kept, there = dram.capacity if dram is not None else 0, host(node).memory
    if wanted + kept > there:
        raise InputError(
            f"policies.{asking} needs {wanted} bytes of a node's memory beside {kept} of its DRAM "
            f"tier; host {node} has {there}."
        )
