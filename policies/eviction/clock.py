"""Eviction: the clock."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from kvsim.policies.eviction.fields import within
from kvsim.policies.eviction.newcomers import Newcomers
from kvsim.policies.eviction.order import Order
from kvsim.sim.policy import Eviction, SegmentView, eviction
from kvsim.units import Ns


@eviction.register("clock")
@dataclass(slots=True)
class Clock(Eviction):
    """First in, first out, but what was used since the hand last passed is spared once more.

    Second chance: Corbató, A paging experiment with the Multics system, 1968. A hit marks; the
    hand takes marks away and stops at a segment without. `marks` is how many one can collect.
    """

    marks: int = 1
    _order: Order[float] = field(init=False, repr=False, default_factory=Order)
    _newcomers: Newcomers = field(init=False, repr=False, default_factory=Newcomers)
    _marked: dict[SegmentView, int] = field(init=False, repr=False, default_factory=dict)
    _clock: int = field(init=False, repr=False, default=0)

    def __post_init__(self) -> None:
        within(1, self.marks, float("inf"), "clock: marks")

    def touched(self, segment: SegmentView, now: Ns) -> None:
        """A newcomer goes right behind the hand; a hit leaves a mark."""
        if segment in self._marked:
            self._marked[segment] = min(self._marked[segment] + 1, self.marks)
            return
        self._marked[segment] = 0
        self._join(self._newcomers.come(segment))

    def released(self, segment: SegmentView, now: Ns) -> None:
        """It may leave again, from its old place."""
        self._order.offer(segment)

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """Both were inserted and marked together."""
        self._order.split(segment, head)
        self._newcomers.waiting.split(segment, head)
        self._marked[head] = self._marked[segment]

    def removed(self, segment: SegmentView) -> None:
        """Forgotten; the segment before it may now leave."""
        self._order.drop(segment)
        self._newcomers.removed(segment)
        del self._marked[segment]
        self._order.offer(segment.parent)

    def victim(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The first without a mark, as the hand goes round."""
        return self._newcomers.until(lambda: self._turn(evictable), self._join)

    def _turn(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        while (segment := self._order.first(evictable)) is not None and self._marked[segment]:
            self._marked[segment] -= 1
            self._to_the_end(segment)
        return segment

    def _join(self, newcomers: Iterable[SegmentView]) -> None:
        for segment in newcomers:
            self._to_the_end(segment)

    def _to_the_end(self, segment: SegmentView) -> None:
        self._clock += 1
        self._order.put(segment, self._clock)
