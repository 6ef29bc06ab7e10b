"""Eviction: Belady's MIN, the bound."""

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import ClassVar, cast

from kvsim.sim.policy import Eviction, Foretold, SegmentView, eviction
from kvsim.units import Ns


@eviction.register("belady")
@dataclass(slots=True)
class Belady(Eviction):
    """What is used again last goes first, even at once: the optimum (Belady 1966, with bypass).

    Among those never used again the deeper one goes first. It knows the future, which only a
    replay without time can tell it.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"future"})
    _heap: list[tuple[int, int, int, Foretold]] = field(
        init=False, repr=False, default_factory=list
    )
    _held: dict[SegmentView, int] = field(init=False, repr=False, default_factory=dict)
    """The number of each segment's newest entry in the heap; others are stale."""
    _entries: int = field(init=False, repr=False, default=0)

    def touched(self, segment: SegmentView, now: Ns) -> None:
        """Its next use is known anew."""
        known = cast(Foretold, segment)
        self._entries += 1
        self._held[segment] = self._entries
        heappush(self._heap, (-known.next_use, -known.depth, self._entries, known))

    def removed(self, segment: SegmentView) -> None:
        """Forgotten."""
        del self._held[segment]

    def victim(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The one with the farthest next use that may go."""
        heap, aside, found = self._heap, [], None
        while heap:
            entry = heap[0]
            if self._held.get(entry[3]) != entry[2]:
                heappop(heap)
            elif evictable(entry[3]):
                found = entry[3]
                break
            else:
                aside.append(heappop(heap))
        for entry in aside:
            heappush(heap, entry)
        return found
