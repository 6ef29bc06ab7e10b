"""Eviction: SIEVE."""

from collections.abc import Callable
from dataclasses import dataclass, field

from kvsim.policies.eviction.order import Order
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
    _hand: float = field(init=False, repr=False, default=0.0)
    _visited: set[SegmentView] = field(init=False, repr=False, default_factory=set)
    _clock: int = field(init=False, repr=False, default=0)

    def touched(self, segment: SegmentView, now: Ns) -> None:
        """A hit is noted and moves nothing."""
        if segment in self._ahead or segment in self._passed:
            self._visited.add(segment)
        else:
            self._clock += 1
            self._ahead.put(segment, self._clock)

    def released(self, segment: SegmentView, now: Ns) -> None:
        """It may leave again, from its old place."""
        self._offer(segment)

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """Both came and were used together."""
        self._ahead.split(segment, head)
        self._passed.split(segment, head)
        if segment in self._visited:
            self._visited.add(head)

    def removed(self, segment: SegmentView) -> None:
        """Forgotten; the segment before it may now leave."""
        self._ahead.drop(segment)
        self._passed.drop(segment)
        self._visited.discard(segment)
        if segment.parent is not None:
            self._offer(segment.parent)

    def victim(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The next without a visit; at the end the hand starts again with the oldest."""
        for _ in range(3):  # to the end, over those it has just spared, and over these once more
            segment = self._ahead.first(evictable)
            while segment is not None:
                self._hand = self._ahead.rank(segment)
                if segment not in self._visited:
                    return segment
                self._visited.remove(segment)
                self._ahead.drop(segment)
                self._passed.put(segment, self._hand)
                segment = self._ahead.first(evictable)
            self._ahead, self._passed = self._passed, self._ahead
            self._hand = 0.0
        return None

    def _offer(self, segment: SegmentView) -> None:
        """Where it is; what could not leave when the hand went by was passed by it."""
        if segment in self._ahead and self._ahead.rank(segment) < self._hand:
            rank = self._ahead.rank(segment)
            self._ahead.drop(segment)
            self._passed.put(segment, rank)
        self._ahead.offer(segment)
        self._passed.offer(segment)
