"""Eviction: first in, first out."""

from collections.abc import Callable
from dataclasses import dataclass, field

from kvsim.policies.eviction.order import Order
from kvsim.sim.policy import Eviction, SegmentView, eviction
from kvsim.units import Ns


@eviction.register("fifo")
@dataclass(slots=True)
class FIFO(Eviction):
    """First in, first out: what was inserted first goes first, however often it was used."""

    _order: Order[float] = field(init=False, repr=False, default_factory=Order)
    _clock: int = field(init=False, repr=False, default=0)

    def touched(self, segment: SegmentView, now: Ns) -> None:
        """Only the first time matters."""
        if segment not in self._order:
            self._clock += 1
            self._order.put(segment, self._clock)

    def released(self, segment: SegmentView, now: Ns) -> None:
        """It may leave again, from its old place."""
        self._order.offer(segment)

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """Both came at the same time."""
        self._order.split(segment, head)

    def removed(self, segment: SegmentView) -> None:
        """Forgotten; the segment before it may now leave."""
        self._order.drop(segment)
        self._order.offer(segment.parent)

    def victim(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The oldest."""
        return self._order.first(evictable)
