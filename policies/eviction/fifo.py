"""Eviction: first in, first out."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from kvsim.sim.policy import Eviction, SegmentView, eviction
from kvsim.units import Ns


@eviction.register("fifo")
@dataclass(slots=True)
class FIFO(Eviction):
    """What came first goes first, used or not."""

    _order: OrderedDict[SegmentView, None] = field(
        init=False, repr=False, default_factory=OrderedDict
    )

    def touched(self, segment: SegmentView, now: Ns) -> None:
        """Keeps its place."""
        self._order.setdefault(segment, None)

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """The head takes its segment's place; the rest follows right behind the others.

        Exact order would need a list of all; the rest leaves first anyway, being the deeper one.
        """
        if segment in self._order:
            self._order[head] = None
            self._order.move_to_end(head, last=False)

    def removed(self, segment: SegmentView) -> None:
        """Forgotten."""
        self._order.pop(segment, None)

    def victim(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The first of the queue that may go."""
        return next(filter(evictable, self._order), None)
