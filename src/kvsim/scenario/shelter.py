"""Where those who are preempted go: the host's memory, or another replica."""

from typing import TYPE_CHECKING

from kvsim.errors import InputError
from kvsim.hardware import host
from kvsim.models import Model
from kvsim.scenario.disaggregate import Wires
from kvsim.scenario.room import Room
from kvsim.scenario.schema import WIDTHS, Scenario
from kvsim.sim.cluster import Cluster
from kvsim.sim.fabric import watch
from kvsim.sim.migration import Emigration, Migration
from kvsim.sim.swapping import Swap

if TYPE_CHECKING:
    from kvsim.scenario.build import Replica


def shelter(
    scenario: Scenario, kind: Model, pools: "tuple[Replica, ...]", cluster: Cluster, room: Room
) -> None:
    """Give every replica its refuge. Raises InputError for what the scenario has no place for."""
    fate = cluster.engines[0].preemption.fate
    if fate == "swap":
        _swap(scenario, pools, cluster, room)
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


def _swap(
    scenario: Scenario, pools: "tuple[Replica, ...]", cluster: Cluster, room: Room
) -> None:  # fmt: skip
    parts = [part for part in pools for _ in range(part.pool.replicas)]
    taken: dict[int, int] = {}
    for engine, part, spot in zip(cluster.engines, parts, room.spots, strict=True):
        space = engine.preemption.space * spot.gpus
        taken[spot.node] = taken.get(spot.node, 0) + space
        out, back = room.to_host(spot, part.gpu)
        engine.refuge = Swap(engine, room.fabric, spot.node, space, out, back)
        if engine.traffic is None:
            wires = out[0], back[-1]
            engine.traffic = room.traffic(wires, part.timing.bandwidth)
            watch(wires, engine.disturbed)
    _fits(scenario, max(taken.values()))


def _fits(scenario: Scenario, swap: int) -> None:
    """The host's memory holds what is swapped and the DRAM tier."""
    node = scenario.cluster.node.host
    dram = scenario.cluster.tiers.dram
    kept, there = dram.capacity if dram is not None else 0, host(node).memory
    if swap + kept > there:
        raise InputError(
            f"policies.preemption: swap needs {swap} bytes of a node's memory beside {kept} of its "
            f"DRAM tier; host {node} has {there}."
        )
