"""Eviction: greedy-dual size frequency."""

from collections.abc import Callable
from dataclasses import dataclass, field

from kvsim.policies.eviction.order import Order
from kvsim.sim.policy import Eviction, SegmentView, eviction
from kvsim.units import Ns


@eviction.register("gdsf")
@dataclass(slots=True)
class GDSF(Eviction):
    """Fewest uses per token goes first, and what has not been used for long ages.

    Cherkasova, Improving WWW proxies performance with greedy-dual-size-frequency caching policy, HP
    Labs 1998, with cost 1: priority = age + uses / tokens at each use, where age is the priority
    of what left last.
    """

    _order: Order[tuple[float, ...]] = field(init=False, repr=False, default_factory=Order)
    _uses: dict[SegmentView, int] = field(init=False, repr=False, default_factory=dict)
    _age: float = field(init=False, repr=False, default=0.0)
    _named: SegmentView | None = field(init=False, repr=False, default=None)
    _clock: int = field(init=False, repr=False, default=0)

    def touched(self, segment: SegmentView, now: Ns) -> None:
        """One use more, at today's age."""
        self._uses[segment] = self._uses.get(segment, 0) + 1
        self._rank(segment)

    def released(self, segment: SegmentView, now: Ns) -> None:
        """Used until now, and perhaps grown since it was touched."""
        self._rank(segment)

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """Both were used as often; their priority stays what it was."""
        self._order.split(segment, head)
        self._uses[head] = self._uses[segment]

    def removed(self, segment: SegmentView) -> None:
        """Time has moved on to its priority, if that is why it leaves."""
        if segment is self._named:
            self._age = max(self._age, self._order.rank(segment)[0])
            self._named = None
        del self._uses[segment]
        self._order.drop(segment)
        self._order.offer(segment.parent)

    def victim(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The lowest priority."""
        self._named = self._order.first(evictable)
        return self._named

    def _rank(self, segment: SegmentView) -> None:
        self._clock += 1
        priority = self._age + self._uses[segment] / max(segment.tokens, 1)
        self._order.put(segment, (priority, self._clock))
