"""Pools that divide the work: who computes prompts, who decodes, and the wires between them."""

from typing import TYPE_CHECKING

from kvsim.errors import InputError
from kvsim.hardware import nic
from kvsim.models import Model
from kvsim.scenario.choices import answer
from kvsim.scenario.room import Room
from kvsim.scenario.schema import WIDTHS, Scenario
from kvsim.sim.casting import Casting
from kvsim.sim.cluster import Cluster
from kvsim.sim.fabric import Link
from kvsim.sim.handoff import Handoff

if TYPE_CHECKING:
    from kvsim.scenario.build import Replica


def disaggregate(
    scenario: Scenario, kind: Model, pools: "tuple[Replica, ...]", cluster: Cluster, room: Room
) -> None:
    """Tell the cluster who does what. Raises InputError for roles that cannot work together."""
    roles = [part.pool.role for part in pools for _ in range(part.pool.replicas)]
    if ("prefill" in roles) != ("decode" in roles):
        missing = "decode" if "prefill" in roles else "prefill"
        raise InputError(f"cluster.pools: there is no pool with role {missing}; both are needed.")
    cluster.entries = [one for one, role in zip(cluster.engines, roles, strict=True)
                       if role != "decode"]  # fmt: skip
    policy = answer("roles", scenario.policies.roles)
    if "decode" not in roles:
        if policy.period:
            raise InputError("policies.roles: no pool has role prefill or decode.")
        return
    if kind.layout.state_bytes(16):
        raise InputError(f"cluster.pools: {kind.name} has recurrent layers; use unified pools.")
    cluster.decoders = [one for one, role in zip(cluster.engines, roles, strict=True)
                        if role == "decode"]  # fmt: skip
    wires = Wires(scenario, pools, room)
    token = kind.layout.bytes_per_token(WIDTHS[scenario.precision.kv])
    handoff = Handoff(
        room.fabric, scenario.cluster.transfer, len(kind.layers), token, wires.between
    )
    handoff.choose = cluster.decoder
    cluster.handoff = handoff
    for engine, role in zip(cluster.engines, roles, strict=True):
        if role == "prefill":
            engine.handoff = handoff
    if policy.period:
        if any(pool.autoscale is not None for pool in scenario.cluster.pools):
            raise InputError("policies.roles: pools with autoscale cannot change roles yet.")
        Casting(cluster, policy)


class Wires:
    """Paths between replicas: NVLink or PCIe inside a node, network ports between nodes.

    KV is spread over the GPUs of a replica and each moves its part, so a replica's wires add up.
    """

    def __init__(self, scenario: Scenario, pools: "tuple[Replica, ...]", room: Room) -> None:
        self.fabric = room.fabric
        self.spots = room.spots
        self.gpus = [part.gpu for part in pools for _ in range(part.pool.replicas)]
        self.port = nic(scenario.cluster.network).link

    def between(self, source: int, target: int) -> tuple[Link, ...]:
        """From one replica's HBM to the other's."""
        inside = self.spots[source].node == self.spots[target].node
        return (self._wire(source, "out", inside), self._wire(target, "in", inside))

    def _wire(self, replica: int, way: str, inside: bool) -> Link:
        name = f"{'peer' if inside else 'net'}-{way} replica {replica}"
        if name not in self.fabric.links:
            gpu = self.gpus[replica]
            one = (gpu.peer or gpu.host) if inside else self.port
            latency = one.latency if way == "out" else 0
            speed = one.payload * self.spots[replica].gpus
            self.fabric.links[name] = Link(name, speed, latency)
        return self.fabric.links[name]
