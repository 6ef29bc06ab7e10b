"""Eviction: least frequently used."""

from collections.abc import Callable
from dataclasses import dataclass, field

from kvsim.policies.eviction.order import Order
from kvsim.sim.policy import Eviction, SegmentView, eviction
from kvsim.units import Ns


@eviction.register("lfu")
@dataclass(slots=True)
class LFU(Eviction):
    """Least frequently used goes first; of equals, the least recently used.

    Uses are counted while a segment is here and forgotten when it leaves ("in-cache LFU"). Where a
    newcomer may leave at once, as in a replay without time, it does if all others were used twice.
    """

    _order: Order[tuple[float, ...]] = field(init=False, repr=False, default_factory=Order)
    _clock: int = field(init=False, repr=False, default=0)

    def touched(self, segment: SegmentView, now: Ns) -> None:
        """One use more."""
        uses = self._order.rank(segment)[0] if segment in self._order else 0
        self._clock += 1
        self._order.put(segment, (uses + 1, self._clock))

    def released(self, segment: SegmentView, now: Ns) -> None:
        """In use until now, but no oftener."""
        self._clock += 1
        self._order.put(segment, (self._order.rank(segment)[0], self._clock))

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """Both were used as often."""
        self._order.split(segment, head)

    def removed(self, segment: SegmentView) -> None:
        """Forgotten, with its count; the segment before it may now leave."""
        self._order.drop(segment)
        self._order.offer(segment.parent)

    def victim(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The least used."""
        return self._order.first(evictable)
