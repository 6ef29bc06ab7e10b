"""Eviction: least frequently used."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from kvsim.policies.eviction.newcomers import Newcomers
from kvsim.policies.eviction.order import Order
from kvsim.sim.policy import Eviction, SegmentView, eviction
from kvsim.units import Ns


@eviction.register("lfu")
@dataclass(slots=True)
class LFU(Eviction):
    """Least frequently used goes first; of equals, the least recently used.

    Uses are counted while a segment is here and forgotten when it leaves ("in-cache LFU"). What
    has come since room was last made is spared: else, among well used ones, none could ever stay.
    """

    _order: Order[tuple[float, ...]] = field(init=False, repr=False, default_factory=Order)
    _newcomers: Newcomers = field(init=False, repr=False, default_factory=Newcomers)
    _ranks: dict[SegmentView, tuple[float, float]] = field(
        init=False, repr=False, default_factory=dict
    )
    """Uses and last use of newcomers."""
    _clock: int = field(init=False, repr=False, default=0)

    def touched(self, segment: SegmentView, now: Ns) -> None:
        """One use more."""
        self._clock += 1
        if segment in self._order:
            self._order.put(segment, (self._order.rank(segment)[0] + 1, self._clock))
            return
        if segment not in self._ranks:
            self._join(self._newcomers.come(segment))
        self._ranks[segment] = (self._ranks.get(segment, (0, 0))[0] + 1, self._clock)

    def released(self, segment: SegmentView, now: Ns) -> None:
        """In use until now, but no oftener."""
        self._clock += 1
        held = self._ranks.pop(segment, None)
        uses = self._order.rank(segment)[0] if held is None else held[0]
        self._newcomers.waiting.drop(segment)
        self._order.put(segment, (uses, self._clock))

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """Both were used as often."""
        self._order.split(segment, head)
        self._newcomers.waiting.split(segment, head)
        if segment in self._ranks:
            self._ranks[head] = self._ranks[segment]

    def removed(self, segment: SegmentView) -> None:
        """Forgotten, with its count; the segment before it may now leave."""
        self._order.drop(segment)
        self._newcomers.removed(segment)
        self._ranks.pop(segment, None)
        self._order.offer(segment.parent)

    def victim(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The least used."""
        return self._newcomers.until(lambda: self._order.first(evictable), self._join)

    def _join(self, newcomers: Iterable[SegmentView]) -> None:
        for segment in newcomers:
            self._order.put(segment, self._ranks.pop(segment))
