"""Segments in order of a rank: the book that most eviction policies keep. Not a policy itself."""

from collections.abc import Callable
from heapq import heapify, heappop, heappush, heapreplace

from kvsim.sim.policy import SegmentView

Rank = tuple[float, ...]
SLACK = 64
"""Outdated heap entries that are not worth clearing away."""


class _Place:
    """Where a segment stands: its rank, the rank it is offered at (None: aside), its size."""

    __slots__ = ("offered", "rank", "tokens")

    def __init__(self, rank: Rank, tokens: int) -> None:
        self.offered: Rank | None = None
        self.rank = rank
        self.tokens = tokens


class Order:
    """Segments by rank, lowest first; of equal ranks the deeper goes first. Amortised O(log n).

    A heap, put right only where it is looked at: a rank that grows costs O(1) until then. Segments
    that were refused stand aside with their rank until they are offered anew.
    """

    __slots__ = ("_heap", "_places", "_pushes", "tokens")

    def __init__(self) -> None:
        self._places: dict[SegmentView, _Place] = {}
        self._heap: list[tuple[Rank, int, int, SegmentView]] = []
        self._pushes = 0
        self.tokens = 0
        """Their size; exact for what may leave, since only locked segments grow."""

    def __contains__(self, segment: SegmentView) -> bool:
        return segment in self._places

    def __len__(self) -> int:
        return len(self._places)

    def rank(self, segment: SegmentView) -> Rank:
        """The rank it has. Raises KeyError for a segment that is not here."""
        return self._places[segment].rank

    def put(self, segment: SegmentView, rank: Rank) -> None:
        """Give a segment its rank, whether it was here or not, and offer it."""
        place = self._places.get(segment)
        if place is None:
            tokens = segment.tokens
            place = self._places[segment] = _Place(rank, tokens)
            self.tokens += tokens
            self._push(segment, place)
            return
        place.rank = rank
        self._measure(segment, place)
        if place.offered is None or rank < place.offered:
            self._push(segment, place)

    def offer(self, segment: SegmentView | None) -> None:
        """It may perhaps leave again; nothing happens if it is not here."""
        place = self._places.get(segment) if segment is not None else None
        if segment is None or place is None:
            return
        self._measure(segment, place)
        if place.offered is None:
            self._push(segment, place)

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """Put `head` where `segment` is, if that is here: of the same rank, it goes after it."""
        place = self._places.get(segment)
        if place is not None:
            self._measure(segment, place)
            self.put(head, place.rank)

    def drop(self, segment: SegmentView) -> bool:
        """Forget it; returns whether it was here."""
        place = self._places.pop(segment, None)
        if place is None:
            return False
        self.tokens -= place.tokens
        heap = self._heap
        if heap[0][3] is segment:
            heappop(heap)
        elif len(heap) > 2 * len(self._places) + SLACK:
            self._clear_away()
        if not self._places:
            heap.clear()
        return True

    def first(self, evictable: Callable[..., bool]) -> SegmentView | None:
        """The lowest of those offered that is `evictable`; the refused stand aside."""
        heap, places = self._heap, self._places
        while heap:
            rank, _, _, segment = heap[0]
            place = places.get(segment)
            if place is None or place.offered != rank:
                heappop(heap)
            elif place.rank != rank:
                place.offered = place.rank
                heapreplace(heap, self._entry(segment, place.rank))
            elif evictable(segment):
                self._measure(segment, place)
                return segment
            else:
                heappop(heap)
                place.offered = None
        return None

    def _entry(self, segment: SegmentView, rank: Rank) -> tuple[Rank, int, int, SegmentView]:
        self._pushes += 1
        return rank, -segment.depth, self._pushes, segment

    def _push(self, segment: SegmentView, place: _Place) -> None:
        place.offered = place.rank
        heappush(self._heap, self._entry(segment, place.rank))
        if len(self._heap) > 2 * len(self._places) + SLACK:
            self._clear_away()

    def _measure(self, segment: SegmentView, place: _Place) -> None:
        tokens = segment.tokens
        if tokens != place.tokens:
            self.tokens += tokens - place.tokens
            place.tokens = tokens

    def _clear_away(self) -> None:
        offered = [(s, p) for s, p in self._places.items() if p.offered is not None]
        self._heap = [self._entry(segment, place.rank) for segment, place in offered]
        for _, place in offered:
            place.offered = place.rank
        heapify(self._heap)
