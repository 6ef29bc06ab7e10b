"""Eviction: 2Q."""

from collections.abc import Callable
from dataclasses import dataclass, field

from kvsim.policies.eviction.fields import within
from kvsim.policies.eviction.ghosts import Ghosts
from kvsim.policies.eviction.order import Order
from kvsim.sim.policy import Eviction, SegmentView, eviction
from kvsim.units import Ns


@eviction.register("2q")
@dataclass(slots=True)
class TwoQ(Eviction):
    """A short FIFO for newcomers and an LRU queue for what came back after leaving that.

    Johnson & Shasha, 2Q: a low overhead high performance buffer management replacement algorithm,
    VLDB 1994, full version: A1in holds the share `inflow` of all tokens, A1out remembers as many
    names as the share `memory` of the segments here; defaults as they recommend. The paper makes
    room before it inserts; here the newcomer is in by then, and is not counted.
    """

    inflow: float = 0.25
    memory: float = 0.5
    _inflow: Order[float] = field(init=False, repr=False, default_factory=Order)
    _main: Order[float] = field(init=False, repr=False, default_factory=Order)
    _left: Ghosts[bool] = field(init=False, repr=False, default_factory=Ghosts)
    _newcomer: SegmentView | None = field(init=False, repr=False, default=None)
    _clock: int = field(init=False, repr=False, default=0)

    def __post_init__(self) -> None:
        within(0, self.inflow, 1, "2q: inflow")
        within(0, self.memory, float("inf"), "2q: memory")

    def touched(self, segment: SegmentView, now: Ns) -> None:
        """Use counts in the main queue only: soon after the first it says little."""
        if segment in self._inflow:
            return
        known = segment in self._main
        if not known:
            self._newcomer = segment
            known = self._left.take(segment) is not None
        self._to_the_end(self._main if known else self._inflow, segment)

    def released(self, segment: SegmentView, now: Ns) -> None:
        """Used until now."""
        if segment in self._main:
            self._to_the_end(self._main, segment)
        else:
            self._inflow.offer(segment)

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """Both are where the segment was."""
        self._inflow.split(segment, head)
        self._main.split(segment, head)

    def removed(self, segment: SegmentView) -> None:
        """Remembered by name if it came in and left unproved."""
        if segment is self._newcomer:
            self._newcomer = None
        if self._inflow.drop(segment):
            self._left.add(segment, True)
        else:
            self._main.drop(segment)
        self._left.trim(self.memory * (len(self._inflow) + len(self._main)))
        self._inflow.offer(segment.parent)
        self._main.offer(segment.parent)

    def victim(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The oldest newcomer if there are too many, else the least recent of the main queue."""
        inflow, whole = self._inflow.tokens, self._inflow.tokens + self._main.tokens
        if self._newcomer is not None:
            whole -= self._newcomer.tokens
            inflow -= self._newcomer.tokens if self._newcomer in self._inflow else 0
        first, second = self._main, self._inflow
        if inflow > self.inflow * whole:
            first, second = second, first
        found = first.first(evictable)
        return second.first(evictable) if found is None else found

    def _to_the_end(self, queue: Order[float], segment: SegmentView) -> None:
        self._clock += 1
        queue.put(segment, self._clock)
