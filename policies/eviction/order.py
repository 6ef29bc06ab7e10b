"""Segments in order of a rank: the book that most eviction policies keep. Not a policy itself."""

from collections.abc import Callable
from heapq import heapify, heappop, heappush, heapreplace
from typing import Generic, TypeVar

from kvsim.sim.policy import SegmentView

Rank = TypeVar("Rank", float, tuple[float, ...])
SLACK = 64
"""Outdated heap entries that are not worth clearing away."""


class _Place(Generic[Rank]):
    """Where a segment stands: its rank, its size, and which heap entry offers it (0: aside)."""

    __slots__ = ("entry", "rank", "segment", "tokens")

    def __init__(self, segment: SegmentView, rank: Rank) -> None:
        self.entry = 0
        self.rank: Rank = rank
        self.segment = segment
        self.tokens = segment.tokens


class Order(Generic[Rank]):
    """Segments by rank, lowest first; of equal ranks the deeper goes first. Amortised O(log n).

    A heap, put right only where it is looked at: a rank that grows costs O(1) until then. Segments
    that were refused stand aside with their rank until they are offered anew.
    """

    __slots__ = ("_entries", "_heap", "_places", "tokens")

    def __init__(self) -> None:
        self._places: dict[SegmentView, _Place[Rank]] = {}
        self._heap: list[tuple[Rank, int, int, _Place[Rank]]] = []
        self._entries = 0
        self.tokens = 0
        """Their size; exact for what may leave, since only locked segments grow."""

    def __contains__(self, segment: SegmentView) -> bool:
        return segment in self._places

    def __len__(self) -> int:
        return len(self._places)

    def rank(self, segment: SegmentView) -> Rank:
        """The rank it has. Raises KeyError for a segment that is not here."""
        rank: Rank = self._places[segment].rank
        return rank

    def put(self, segment: SegmentView, rank: Rank) -> None:
        """Give a segment its rank, whether it was here or not, and offer it."""
        place = self._places.get(segment)
        if place is None:
            place = self._places[segment] = _Place(segment, rank)
            self.tokens += place.tokens
            self._offer(place)
            return
        lower = rank < place.rank
        place.rank = rank
        if place.tokens != segment.tokens:
            self._measure(place)
        if lower or not place.entry:
            self._offer(place)

    def offer(self, segment: SegmentView | None) -> None:
        """It may perhaps leave again; nothing happens if it is not here."""
        if segment is None or segment not in self._places:
            return
        place = self._places[segment]
        self._measure(place)
        if not place.entry:
            self._offer(place)

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """Put `head` where `segment` is, if that is here: of the same rank, it goes after it."""
        place = self._places.get(segment)
        if place is not None:
            self._measure(place)
            self.put(head, place.rank)

    def drop(self, segment: SegmentView) -> bool:
        """Forget it; returns whether it was here."""
        place = self._places.pop(segment, None)
        if place is None:
            return False
        self.tokens -= place.tokens
        place.entry = 0
        if not self._places:
            self._heap.clear()
        elif self._heap and self._heap[0][3] is place:
            heappop(self._heap)
        return True

    def first(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The lowest of those offered that is `evictable`; the refused stand aside."""
        heap = self._heap
        while heap:
            rank, _, entry, place = heap[0]
            if place.entry != entry:
                heappop(heap)
            elif place.rank != rank:
                heapreplace(heap, self._entry(place))
            elif evictable(segment := place.segment):
                if place.tokens != segment.tokens:
                    self._measure(place)
                return segment
            else:
                heappop(heap)
                place.entry = 0
        return None

    def _entry(self, place: _Place[Rank]) -> tuple[Rank, int, int, _Place[Rank]]:
        self._entries += 1
        place.entry = self._entries
        return place.rank, -place.segment.depth, place.entry, place

    def _offer(self, place: _Place[Rank]) -> None:
        heap = self._heap
        if len(heap) > 2 * len(self._places) + SLACK:
            heap[:] = [entry for entry in heap if entry[3].entry == entry[2]]
            heapify(heap)
        heappush(heap, self._entry(place))

    def _measure(self, place: _Place[Rank]) -> None:
        tokens = place.segment.tokens
        self.tokens += tokens - place.tokens
        place.tokens = tokens


def anything(segment: SegmentView) -> bool:
    """To find the lowest of all that are offered."""
    return True
