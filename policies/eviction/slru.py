"""Eviction: segmented LRU."""

from collections.abc import Callable
from dataclasses import dataclass, field

from kvsim.policies.eviction.fields import within
from kvsim.policies.eviction.order import Order
from kvsim.sim.policy import Eviction, SegmentView, eviction
from kvsim.units import Ns


@eviction.register("slru")
@dataclass(slots=True)
class SLRU(Eviction):
    """Two LRU queues: newcomers are on probation, a hit protects; probation pays first.

    Karedla, Love & Wherry, Caching strategies to improve disk system performance, IEEE Computer
    1994. When room is wanted and more than the share `protected` of all tokens is protected, the
    least recent of these go back on probation. libCacheSim instead demotes at the hit, and while
    its protected queue has room and probation has none, it protects newcomers too: more misses.
    """

    protected: float = 0.8
    _probation: Order[float] = field(init=False, repr=False, default_factory=Order)
    _protected: Order[float] = field(init=False, repr=False, default_factory=Order)
    _clock: int = field(init=False, repr=False, default=0)

    def __post_init__(self) -> None:
        within(0, self.protected, 1, "slru: protected")

    def touched(self, segment: SegmentView, now: Ns) -> None:
        """A newcomer goes on probation, the rest is protected from now on."""
        known = self._probation.drop(segment) or segment in self._protected
        self._to_the_end(self._protected if known else self._probation, segment)

    def released(self, segment: SegmentView, now: Ns) -> None:
        """Used until now; no hit."""
        known = segment in self._protected
        self._to_the_end(self._protected if known else self._probation, segment)

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """Both are where the segment was."""
        self._probation.split(segment, head)
        self._protected.split(segment, head)

    def removed(self, segment: SegmentView) -> None:
        """Forgotten; the segment before it may now leave."""
        for queue in (self._probation, self._protected):
            queue.drop(segment)
            queue.offer(segment.parent)

    def victim(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The least recent on probation, else of the protected."""
        limit = self.protected * (self._probation.tokens + self._protected.tokens)
        while self._protected.tokens > limit:
            demoted = self._protected.first(evictable)
            if demoted is None:
                break
            self._protected.drop(demoted)
            self._to_the_end(self._probation, demoted)
        found = self._probation.first(evictable)
        return self._protected.first(evictable) if found is None else found

    def _to_the_end(self, queue: Order[float], segment: SegmentView) -> None:
        self._clock += 1
        queue.put(segment, self._clock)
