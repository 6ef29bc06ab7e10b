"""What has come since room was last made. Not a policy itself."""

from collections.abc import Iterator

from kvsim.policies.eviction.order import Order
from kvsim.sim.policy import SegmentView


class Newcomers:
    """Segments that a hand must not reach before it has gone round once.

    Policies with a hand make room first and insert then. A tier may insert first, all that a
    request brings; so newcomers wait here until there are newer ones, or nothing else may leave.
    """

    __slots__ = ("_came", "_made_room", "waiting")

    def __init__(self) -> None:
        self.waiting: Order[float] = Order()
        """By order of insertion."""
        self._came = 0
        self._made_room = False

    def come(self, segment: SegmentView) -> Iterator[SegmentView]:
        """`segment` is inserted; yields those that are newcomers no longer."""
        if self._made_room:
            self._made_room = False
            yield from self.join(all_of_them=True)
        self._came += 1
        self.waiting.put(segment, self._came)

    def join(self, all_of_them: bool) -> Iterator[SegmentView]:
        """Takes and yields those here, first come, first; or all but the last to come."""
        while len(self.waiting) > (0 if all_of_them else 1):
            segment = self.waiting.first(_anything)
            assert segment is not None
            self.waiting.drop(segment)
            yield segment

    def removed(self, segment: SegmentView) -> None:
        """Room was made; `segment` is gone."""
        self._made_room = True
        self.waiting.drop(segment)


def _anything(segment: SegmentView) -> bool:
    return True
