"""A tiny machine for tests: known step times, a handful of requests, answers as plain lists."""

import math
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field

from kvsim.policies.allocation.paged import Paged
from kvsim.policies.eviction.lru import LRU
from kvsim.policies.placement.write_through import WriteThrough
from kvsim.policies.preemption.recompute import Recompute
from kvsim.policies.restore.load import Load
from kvsim.policies.router.round_robin import RoundRobin
from kvsim.policies.scheduler.chunked_prefill import ChunkedPrefill
from kvsim.sim.batch import Windowed
from kvsim.sim.casting import Casting
from kvsim.sim.clock import PLAN, Clock, ring
from kvsim.sim.cluster import Cluster
from kvsim.sim.engine import Engine
from kvsim.sim.fabric import Fabric, Link, watch
from kvsim.sim.fleet import Fleet, Pool
from kvsim.sim.handoff import Handoff, Push
from kvsim.sim.hierarchy import Hierarchy
from kvsim.sim.memory import KVMemory
from kvsim.sim.metrics import Facts
from kvsim.sim.migration import Emigration, Migration
from kvsim.sim.physics import Peak, check
from kvsim.sim.policy import (
    Admission,
    Allocation,
    Eviction,
    Placement,
    Predictor,
    Preemption,
    Prefetch,
    Restore,
    Roles,
    Router,
    Scaling,
    Scheduler,
    Store,
)
from kvsim.sim.recorder import Recorder
from kvsim.sim.returning import Returning
from kvsim.sim.simulation import Simulation
from kvsim.sim.spilling import Spill
from kvsim.sim.swapping import Swap
from kvsim.sim.tier import Reach, Tier
from kvsim.sim.timing import FRACTION, Pace, StepTime, Work
from kvsim.traces.request import Request, Workload
from kvsim.units import MS, Ns, duration

