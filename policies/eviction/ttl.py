"""Eviction: time to live."""

from collections.abc import Callable
from dataclasses import dataclass, field

from kvsim.policies.eviction.fields import within
from kvsim.policies.eviction.order import Order
from kvsim.sim.policy import Eviction, SegmentView, eviction
from kvsim.units import SECOND, Ns


@eviction.register("ttl")
@dataclass(slots=True)
class TTL(Eviction):
    """What was inserted longer than `ttl` ago goes first, the oldest before others; then LRU.

    The lifetime of caches whose content goes out of date. (One that every hit renews would give
    the order of LRU.) The time is that of the last use or release of anything; nothing leaves
    before room is needed. The default is the shortest lifetime that providers of prompt caching
    advertise, 5 minutes (recalled).
    """

    ttl: int = 300 * SECOND
    _age: Order[float] = field(init=False, repr=False, default_factory=Order)
    """By instant of insertion."""
    _recency: Order[float] = field(init=False, repr=False, default_factory=Order)
    _now: Ns = field(init=False, repr=False, default=0)
    _clock: int = field(init=False, repr=False, default=0)

    def __post_init__(self) -> None:
        within(0, self.ttl, float("inf"), "ttl: ttl")

    def touched(self, segment: SegmentView, now: Ns) -> None:
        """Younger for LRU only."""
        if segment not in self._age:
            self._age.put(segment, now)
        self._use(segment, now)

    def released(self, segment: SegmentView, now: Ns) -> None:
        """Used until now."""
        self._age.offer(segment)
        self._use(segment, now)

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """Both were inserted and used together."""
        self._age.split(segment, head)
        self._recency.split(segment, head)

    def removed(self, segment: SegmentView) -> None:
        """Forgotten; the segment before it may now leave."""
        for order in (self._age, self._recency):
            order.drop(segment)
            order.offer(segment.parent)

    def victim(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The oldest if its time is over, else the least recently used."""
        oldest = self._age.first(evictable)
        if oldest is not None and self._age.rank(oldest) + self.ttl < self._now:
            return oldest
        return self._recency.first(evictable)

    def _use(self, segment: SegmentView, now: Ns) -> None:
        self._now = now
        self._clock += 1
        self._recency.put(segment, self._clock)
