"""Links and what flows over them. Flows that meet on a link share it max-min fair.

A transfer first waits for the latencies of its path and for a free place on links that take few at
a time; then it flows. Between two events of the fabric every flow has one rate, so progress is
booked at events only. Loads may outrank stores: the lower rank takes what the higher one leaves.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import ceil, inf

from kvsim.sim.clock import LANDED, Alarm, Clock, ring
from kvsim.units import SECOND, Ns

LOAD, STORE = 0, 1
"""Ranks of transfers: somebody waits for a load."""
DUST = 1e-6
"""Bytes: what rounding leaves of a flow that has landed."""


@dataclass(eq=False)
class Link:
    """One direction of a wire, or one side of a drive."""

    name: str
    bandwidth: float
    """Bytes per second."""
    latency: Ns = 0
    places: int | None = None
    """Transfers at a time; None for any number. Others wait, loads and the earlier first."""
    flows: "dict[Flow, None]" = field(default_factory=dict, init=False, repr=False)
    asked: float = field(default_factory=float, init=False, repr=False)
    """Bytes per second that its flows could do if they had it to themselves. No more than its
    bandwidth: it is in nobody's way."""
    on_change: "dict[Callable[[], None], None]" = field(
        default_factory=dict, init=False, repr=False
    )
    """Called when what flows over it has changed: steps may run slower or faster from now on."""
    bytes: int = 0
    """All bytes that have landed over it."""
    busy: Ns = 0
    """Time with at least one flow."""
    delay: Ns = 0
    """Time by which transfers landed later than they would have alone; booked on every link of
    their path."""

    @property
    def is_free(self) -> bool:
        """Whether another flow may begin."""
        return self.places is None or len(self.flows) < self.places


@dataclass(eq=False, slots=True)
class Flow:
    """A transfer of `size` bytes over `path`."""

    path: tuple[Link, ...]
    size: int
    rank: int
    landed: Callable[[], None]
    most: float
    """Bytes per second it does alone."""
    started: Ns
    left: float
    """Bytes that have not landed, as of the fabric's last event."""
    rate: float = 0.0
    """Bytes per second."""
    began: Ns = 0
    """When its first byte flowed."""


def watch(links: Iterable[Link], changed: Callable[[], None]) -> None:
    """Let `changed` be called when what flows over any of `links` has changed."""
    for link in links:
        link.on_change[changed] = None


class Fabric:
    """All links of a machine room."""

    def __init__(self, clock: Clock, links: Iterable[Link] = ()) -> None:
        self.clock = clock
        self.links = {link.name: link for link in links}
        self._flows: dict[Flow, None] = {}
        self._queue: list[Flow] = []
        self._booked: Ns = 0
        """Until when progress is booked."""
        self._alarm: Alarm | None = None
        self._due: Ns | None = None
        """When the alarm fires: the next flow has landed."""

    def send(
        self,
        size: int,
        path: tuple[Link, ...],
        landed: Callable[[], None],
        rank: int = LOAD,
        ceiling: float = inf,
        goes_on: bool = False,
        sent: float = 0.0,
    ) -> Flow:
        """Move `size` bytes over `path`, after its latencies; then call `landed`.

        `goes_on`: it continues a transfer that has just landed, so its first byte is there already.
        `sent`: bytes that have been moved while they were being made.
        """
        now = self.clock.now
        most = min(ceiling, min([link.bandwidth for link in path]))
        flow = Flow(path, size, rank, landed, most, now, size - sent)
        latency = 0 if goes_on else sum(link.latency for link in path)
        if latency:
            ring(self.clock, now + latency, LANDED, lambda: self._enter(flow))
        else:
            self._enter(flow)
        return flow

    def estimate(
        self, size: int, path: tuple[Link, ...], ceiling: float = inf, beside: int = 0
    ) -> Ns:
        """How long a load begun now would take if nothing changed, at a fair share of each link.

        `beside` more loads are taken to share the whole path.
        """
        latency = sum(link.latency for link in path)
        share = min(link.bandwidth / (1 + beside + len(link.flows)) for link in path)
        ahead = sum(flow.left for flow in self._queue if not set(flow.path).isdisjoint(path))
        return latency + ceil((size + ahead) / min(share, ceiling) * SECOND)

    def _enter(self, flow: Flow) -> None:
        """The first byte is there: it flows, or waits for places."""
        self._book()
        self._queue.append(flow)
        self._share(self._admit(), [], {})

    def _admit(self) -> list[Flow]:
        """Let those that wait flow, the higher rank and the earlier first; who does now."""
        admitted: list[Flow] = []
        if not self._queue:
            return admitted
        waiting = []
        for flow in sorted(self._queue, key=lambda flow: flow.rank):
            if all(link.is_free for link in flow.path):
                self._flows[flow] = None
                flow.began = self._booked
                for link in flow.path:
                    link.flows[flow] = None
                    link.asked += flow.most
                admitted.append(flow)
            else:
                waiting.append(flow)
        self._queue = waiting
        return admitted

    def _book(self) -> None:
        """Progress up to now, at the rates that held."""
        now = self.clock.now
        passed = now - self._booked
        self._booked = now
        if not passed or not self._flows:
            return
        for flow in self._flows:
            flow.left -= flow.rate * passed / SECOND
        for link in {link: None for flow in self._flows for link in flow.path}:
            link.busy += passed

    def _share(self, came: list[Flow], freed: list[Link], left: dict[Link, None]) -> None:
        """New rates after flows have come, and some have `left` links of which a few, `freed`,
        were in somebody's way; and an alarm for the first to land."""
        flows = _reached(came, freed)
        before = [flow.rate for flow in flows]
        loads = [flow for flow in flows if flow.rank == LOAD]
        if loads:
            _fill(loads)
        if len(loads) < len(flows):
            _fill([flow for flow in flows if flow.rank == STORE])
        now = self.clock.now
        nearest = min(
            [flow.left / flow.rate for flow in self._flows if flow.rate > 0], default=None
        )
        at = None if nearest is None else max(now, now + ceil(nearest * SECOND - DUST))
        if at != self._due or self._alarm is None:
            if self._alarm is not None:
                self._alarm.callbacks = []
            self._alarm = None if at is None else ring(self.clock, at, LANDED, self._land)
            self._due = at
        for flow, rate in zip(flows, before, strict=True):
            if flow.rate != rate:
                left.update(dict.fromkeys(flow.path))
        for changed in {changed: None for link in left for changed in link.on_change}:
            changed()

    def _land(self) -> None:
        """What has arrived leaves its links; whoever waited for it is told, in order of sending."""
        self._alarm = None
        self._book()
        done = [
            flow for flow in self._flows if flow.left <= max(DUST, flow.rate * HALF_NS / SECOND)
        ]
        now = self.clock.now
        left = {link: None for flow in done for link in flow.path}
        freed = [link for link in left if link.asked > link.bandwidth]
        for flow in done:
            del self._flows[flow]
            alone = ceil(flow.size / flow.most * SECOND)
            expected = sum(link.latency for link in flow.path) + alone
            for link in flow.path:
                del link.flows[flow]
                link.asked = link.asked - flow.most if link.flows else 0.0
                link.bytes += flow.size
                link.delay += max(0, now - flow.started - expected)
        self._share(self._admit(), freed, left)
        for flow in done:
            flow.landed()


