"""Eviction: learning cache replacement."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import exp

from kvsim.policies.eviction.chance import Stream
from kvsim.policies.eviction.fields import within
from kvsim.policies.eviction.ghosts import Ghosts
from kvsim.policies.eviction.order import Order
from kvsim.sim.policy import Eviction, SegmentView, eviction
from kvsim.units import Ns

FORGIVEN = 0.005
"""What is left of a regret after as many uses as there are segments (Vietri et al., section 4)."""
LEAST_ODDS = 0.01
"""Neither is ever ruled out (recalled from the authors' program)."""


@eviction.register("lecar")
@dataclass(slots=True)
class LeCaR(Eviction):
    """Draws between LRU and LFU, with odds that move away from whom a miss is blamed on.

    Vietri et al., Driving cache replacement with ML-based LeCaR, HotStorage 2018; the learning
    rate is theirs. Each expert's regrets are as many as the segments here, and what returns has
    the uses it had; in libCacheSim they are half as many, and it starts again with one use.
    """

    learning_rate: float = 0.45
    seed: int = 0
    _recency: Order[float] = field(init=False, repr=False, default_factory=Order)
    _frequency: Order[tuple[float, ...]] = field(init=False, repr=False, default_factory=Order)
    _left: tuple[Ghosts[tuple[float, int]], ...] = field(init=False, repr=False)
    """Uses and time of leaving of what LRU alone, and what LFU alone, has sent away."""
    _odds: float = field(init=False, repr=False, default=0.5)
    """Probability that LRU decides."""
    _named: SegmentView | None = field(init=False, repr=False, default=None)
    """The victim drawn last; None once it has left or been used."""
    _blamed: int | None = field(init=False, repr=False, default=None)
    """Whose choice that was: 0 LRU, 1 LFU; None if both agreed."""
    _random: Stream = field(init=False, repr=False)
    _clock: int = field(init=False, repr=False, default=0)

    def __post_init__(self) -> None:
        within(0, self.learning_rate, float("inf"), "lecar: learning_rate")
        within(0, self.seed, float("inf"), "lecar: seed")
        self._left = (Ghosts(), Ghosts())
        self._random = Stream(self.seed, "lecar")

    def touched(self, segment: SegmentView, now: Ns) -> None:
        """One use more. A newcomer who left lately had been misjudged."""
        if segment is self._named:
            self._named = None
        if segment in self._recency:
            uses = self._frequency.rank(segment)[0]
        else:
            uses = self._regret(segment)
        self._used(segment, uses + 1)

    def released(self, segment: SegmentView, now: Ns) -> None:
        """Used until now, but no oftener."""
        self._used(segment, self._frequency.rank(segment)[0])

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """Both were used together."""
        self._recency.split(segment, head)
        self._frequency.split(segment, head)

    def removed(self, segment: SegmentView) -> None:
        """Remembered, unless both would have sent it away."""
        if segment is self._named:
            self._named = None
            if self._blamed is not None:
                note = (self._frequency.rank(segment)[0], self._clock)
                self._left[self._blamed].add(segment, note)
        for order in (self._recency, self._frequency):
            order.drop(segment)
            order.offer(segment.parent)
        for ghosts in self._left:
            ghosts.trim(len(self._recency))

    def victim(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """Drawn once, and kept to until it leaves or is used."""
        if self._named is not None and evictable(self._named):
            return self._named
        lru, lfu = self._recency.first(evictable), self._frequency.first(evictable)
        self._named, self._blamed = lru, None
        if lru is not lfu:
            self._blamed = 0 if self._random.random() < self._odds else 1
            self._named = (lru, lfu)[self._blamed]
        return self._named

    def _used(self, segment: SegmentView, uses: float) -> None:
        self._clock += 1
        self._recency.put(segment, self._clock)
        self._frequency.put(segment, (uses, self._clock))

    def _regret(self, segment: SegmentView) -> float:
        """Move the odds away from whoever sent `segment` away; returns the uses it had then."""
        weights = [self._odds, 1 - self._odds]
        uses = 0.0
        for expert, ghosts in enumerate(self._left):
            note = ghosts.take(segment)
            if note is not None:
                uses, left = note
                age = (self._clock - left) / max(len(self._recency), 1)
                weights[1 - expert] *= exp(self.learning_rate * FORGIVEN**age)
        self._odds = min(max(weights[0] / sum(weights), LEAST_ODDS), 1 - LEAST_ODDS)
        return uses
