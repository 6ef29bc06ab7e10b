"""What has come since room was last made. Not a policy itself."""

from collections.abc import Callable, Iterable, Iterator

from kvsim.policies.eviction.order import Order, anything
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
            yield from self._leave(0)
        self._came += 1
        self.waiting.put(segment, self._came)

    def removed(self, segment: SegmentView) -> None:
        """Room was made; `segment` is gone."""
        self._made_room = True
        self.waiting.drop(segment)

    def until(
        self,
        choose: Callable[[], SegmentView | None],
        join: Callable[[Iterable[SegmentView]], None],
    ) -> SegmentView | None:
        """What `choose` finds; while that is nothing, all but the last `join`, then all."""
        for staying in (1, 0):
            found = choose()
            if found is not None:
                return found
            join(self._leave(staying))
        return choose()

    def _leave(self, staying: int) -> Iterator[SegmentView]:
        while len(self.waiting) > staying:
            segment = self.waiting.first(anything)
            assert segment is not None
            self.waiting.drop(segment)
            yield segment
