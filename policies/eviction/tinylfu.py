"""Eviction: W-TinyLFU."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from kvsim.policies.eviction.fields import within
from kvsim.policies.eviction.ghosts import name
from kvsim.policies.eviction.order import Order, anything
from kvsim.policies.eviction.uses import RecentUses
from kvsim.sim.policy import Eviction, SegmentView, eviction
from kvsim.units import Ns


@eviction.register("tinylfu")
@dataclass(slots=True)
class TinyLFU(Eviction):
    """Newcomers pass through a small LRU window and then must beat, in uses, whom they displace.

    Einziger, Friedman & Manes, TinyLFU: a highly efficient cache admission policy, ACM ToS 2017,
    as W-TinyLFU: window of the share `window` of all tokens, the rest a segmented LRU with
    `protected` of it protected. Every use is counted, exactly; libCacheSim counts insertions,
    contests and hits in the main part, in a Bloom filter, and not hits in the window.
    """

    window: float = 0.01
    protected: float = 0.8
    _window: Order[float] = field(init=False, repr=False, default_factory=Order)
    _probation: Order[float] = field(init=False, repr=False, default_factory=Order)
    _protected: Order[float] = field(init=False, repr=False, default_factory=Order)
    _queues: tuple[Order[float], ...] = field(init=False, repr=False)
    """The three, in the order in which they pay."""
    _uses: RecentUses = field(init=False, repr=False, default_factory=RecentUses)
    _contenders: OrderedDict[SegmentView, None] = field(
        init=False, repr=False, default_factory=OrderedDict
    )
    """Out of the window since the last newcomers came, and not yet compared with anybody."""
    _came: Ns = field(init=False, repr=False, default=0)
    _named: SegmentView | None = field(init=False, repr=False, default=None)
    """The victim; None once it has left or been used."""
    _clock: int = field(init=False, repr=False, default=0)

    def __post_init__(self) -> None:
        within(0, self.window, 1, "tinylfu: window")
        within(0, self.protected, 1, "tinylfu: protected")
        self._queues = (self._probation, self._protected, self._window)

    def touched(self, segment: SegmentView, now: Ns) -> None:
        """One use more. A newcomer may push another out of the window, into the contest."""
        if segment is self._named:
            self._named = None
        self._contenders.pop(segment, None)
        if self._probation.drop(segment) or segment in self._protected:
            self._to_the_end(self._protected, segment)
            self._shift(self._protected, self.protected, self._probation.tokens)
        else:
            if now != self._came and segment not in self._window:
                self._came = now
                self._contenders.clear()
            self._to_the_end(self._window, segment)
            self._shift(self._window, self.window, self._probation.tokens + self._protected.tokens)
        self._uses.count(name(segment), sum(map(len, self._queues)))

    def released(self, segment: SegmentView, now: Ns) -> None:
        """Used until now; no hit."""
        for queue in self._queues:
            if segment in queue:
                self._to_the_end(queue, segment)

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """Both are where the segment was; its recent uses are the head's, which has its name."""
        for queue in self._queues:
            queue.split(segment, head)

    def removed(self, segment: SegmentView) -> None:
        """Only its uses are remembered."""
        if segment is self._named:
            self._named = None
        self._contenders.pop(segment, None)
        for queue in self._queues:
            queue.drop(segment)
            queue.offer(segment.parent)

    def victim(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The least recent of the main part, or the next contender if that has fewer uses."""
        if self._named is not None and evictable(self._named):
            return self._named
        firsts = (queue.first(evictable) for queue in self._queues)
        found = next((first for first in firsts if first is not None), None)
        self._named = found if found is None else self._contest(found, evictable)
        return self._named

    def _contest(
        self, incumbent: SegmentView, evictable: Callable[[SegmentView], bool]
    ) -> SegmentView:
        contender = next(iter(self._contenders), incumbent)
        if not evictable(contender):
            return incumbent
        self._contenders.pop(contender, None)
        more = self._uses[name(contender)] > self._uses[name(incumbent)]
        return incumbent if more else contender

    def _shift(self, queue: Order[float], share: float, others: int) -> None:
        """What is too much for `queue` goes on probation."""
        while len(queue) > 1 and queue.tokens > share * (queue.tokens + others):
            oldest = queue.first(anything)
            if oldest is None:
                break
            queue.drop(oldest)
            others += oldest.tokens
            self._to_the_end(self._probation, oldest)
            if queue is self._window:
                self._contenders[oldest] = None

    def _to_the_end(self, queue: Order[float], segment: SegmentView) -> None:
        self._clock += 1
        queue.put(segment, self._clock)
