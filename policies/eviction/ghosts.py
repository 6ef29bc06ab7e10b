"""What has left lately, by name: the memory of policies that learn from regret. Not a policy."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from kvsim.sim.policy import SegmentView

Note = TypeVar("Note")


def name(segment: SegmentView) -> Hashable:
    """The same for the same content when it comes back, as another object."""
    return segment.key, segment.depth


class Ghosts(Generic[Note]):
    """Names of segments that have left, the oldest first, each with a note. O(1) a call."""

    __slots__ = ("_notes",)

    def __init__(self) -> None:
        self._notes: OrderedDict[Hashable, Note] = OrderedDict()

    def __len__(self) -> int:
        return len(self._notes)

    def add(self, segment: SegmentView, note: Note) -> None:
        """It has just left."""
        self._notes.pop(name(segment), None)
        self._notes[name(segment)] = note

    def take(self, segment: SegmentView) -> Note | None:
        """Its note if it is here, and it is here no longer."""
        return self._notes.pop(name(segment), None)

    def trim(self, limit: float) -> None:
        """Forget the oldest until no more than `limit` are left."""
        while len(self._notes) > max(limit, 0):
            self._notes.popitem(last=False)
