"""Eviction: retention value."""

from collections.abc import Callable
from dataclasses import dataclass, field

from kvsim.policies.eviction.aging import Aging
from kvsim.policies.eviction.fields import within
from kvsim.sim.policy import Eviction, SegmentView, eviction
from kvsim.units import Ns


@eviction.register("retention")
@dataclass(slots=True)
class Retention(Eviction):
    """What is cheap to compute again, for how long it has been idle, goes first (Pensieve).

    Yu, Lin & Li, Stateful large language model serving with Pensieve, EuroSys 2025: V = cost / idle
    time, and the cost of a token grows with its position: here 1 + depth / `crossover`, rounded to
    6 %. At `crossover` tokens of context, attention takes as long as all else; by FLOPs, 2·weights
    / (4·layers·width), 30 thousand for Llama 3.1 8B. Pensieve drops the head of a conversation and
    computes it again when it comes back; in a prefix tree only tails can leave.
    """

    crossover: int = 30_000
    _order: Aging = field(init=False, repr=False, default_factory=Aging)
    _now: Ns = field(init=False, repr=False, default=0)

    def __post_init__(self) -> None:
        within(1, self.crossover, float("inf"), "retention: crossover")

    def touched(self, segment: SegmentView, now: Ns) -> None:
        """Idle from now on."""
        self._now = now
        self._order.put(segment, self._cost(segment), now)

    def released(self, segment: SegmentView, now: Ns) -> None:
        """Idle from now on."""
        self.touched(segment, now)

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """Both have been idle as long; the tail is deeper than it was."""
        since = self._order.since(segment)
        self._order.put(segment, self._cost(segment), since)
        self._order.put(head, self._cost(head), since)

    def removed(self, segment: SegmentView) -> None:
        """Forgotten; the segment before it may now leave."""
        self._order.drop(segment)
        self._order.offer(segment.parent)

    def victim(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The lowest retention value."""
        return self._order.lowest(evictable, self._now)

    def _cost(self, segment: SegmentView) -> float:
        return 1 + segment.depth / self.crossover
