"""Eviction: hyperbolic caching."""

from collections.abc import Callable
from dataclasses import dataclass, field

from kvsim.policies.eviction.aging import Aging
from kvsim.sim.policy import Eviction, SegmentView, eviction
from kvsim.units import Ns


@eviction.register("hyperbolic")
@dataclass(slots=True)
class Hyperbolic(Eviction):
    """Fewest uses per unit of time since its insertion goes first.

    Blankstein, Sen & Freedman, Hyperbolic caching: flexible caching for web applications, USENIX
    ATC 2017. They draw a sample and evict its lowest; here the lowest of all goes, with counts
    above 32 rounded to 6 %. The time is that of the last use or release of anything.
    """

    _order: Aging = field(init=False, repr=False, default_factory=Aging)
    _uses: dict[SegmentView, int] = field(init=False, repr=False, default_factory=dict)
    _now: Ns = field(init=False, repr=False, default=0)

    def touched(self, segment: SegmentView, now: Ns) -> None:
        """One use more; it ages from its insertion on."""
        self._now = now
        since = self._order.since(segment) if segment in self._order else now
        self._uses[segment] = self._uses.get(segment, 0) + 1
        self._order.put(segment, self._uses[segment], since)

    def released(self, segment: SegmentView, now: Ns) -> None:
        """It may leave again; no use."""
        self._now = now
        self._order.offer(segment)

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """Both came and were used together."""
        self._uses[head] = self._uses[segment]
        self._order.put(head, self._uses[head], self._order.since(segment))

    def removed(self, segment: SegmentView) -> None:
        """Forgotten; the segment before it may now leave."""
        del self._uses[segment]
        self._order.drop(segment)
        self._order.offer(segment.parent)

    def victim(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The one used least often in its time."""
        return self._order.lowest(evictable, self._now)
