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

    Being released counts as use, as in vLLM (v1, `FreeKVCacheBlockQueue`): a sequence's blocks
    are released last to first and so leave last to first.
    """

    _order: OrderedDict[SegmentView, None] = field(
        init=False, repr=False, default_factory=OrderedDict
    )

    def touched(self, segment: SegmentView, now: Ns) -> None:
        """To the end of the line."""
        self._order[segment] = None
        self._order.move_to_end(segment)

    def locked(self, segment: SegmentView) -> None:
        """Out of the line, so that a victim is found at its head."""
        self._order.pop(segment, None)

    def released(self, segment: SegmentView, now: Ns) -> None:
        """Used until now."""
        self.touched(segment, now)

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """Whoever splits a segment is about to read its head."""
        if segment in self._order:
            self._order[head] = None

    def removed(self, segment: SegmentView) -> None:
        """Forgotten."""
        self._order.pop(segment, None)

    def victim(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The head of the line; those before it that cannot leave are few."""
        return next(filter(evictable, self._order), None)
