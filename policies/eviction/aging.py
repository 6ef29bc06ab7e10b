"""Segments worth their weight divided by their age. Not a policy itself."""

from collections.abc import Callable
from math import frexp

from kvsim.policies.eviction.order import Order
from kvsim.sim.policy import SegmentView
from kvsim.units import Ns

STEPS = 32
"""Weights are rounded down to 5 bits: whole numbers below 32 are exact, others to 6 %."""


def rounded(weight: float) -> float:
    """`weight`, which is above 0, rounded down to 5 significant bits."""
    mantissa, exponent = frexp(weight)
    return float(int(mantissa * STEPS) * 2.0**exponent / STEPS)


class Aging:
    """Segments by weight / age, lowest first. Exact but for the rounding of weights.

    All change order with time, but those of one weight do not: so there is a queue for each of
    the few weights, and only their heads are compared. O(log n + weights).
    """

    __slots__ = ("_clock", "_heads", "_queues", "_weights")

    def __init__(self) -> None:
        self._queues: dict[float, Order[tuple[float, ...]]] = {}
        self._weights: dict[SegmentView, float] = {}
        self._heads: dict[float, tuple[float, float, SegmentView]] = {}
        """Of queues that have not changed since they were looked at."""
        self._clock = 0

    def __contains__(self, segment: SegmentView) -> bool:
        return segment in self._weights

    def since(self, segment: SegmentView) -> Ns:
        """When it began to age."""
        return int(self._queues[self._weights[segment]].rank(segment)[0])

    def put(self, segment: SegmentView, weight: float, since: Ns) -> None:
        """Give a segment its weight and the instant its age counts from, and offer it."""
        weight = rounded(weight)
        if self._weights.get(segment, weight) != weight:
            self.drop(segment)
        self._weights[segment] = weight
        self._heads.pop(weight, None)
        if weight not in self._queues:
            self._queues[weight] = Order()
        self._clock += 1
        self._queues[weight].put(segment, (since, self._clock))

    def drop(self, segment: SegmentView) -> None:
        """Forget it."""
        weight = self._weights.pop(segment)
        self._heads.pop(weight, None)
        self._queues[weight].drop(segment)
        if not self._queues[weight]:
            del self._queues[weight]

    def offer(self, segment: SegmentView | None) -> None:
        """It may perhaps leave again; nothing happens if it is not here."""
        weight = None if segment is None else self._weights.get(segment)
        if weight is not None:
            self._heads.pop(weight, None)
            self._queues[weight].offer(segment)

    def lowest(self, evictable: Callable[[SegmentView], bool], now: Ns) -> SegmentView | None:
        """The one worth least at `now`; of equals the one that came first."""
        least, found = (0.0, 0.0), None
        heads = self._heads
        for weight, queue in self._queues.items():
            head = heads.get(weight)
            if head is None or not evictable(head[2]):
                segment = queue.first(evictable)
                if segment is None:
                    heads.pop(weight, None)
                    continue
                since, place = queue.rank(segment)
                head = heads[weight] = (since, place, segment)
            worth = weight / (now - head[0] + 1)
            if found is None or worth < least[0] or (worth == least[0] and head[1] < least[1]):
                least, found = (worth, head[1]), head[2]
        return found