HALF_NS = 0.5


def _reached(came: list[Flow], freed: list[Link]) -> list[Flow]:
    """Flows that came and flows over links that were `freed`, those that share a link with them
    which is in somebody's way, and so on: nobody else's rate can depend on them."""
    flows = dict.fromkeys(came)
    reached = dict.fromkeys(freed)
    todo = list(freed)
    fresh = came
    while True:
        for flow in fresh:
            for link in flow.path:
                if link.asked > link.bandwidth and link not in reached:
                    reached[link] = None
                    todo.append(link)
        if not todo:
            return list(flows)
        fresh = [flow for flow in todo.pop().flows if flow not in flows]
        flows.update(dict.fromkeys(fresh))


def _fill(flows: list[Flow]) -> None:
    """Max-min fair rates, given what higher ranks take of the links."""
    room: dict[Link, float] = {}
    wanted: dict[Link, float] = {}
    for flow in flows:
        rate = flow.most
        tight = [link for link in flow.path if link.asked > link.bandwidth]
        for link in tight:
            if link not in room:
                taken = 0.0
                if flow.rank != LOAD:
                    taken = sum([other.rate for other in link.flows if other.rank < flow.rank])
                room[link] = max(0.0, link.bandwidth - taken)
                wanted[link] = 0.0
            rate = min(rate, room[link])
        flow.rate = rate
        for link in tight:
            wanted[link] += rate
    crowded = {link for link, rate in wanted.items() if rate > room[link]}
    if crowded:  # links with room for all that their flows could do elsewhere divide nothing
        _divide([flow for flow in flows if not crowded.isdisjoint(flow.path)], crowded, room)


def _divide(flows: list[Flow], crowded: set[Link], room: dict[Link, float]) -> None:
    """Progressive filling of the `crowded` links; a flow's rate so far is the most it can do."""
    crowd = dict.fromkeys(crowded, 0)
    paths = {flow: [link for link in flow.path if link in crowd] for flow in flows}
    for path in paths.values():
        for link in path:
            crowd[link] += 1
    while paths:
        share = min([room[link] / count for link, count in crowd.items() if count])
        capped = [flow for flow in paths if flow.rate <= share]
        if capped:
            share = min([flow.rate for flow in capped])
            fixed = [flow for flow in capped if flow.rate == share]
        else:
            full = {link for link, count in crowd.items() if count and room[link] / count <= share}
            fixed = [flow for flow, path in paths.items() if not full.isdisjoint(path)]
        for flow in fixed:
            flow.rate = share
            for link in paths.pop(flow):
                room[link] = max(0.0, room[link] - share)
                crowd[link] -= 1
