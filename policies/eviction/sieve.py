"""Eviction: SIEVE."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from kvsim.policies.eviction.newcomers import Newcomers
from kvsim.policies.eviction.order import Order, anything
from kvsim.sim.policy import Eviction, SegmentView, eviction
from kvsim.units import Ns


@eviction.register("sieve")
@dataclass(slots=True)
class SIEVE(Eviction):
    """A hand goes from old to new over a queue that never moves, and takes what was not used.

    Zhang et al., SIEVE is simpler than LRU, NSDI 2024. Where the clock moves what it spares to the
    end, SIEVE leaves it; newcomers go to the end, ahead of the hand.
    """

    _ahead: Order[float] = field(init=False, repr=False, default_factory=Order)
    """By order of insertion, what the hand has yet to reach."""
    _passed: Order[float] = field(init=False, repr=False, default_factory=Order)
    _newcomers: Newcomers = field(init=False, repr=False, default_factory=Newcomers)
    _hand: float = field(init=False, repr=False, default=0.0)
    _visited: dict[SegmentView, bool] = field(init=False, repr=False, default_factory=dict)
    """Of each segment, whether it was used since the hand passed."""
    _clock: int = field(init=False, repr=False, default=0)

    def touched(self, segment: SegmentView, now: Ns) -> None:
        """A hit is noted and moves nothing."""
        if segment in self._visited:
            self._visited[segment] = True
            return
        self._visited[segment] = False
        self._join(self._newcomers.come(segment))

    def released(self, segment: SegmentView, now: Ns) -> None:
        """It may leave again, from its old place."""
        self._offer(segment)

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """Both came and were used together."""
        self._ahead.split(segment, head)
        self._passed.split(segment, head)
        self._newcomers.waiting.split(segment, head)
        self._visited[head] = self._visited[segment]

    def removed(self, segment: SegmentView) -> None:
        """Forgotten; the segment before it may now leave. Behind the last the hand starts anew."""
        self._ahead.drop(segment)
        self._passed.drop(segment)
        if self._ahead.first(anything) is None:
            self._start_again()
        self._newcomers.removed(segment)
        del self._visited[segment]
        if segment.parent is not None:
            self._offer(segment.parent)

    def victim(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The next without a visit; at the end the hand starts again with the oldest."""
        return self._newcomers.until(lambda: self._turn(evictable), self._join)

    def _turn(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        before = self._ahead, self._passed, self._hand
        for _ in range(3):  # to the end, over those it has just spared, and over these once more
            while (segment := self._ahead.first(evictable)) is not None:
                self._hand = self._ahead.rank(segment)
                if not self._visited[segment]:
                    return segment
                self._visited[segment] = False
                self._ahead.drop(segment)
                self._passed.put(segment, self._hand)
            self._start_again()
        self._ahead, self._passed, self._hand = before  # it met nobody, so it has not moved
        return None

    def _start_again(self) -> None:
        self._ahead, self._passed = self._passed, self._ahead
        self._hand = 0.0

    def _join(self, newcomers: Iterable[SegmentView]) -> None:
        for segment in newcomers:
            self._clock += 1
            self._ahead.put(segment, self._clock)

    def _offer(self, segment: SegmentView) -> None:
        """Where it is; what could not leave when the hand went by was passed by it."""
        if segment in self._ahead and self._ahead.rank(segment) < self._hand:
            rank = self._ahead.rank(segment)
            self._ahead.drop(segment)
            self._passed.put(segment, rank)
        self._ahead.offer(segment)
        self._passed.offer(segment)
