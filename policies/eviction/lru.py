"""Eviction: least recently used."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from kvsim.sim.policy import Eviction, SegmentView, eviction
from kvsim.units import Ns


@eviction.register("lru")
@dataclass(slots=True)
class LRU(Eviction):
    """Least recently used goes first. The template: copy this file to write your own.

    Use ends when the last reader lets go, so order is order of release (vLLM's free queue).
    """

    _order: OrderedDict[SegmentView, None] = field(
        init=False, repr=False, default_factory=OrderedDict
    )

    def touched(self, segment: SegmentView, now: Ns) -> None:
        """To the end of the queue."""
        self._order[segment] = None
        self._order.move_to_end(segment)

    def locked(self, segment: SegmentView) -> None:
        """Out of the queue, which then holds only what may go."""
        self._order.pop(segment, None)

    def released(self, segment: SegmentView, now: Ns) -> None:
        """Back, to the end."""
        self._order[segment] = None

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """The head is as recent as the segment it was cut from, and outlives it."""
        if segment in self._order:
            self.touched(head, 0)

    def removed(self, segment: SegmentView) -> None:
        """Forgotten."""
        self._order.pop(segment, None)

    def victim(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The first of the queue that may go."""
        return next(filter(evictable, self._order), None)
