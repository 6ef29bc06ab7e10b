"""Eviction: least frequently used."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush

from kvsim.sim.policy import Eviction, SegmentView, eviction
from kvsim.units import Ns

Queue = OrderedDict[SegmentView, None]


@eviction.register("lfu")
@dataclass(slots=True)
class LFU(Eviction):
    """Fewest uses goes first; the least recent among equals. Counts live as long as the segment."""

    _uses: dict[SegmentView, int] = field(init=False, repr=False, default_factory=dict)
    _queues: dict[int, Queue] = field(init=False, repr=False, default_factory=dict)
    """By number of uses, the least recent first. Empty ones are dropped."""
    _counts: list[int] = field(init=False, repr=False, default_factory=list)
    """Heap of the keys of `_queues`, with some that have gone."""

    def touched(self, segment: SegmentView, now: Ns) -> None:
        """One use more."""
        uses = self._uses.get(segment, 0)
        if uses:
            self._leave(segment, uses)
        self._uses[segment] = uses + 1
        self._enter(segment, uses + 1)

    def locked(self, segment: SegmentView) -> None:
        """Out of its queue; the count stays."""
        self._leave(segment, self._uses[segment])

    def released(self, segment: SegmentView, now: Ns) -> None:
        """Back into the queue of its count, the most recent there."""
        self._enter(segment, self._uses[segment])

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """Both parts were used as often."""
        uses = self._uses[head] = self._uses[segment]
        if segment in self._queues.get(uses, ()):
            self._enter(head, uses)

    def removed(self, segment: SegmentView) -> None:
        """Forgotten, count and all."""
        self._leave(segment, self._uses.pop(segment))

    def victim(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The least recent of the least used that may go."""
        counts = self._counts
        while counts and counts[0] not in self._queues:
            heappop(counts)
        for uses in counts[:1] if self._may_go(counts, evictable) else sorted(set(counts)):
            found = next(filter(evictable, self._queues.get(uses, ())), None)
            if found is not None:
                return found
        return None

    def _may_go(self, counts: list[int], evictable: Callable[[SegmentView], bool]) -> bool:
        return bool(counts) and any(map(evictable, self._queues[counts[0]]))

    def _enter(self, segment: SegmentView, uses: int) -> None:
        queue = self._queues.get(uses)
        if queue is None:
            queue = self._queues[uses] = OrderedDict()
            heappush(self._counts, uses)
        queue[segment] = None

    def _leave(self, segment: SegmentView, uses: int) -> None:
        queue = self._queues.get(uses)
        if queue is not None and segment in queue:
            del queue[segment]
            if not queue:
                del self._queues[uses]
