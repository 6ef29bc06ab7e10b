"""The machine room: which tiers there are, and over which links each replica reaches them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf

from kvsim.errors import InputError
from kvsim.hardware import GPU, drive, host, nic
from kvsim.models import KVLayout
from kvsim.scenario.choices import answer, answer_of_tier
from kvsim.scenario.schema import WIDTHS, Bits, Local, Scenario, Ssd, Tiers, TierSpec
from kvsim.scenario.spread import can_be_spread
from kvsim.sim.clock import Clock
from kvsim.sim.fabric import Fabric, Link
from kvsim.sim.policy import Kept
from kvsim.sim.tier import Reach, Tier
from kvsim.units import SECOND

Path = tuple[Link, ...]


@dataclass(frozen=True)
class Spot:
    """Where a replica stands: its node, and its first GPU there."""

    node: int
    first: int
    gpus: int


class Room:
    """Tiers and links of all nodes. Built once, then asked for each replica's reach."""

    def __init__(
        self,
        clock: Clock,
        scenario: Scenario,
        layout: KVLayout,
        hidden: int,
        form: Kept | None = None,
    ) -> None:
        self.scenario = scenario
        self.fabric = Fabric(clock)
        self.tiers: dict[tuple[str, int], Tier] = {}
        """By name and node; the remote pool's node is 0."""
        block, bits = scenario.cluster.memory.block_tokens, WIDTHS[scenario.precision.kv]
        self._block_bytes = layout.bytes_per_token(bits) * block
        self._hidden_bytes = hidden * block
        """Of a block's hidden states, given those of a token."""
        self._form: Kept = form or answer("restore", scenario.policies.restore).form
        """What tiers keep; as the restore answer wants it if nobody says."""
        self.spots: list[Spot] = []
        """Of all replicas, in their order."""
        self._taken = 0

    def place(self, gpus: int) -> Spot:
        """The next free GPUs: nodes are filled one after the other, no replica straddles two
        unless it is larger than one."""
        size = self.scenario.cluster.node.gpus
        free = size - self._taken % size
        if gpus > free and free < size:
            self._taken += free
        spot = Spot(self._taken // size, self._taken % size, gpus)
        self._taken += gpus
        self.spots.append(spot)
        return spot

    @property
    def nodes(self) -> int:
        """Nodes that hold at least one replica."""
        return -(-self._taken // self.scenario.cluster.node.gpus)

    def reaches(self, spot: Spot, gpu: GPU) -> tuple[Reach, ...]:
        """The tiers that a replica at `spot` can reach, fastest first."""
        specs, node = self.scenario.cluster.tiers, spot.node
        if specs == Tiers():
            return ()
        up, down = self._pcie(spot, gpu, "h2d"), self._pcie(spot, gpu, "d2h")
        found = []
        if specs.dram is not None:
            wires: dict[int, Path] = {at: (self._bus(at),) for at in range(self.nodes)}
            reach = self._local("dram", specs.dram, node, (wires, wires), up, down)
            if self.scenario.cluster.node.interleave:
                reach = self._interleaved(reach, spot)
            found.append(reach)
        if specs.ssd is not None:
            reads: dict[int, Path] = {}
            writes: dict[int, Path] = {}
            for at in range(self.nodes):
                read, write = self._drives(at)
                bus = () if specs.ssd.direct else (self._bus(at),)
                reads[at], writes[at] = (read, *bus), (*bus, write)
            reach = self._local("ssd", specs.ssd, node, (reads, writes), up, down)
            ceilings = self._alone(specs.ssd)
            relay: Path = (self._bus(node), writes[node][-1]) if specs.dram is not None else ()
            found.append(
                reach._replace(read_ceiling=ceilings[0], write_ceiling=ceilings[1], relay=relay)
            )
        if specs.remote is not None:
            tier = self._tier("remote", specs.remote, 0, specs.remote.capacity)
            out, into = self._network(node)
            served, taken = self._servers()
            relay = self._above_remote(node, out, taken)
            found.append(Reach(tier, (served, into, up), (down, out, taken), inf, inf, relay))
        return tuple(found)

    def _local(
        self, name: str, spec: Local, node: int, inside: tuple[dict[int, Path], dict[int, Path]],
        up: Link, down: Link,
    ) -> Reach:  # fmt: skip
        """A tier of the nodes, given the links inside of each from and to its store."""
        reads, writes = inside
        if spec.scope == "node":
            tier = self._tier(name, spec, node, spec.capacity)
            return Reach(tier, (*reads[node], up), (down, *writes[node]), inf, inf)
        tier = self._tier(name, spec, 0, spec.capacity * self.nodes)
        can_be_spread(self.scenario, name)
        stripes: list[tuple[Path, Path]] = []
        for at in range(self.nodes):
            come: Path = ()
            go: Path = ()
            if at != node:
                come = self._port(at, "out", spec.link), self._port(node, "in", spec.link)
                go = self._port(node, "out", spec.link), self._port(at, "in", spec.link)
            stripes.append(((*reads[at], *come, up), (down, *go, *writes[at])))
        read, write = stripes[node - 1]  # where there are others, of one of them: the longest
        return Reach(tier, read, write, inf, inf, stripes=tuple(stripes))

    def _interleaved(self, reach: Reach, spot: Spot) -> Reach:
        """DRAM whose blocks lie on all sockets: those of others go over the link between them."""
        node = self.scenario.cluster.node
        here = host(node.host)
        if here.between is None:
            raise InputError(
                f"cluster.node.interleave: nobody says how fast the sockets of {here.name} are "
                "connected; add `between` in a file of your own, or leave it out."
            )
        if reach.stripes:
            raise InputError(
                "cluster.node.interleave: not together with cluster.tiers.dram.scope cluster; "
                "leave one of them out."
            )
        own = spot.first * here.numa // node.gpus
        stripes = []
        for socket in range(here.numa):
            come: Path = ()
            go: Path = ()
            if socket != own:
                come = (self._link(f"socket {spot.node}.{socket}-{own}", here.between),)
                go = (self._link(f"socket {spot.node}.{own}-{socket}", here.between),)
            up, down = reach.read[-1], reach.write[0]
            stripes.append(((*reach.read[:-1], *come, up), (down, *go, *reach.write[1:])))
        return reach._replace(stripes=tuple(stripes))

    def _above_remote(self, node: int, *wires: Link) -> Path:
        """From the node's lowest tier to the pool; nothing if the node has none."""
        specs = self.scenario.cluster.tiers
        if specs.ssd is not None:
            return (self._drives(node)[0], self._bus(node), *wires)
        return (self._bus(node), *wires) if specs.dram is not None else ()

    def to_host(self, spot: Spot, gpu: GPU) -> tuple[Path, Path]:
        """From a replica's HBM to the DRAM of its node, and back."""
        up, down, bus = (
            *(self._pcie(spot, gpu, way) for way in ("h2d", "d2h")),
            self._bus(spot.node),
        )
        return (down, bus), (bus, up)

    def traffic(self, links: Iterable[Link], bandwidth: float) -> Callable[[], float]:
        """Share of a replica's HBM `bandwidth` that transfers over its `links` take when asked."""
        share = self.scenario.cluster.node.interference / bandwidth
        wires = dict.fromkeys(links)

        def taken() -> float:
            total = 0.0
            for link in wires:
                if link.flows:
                    total += sum([flow.rate for flow in link.flows])
            return share * total

        return taken

    def _tier(self, name: str, spec: TierSpec, node: int, capacity: int) -> Tier:
        if (name, node) not in self.tiers:
            policies, memory = self.scenario.policies, self.scenario.cluster.memory
            kv, hidden = self._forms(spec.precision)
            block = kv + hidden
            if spec.capacity < block:
                raise InputError(
                    f"cluster.tiers.{name}.capacity: {spec.capacity} bytes do not hold a block of "
                    f"{memory.block_tokens} tokens, {block} bytes."
                )
            self.tiers[name, node] = Tier(
                name,
                capacity,
                memory.block_tokens,
                block,
                answer_of_tier("eviction", policies.eviction, name, "lru"),
                answer_of_tier("placement", policies.placement, name, "write_through"),
                spec.backlog,
                node,
                hidden,
            )
        return self.tiers[name, node]

    def _forms(self, precision: Bits | None) -> tuple[int, int]:
        """Bytes of a block in a tier: KV, at the tier's own precision, and hidden states."""
        own = self.scenario.precision.kv
        kv = self._block_bytes * WIDTHS[precision or own] // WIDTHS[own]
        return (
            0 if self._form == "hidden" else kv,
            0 if self._form == "kv" else self._hidden_bytes,
        )

    def _link(self, name: str, bandwidth: float, latency: int = 0) -> Link:
        if name not in self.fabric.links:
            self.fabric.links[name] = Link(name, bandwidth, latency)
        return self.fabric.links[name]

    def _pcie(self, spot: Spot, gpu: GPU, direction: str) -> Link:
        """All the links of a replica to its host as one, or the one it shares with its neighbours.

        KV is spread over the replica's GPUs, and each moves its part.
        """
        shared = self.scenario.cluster.node.gpus_per_uplink
        first = spot.first // shared
        count = -(-(spot.first + spot.gpus) // shared) - first
        name = f"{direction} {spot.node}.{first}"
        return self._link(name, gpu.host.payload * count, gpu.host.latency)

    def _bus(self, node: int) -> Link:
        """The DRAM's channels: reads and writes share them."""
        return self._link(f"dram {node}", host(self.scenario.cluster.node.host).bandwidth)

    def _drives(self, node: int) -> tuple[Link, Link]:
        """Reading and writing: bandwidth of all drives, as far as operations per second allow."""
        spec = self.scenario.cluster.tiers.ssd
        assert spec is not None
        one, piece = drive(spec.device), self._piece(spec)
        read = min(one.read, one.read_iops * piece) * spec.drives
        write = min(one.write, one.write_iops * piece) * spec.drives
        return (
            self._link(f"ssd-read {node}", read, one.read_latency),
            self._link(f"ssd-write {node}", write, one.write_latency),
        )

    def _piece(self, spec: Ssd) -> int:
        """Bytes of one read or write."""
        kv, hidden = self._forms(spec.precision)
        return (kv or hidden) * spec.chunk_tokens // self.scenario.cluster.memory.block_tokens

    def _alone(self, spec: Ssd) -> tuple[float, float]:
        """Bytes per second that one transfer reads and writes alone, by Little's law: what it has
        in flight over how long one piece takes, which is its latency and its bytes."""
        one, depth, piece = drive(spec.device), spec.queue_depth, self._piece(spec)
        reading = depth / one.reads(depth) + piece / one.read
        writing = one.write_latency / SECOND + piece / one.write
        return depth * piece / reading * spec.drives, depth * piece / writing * spec.drives

    def _network(self, node: int) -> tuple[Link, Link]:
        """A node's port: out and in."""
        spec = self.scenario.cluster.tiers.remote
        assert spec is not None
        return self._port(node, "out", spec.link), self._port(node, "in", spec.link)

    def _port(self, node: int, way: str, name: str) -> Link:
        """One direction of a node's port."""
        port = nic(name).link
        return self._link(f"net-{way} {node}", port.payload, port.latency)

    def _servers(self) -> tuple[Link, Link]:
        """The pool's own ports: reading from it and writing to it."""
        spec = self.scenario.cluster.tiers.remote
        assert spec is not None
        speed = nic(spec.link).link.payload * spec.servers
        return self._link("remote-read", speed), self._link("remote-write", speed)