BLOCK = 16
TENSOR = 32 * 2**10
"""Bytes of a token in a tensor: a page of 2 MiB holds 64 tokens."""
FOREVER = 1 << 40
FORMS = {"kv": (BLOCK, 0), "hidden": (0, BLOCK // 2), "both": (BLOCK, BLOCK // 2)}
"""Bytes of a block in a tier: of KV, and of hidden states, which are half as many."""


@dataclass(frozen=True)
class Affine(StepTime):
    """A step takes `base` + `per_token` per computed token + `per_context` per token read, in ns.

    Contexts are read out of every attention class; every `knot` tokens of the first one the slope
    doubles back, so that spans end at knots as they do with measured tables.
    """

    base: Ns = 10 * MS
    per_token: Ns = 0
    per_context: Ns = 0
    knot: int | None = None
    per_projected: Ns = 0
    """Per token whose K and V are made of its hidden states."""

    def pace(self, work: Work) -> Pace:
        """Affine within a knot's interval."""
        computed = work.decodes + sum(chunk.tokens for chunk in work.chunks)
        slope, steps = self.per_context, FOREVER
        read = sum(work.contexts) + sum(chunk.history for chunk in work.chunks)
        if self.knot is not None and work.contexts:
            interval, into = divmod(work.contexts[0], self.knot)
            slope += interval % 3
            if work.growing[0]:
                steps = -((into - self.knot) // work.growing[0])
        projected = sum(chunk.projected for chunk in work.chunks) * self.per_projected
        first = (self.base + computed * self.per_token + read * slope + projected) << FRACTION
        return Pace(first, sum(work.growing) * slope << FRACTION, steps, False)

    def flops(self, work: Work) -> tuple[int, int]:
        """Nobody asks."""
        return 0, 0

    def bytes_moved(self, work: Work) -> tuple[int, int]:
        """Nobody asks."""
        return 0, 0


@dataclass
class Listed(Workload):
    """Requests in a list, and what follows them."""

    requests: list[Request]
    follow: Callable[[Request, Ns], Request | None] = lambda request, finished: None

    def arrivals(self) -> Iterator[Request]:
        """The list, in order of arrival."""
        return iter(sorted(self.requests, key=lambda request: (request.arrival, request.id)))

    def next_turn(self, request: Request, finished: Ns) -> Request | None:
        """As told."""
        return self.follow(request, finished)


@dataclass(frozen=True)
class Below:
    """A tier below HBM, of so many blocks, behind wires of its own; one per replica, or shared.

    `parts`: places that it is spread over, each behind such wires.
    """

    name: str
    blocks: int
    bandwidth: float
    latency: Ns = 0
    shared: bool = False
    backlog: int = 1 << 40
    placement: Placement = field(default_factory=WriteThrough)
    parts: int = 1


@dataclass
class Machine:
    """Replicas with `blocks` blocks of 16 tokens each (a byte a token)."""

    blocks: int = 1000
    replicas: int = 1
    timing: StepTime = Affine()
    scheduler: Scheduler = field(default_factory=ChunkedPrefill)
    router: Router = field(default_factory=RoundRobin)
    windows: tuple[Windowed, ...] = ()
    sights: tuple[int | None, ...] = (None,)
    step_by_step: bool = False
    caching: bool = True
    max_context: int | None = None
    tiers: tuple["Below", ...] = ()
    restore: Restore = field(default_factory=Load)
    layers: int = 1
    """Parts in which loaded KV comes up."""
    window: int = 0
    prefetch: Prefetch | None = None
    """Waiting requests whose KV is brought closer."""
    eviction: type[Eviction] = LRU
    disturbance: float = 0.0
    """Share of the HBM's bandwidth that each transfer on its links takes from a replica."""
    predictor: Callable[[], Predictor] | None = None
    admission: Admission | None = None
    """None: everybody may join the queue."""
    runs_ahead: bool = False
    roles: tuple[str, ...] = ()
    """Of the replicas: prefill and decode; all unified if left out."""
    push: Push = "request"
    wire: float = 1e6
    """Bytes per second out of and into each replica; a token is a byte."""
    wire_latency: Ns = 0
    incidents: tuple[tuple[Ns, int, str], ...] = ()
    """(When, which replica, "fail" or "recover" or "slow")."""
    preemption: Preemption = field(default_factory=Recompute)
    """Those who are swapped move as fast as between replicas."""
    scaling: Callable[[], Scaling] | None = None
    """Of each role; one replica is up at first. None: all are, always."""
    startup: Ns = 0
    allocation: Allocation = field(default_factory=Paged)
    state: int = 0
    """Bytes that recurrent layers keep of a request."""
    casting: Roles | None = None
    """Who changes between prefill and decode."""
    requests: list[Request] = field(default_factory=list)
    follow: Callable[[Request, Ns], Request | None] = lambda request, finished: None

    def send(self, prompt: int, output: int, at: str = "0 ms", **more: object) -> Request:
        """One more request; ids count from 0."""
        request = Request(len(self.requests), duration(at), prompt, output, **more)  # type: ignore[arg-type]
        self.requests.append(request)
        return request

    def build(self) -> Simulation:
        """The machine, ready to run."""
        env, recorder = Clock(), Recorder(follows_tokens=True, follows_claims=True)
        cluster = Cluster(env, Listed(self.requests, self.follow), self.router, recorder)
        self.fabric, self.below = Fabric(env), {}
        for index in range(self.replicas):
            memory = self._memory()
            hierarchy = traffic = None
            if self.tiers and self.caching:
                reaches = tuple(self._reach(index, tier) for tier in self.tiers)
                hierarchy = Hierarchy(
                    self.fabric, memory, self.timing, reaches, self.restore, len(self.sights),
                    recorder, index, self.layers, self.window,
                )  # fmt: skip
                if self.disturbance:
                    wires = [link for reach in reaches for link in (*reach.read, *reach.write)]
                    traffic = self._traffic(wires)
            engine = Engine(
                env, index, memory, self.timing, deepcopy(self.scheduler), self.preemption,
                recorder, self.sights, cluster.follow, cluster.resume, self.max_context,
                self.step_by_step, hierarchy, traffic, self.runs_ahead,
                self.predictor() if self.predictor is not None else None, self.admission,
            )  # fmt: skip
            if traffic is not None:
                watch(wires, engine.disturbed)
            cluster.engines.append(engine)
            cluster.entries.append(engine)
            engine.fresh_memory = self._memory
            engine.on_loss = cluster.lost
        if self.prefetch is not None:
            cluster.returning = Returning(env, deepcopy(self.prefetch))
        if self.roles:
            self._divide(cluster)
        self._shelter(cluster)
        if self.casting is not None and self.roles:
            Casting(cluster, self.casting)
        if self.scaling is not None:
            fleet = Fleet(cluster, self.scaling().period)
            for engines in filter(None, (cluster.entries, cluster.decoders)):
                fleet.add(Pool(list(engines), self.scaling(), 1, self.startup), 1)
        for at, replica, what in self.incidents:
            self._arm(cluster, at, cluster.engines[replica], what)
        return Simulation(env, cluster, recorder)

    def _memory(self) -> KVMemory:
        claim = self.allocation.claim(Store(BLOCK, TENSOR, self.state))
        windows = tuple(
            one._replace(block_bytes=one.block_bytes * claim.block // BLOCK) for one in self.windows
        )
        return KVMemory.claimed(
            self.allocation, claim, self.blocks * BLOCK, claim.block, self.eviction(),
            windows, self.state, self.caching, self.max_context or self.blocks * BLOCK,
        )  # fmt: skip

    def _divide(self, cluster: Cluster) -> None:
        """Some compute prompts, the others decode."""

        handoff = Handoff(self.fabric, self.push, max(1, self.layers), 1, self._between)
        handoff.choose = cluster.decoder
        cluster.handoff = handoff
        cluster.entries.clear()
        for engine, role in zip(cluster.engines, self.roles, strict=True):
            (cluster.decoders if role == "decode" else cluster.entries).append(engine)
            engine.handoff = handoff if role == "prefill" else None

    def _between(self, source: int, target: int) -> tuple[Link, ...]:
        names = (f"out {source}", f"in {target}")
        for name, latency in zip(names, (self.wire_latency, 0), strict=True):
            self.fabric.links.setdefault(name, Link(name, self.wire, latency))
        return tuple(self.fabric.links[name] for name in names)

    def _shelter(self, cluster: Cluster) -> None:
        """Where those who are preempted go."""
        if self.preemption.fate == "migrate":
            cluster.migration = Migration(self.fabric, 1, self._between, cluster.peers)
        for engine in cluster.engines:
            if cluster.migration is not None:
                engine.refuge = Emigration(engine, cluster.migration)
            elif self.preemption.fate == "swap":
                engine.refuge = self._swap(engine, self.preemption.space)
            elif outside := self.allocation.claim(Store(BLOCK, TENSOR, self.state)).outside:
                engine.spill = Spill(engine, self._swap(engine, outside), self.allocation)

    def _swap(self, engine: Engine, space: int) -> Swap:
        up, down = (
            (self.fabric.links.setdefault(name, Link(name, self.wire, self.wire_latency)),)
            for name in (f"swap up {engine.index}", f"swap down {engine.index}")
        )
        return Swap(engine, self.fabric, engine.index, space, down, up)

    def _arm(self, cluster: Cluster, at: Ns, engine: Engine, what: str) -> None:
        does = {
            "fail": engine.fail, "recover": lambda: cluster.recovered(engine),
            "slow": lambda: engine.slow(2.0),
        }  # fmt: skip
        ring(cluster.env, at, PLAN - 1, does[what])

    def _traffic(self, links: list[Link]) -> Callable[[], float]:
        flows = [link.flows for link in dict.fromkeys(links)]
        return lambda: self.disturbance * sum(flow.rate > 0 for one in flows for flow in one)

    def _reach(self, index: int, tier: Below) -> Reach:
        place = 0 if tier.shared else index
        if (tier.name, place) not in self.below:
            kv, hidden = FORMS[self.restore.form]
            kept = Tier(
                tier.name, tier.blocks * BLOCK, BLOCK, kv + hidden, self.eviction(),
                tier.placement, tier.backlog, place, hidden,
            )  # fmt: skip
            wires = [
                Link(f"{tier.name} {place} {way}{part or ''}", tier.bandwidth, tier.latency)
                for part in range(tier.parts)
                for way in ("up", "down")
            ]
            self.fabric.links |= {wire.name: wire for wire in wires}
            self.below[tier.name, place] = (kept, *wires)
        kept, up, down, *more = self.below[tier.name, place]
        parts = zip((up, *more[::2]), (down, *more[1::2]), strict=True)
        stripes = tuple(((come,), (go,)) for come, go in parts) if more else ()
        return Reach(kept, (up,), (down,), math.inf, math.inf, stripes=stripes)

    def run(self) -> "Outcome":
        """Run to the end."""
        simulation = self.build()
        simulation.run()
        for tier, *_ in self.below.values():
            tier.check()
        return Outcome(simulation)


class Outcome:
    """What happened, in milliseconds."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.facts = Facts.of(simulation.recorder)
        peaks = [Peak(math.inf, math.inf)] * len(simulation.cluster.engines)
        check(self.facts, simulation.recorder, peaks)

    def __getitem__(self, column: str) -> list[int]:
        """A column of the requests, in order of id."""
        return [int(value) for value in self.facts.requests[column]]

    def ms(self, column: str) -> list[float]:
        """A column of instants in milliseconds."""
        return [value / MS for value in self[column]]

    @property
    def boundaries(self) -> list[float]:
        """Ends of the spans in milliseconds."""
        return [int(value) / MS for value in self.facts.spans["end"]]

    @property
    def status(self) -> list[str]:
        """What became of each request."""
        return [str(status) for status in self.facts.status]
