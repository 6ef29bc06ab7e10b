"""Eviction: by a look at the queue."""

from collections.abc import Callable
from dataclasses import dataclass, field

from kvsim.policies.eviction.order import Order
from kvsim.sim.policy import Eviction, SegmentView, eviction
from kvsim.units import Ns


@eviction.register("look_ahead")
@dataclass(slots=True)
class LookAhead(Eviction):
    """What no waiting request will read goes first, by LRU; then what is read last (queue order).

    Scheduler-aware eviction of Gao et al., Cost-efficient large language model serving for
    multi-turn conversations with CachedAttention, USENIX ATC 2024. Knows of the queue what
    `awaited` tells; where nobody waits, as in a replay without time, it is LRU.
    """

    _order: Order[tuple[float, ...]] = field(init=False, repr=False, default_factory=Order)
    _places: dict[SegmentView, int] = field(init=False, repr=False, default_factory=dict)
    """Place in the queue of the first request that will read it."""
    _clock: int = field(init=False, repr=False, default=0)

    def touched(self, segment: SegmentView, now: Ns) -> None:
        """Most recent of those that nobody awaits, if nobody does."""
        self._clock += 1
        self._rank(segment, self._clock)

    def released(self, segment: SegmentView, now: Ns) -> None:
        """Used until now."""
        self.touched(segment, now)

    def awaited(self, segment: SegmentView, place: int | None) -> None:
        """Keep it for the request at `place`; as recent as it was if there is none any more."""
        if place is None:
            self._places.pop(segment, None)
        else:
            self._places[segment] = place
        self._rank(segment, self._order.rank(segment)[1])

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """Who reads the tail reads the head first."""
        self._order.split(segment, head)
        if segment in self._places:
            self._places[head] = self._places[segment]

    def removed(self, segment: SegmentView) -> None:
        """Forgotten; the segment before it may now leave."""
        self._places.pop(segment, None)
        self._order.drop(segment)
        self._order.offer(segment.parent)

    def victim(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The least recent that nobody awaits, else the one awaited by the last in the queue."""
        return self._order.first(evictable)

    def _rank(self, segment: SegmentView, used: float) -> None:
        """Unawaited before awaited, these from the last of the queue on; then by recency."""
        place = self._places.get(segment)
        self._order.put(segment, (float("-inf") if place is None else -place, used))
