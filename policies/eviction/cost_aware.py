"""Eviction: by what it costs to compute again."""

from collections.abc import Callable
from dataclasses import dataclass, field

from kvsim.policies.eviction.fields import within
from kvsim.policies.eviction.order import Order
from kvsim.sim.policy import Eviction, SegmentView, eviction
from kvsim.units import Ns


@eviction.register("cost_aware")
@dataclass(slots=True)
class CostAware(Eviction):
    """What takes least time to compute again, per byte, goes first; what is not used ages.

    GreedyDual-Size of Cao & Irani, Cost-aware WWW proxy caching algorithms, USITS 1997: priority =
    age + cost / size at each use, where age is the priority of what left last. A token costs 1 +
    context / `crossover`: at `crossover` tokens of context, attention takes as long as all else; by
    FLOPs, 2·weights / (4·layers·width), 30 thousand for Llama 3.1 8B.
    """

    crossover: int = 30_000
    _order: Order[tuple[float, ...]] = field(init=False, repr=False, default_factory=Order)
    _age: float = field(init=False, repr=False, default=0.0)
    _named: SegmentView | None = field(init=False, repr=False, default=None)
    _clock: int = field(init=False, repr=False, default=0)

    def __post_init__(self) -> None:
        within(1, self.crossover, float("inf"), "cost_aware: crossover")

    def touched(self, segment: SegmentView, now: Ns) -> None:
        """Its cost counts from today's age on."""
        self._clock += 1
        context = segment.depth + segment.tokens / 2
        self._order.put(segment, (self._age + 1 + context / self.crossover, self._clock))

    def released(self, segment: SegmentView, now: Ns) -> None:
        """Used until now, and perhaps grown since it was touched."""
        self.touched(segment, now)

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """Both keep the priority they had together."""
        self._order.split(segment, head)

    def removed(self, segment: SegmentView) -> None:
        """Time has moved on to its priority, if that is why it leaves."""
        if segment is self._named:
            self._age = max(self._age, self._order.rank(segment)[0])
            self._named = None
        self._order.drop(segment)
        self._order.offer(segment.parent)

    def victim(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The lowest priority."""
        self._named = self._order.first(evictable)
        return self._named
