"""Eviction: three static FIFO queues."""

from collections.abc import Callable
from dataclasses import dataclass, field

from kvsim.policies.eviction.fields import within
from kvsim.policies.eviction.ghosts import Ghosts
from kvsim.policies.eviction.order import Order
from kvsim.sim.policy import Eviction, SegmentView, eviction
from kvsim.units import Ns

MOST_USES = 3
"""Uses are counted with two bits."""


@eviction.register("s3fifo")
@dataclass(slots=True)
class S3FIFO(Eviction):
    """A small FIFO sifts newcomers: those used more than once in it move to a main FIFO.

    Yang et al., FIFO queues are all you need for cache eviction, SOSP 2023. The small queue has
    the share `small` of all tokens; what leaves it is remembered by name, as many as the main
    queue holds, and goes to the main queue if it comes back. There, each use buys one more round.
    """

    small: float = 0.1
    _small: Order[float] = field(init=False, repr=False, default_factory=Order)
    _main: Order[float] = field(init=False, repr=False, default_factory=Order)
    _left: Ghosts[bool] = field(init=False, repr=False, default_factory=Ghosts)
    _uses: dict[SegmentView, int] = field(init=False, repr=False, default_factory=dict)
    """Hits since it came to its queue."""
    _named: SegmentView | None = field(init=False, repr=False, default=None)
    """The victim; None once it has left or been used."""
    _clock: int = field(init=False, repr=False, default=0)

    def __post_init__(self) -> None:
        within(0, self.small, 1, "s3fifo: small")

    def touched(self, segment: SegmentView, now: Ns) -> None:
        """A hit is counted and moves nothing."""
        if segment is self._named:
            self._named = None
        if segment in self._uses:
            self._uses[segment] = min(self._uses[segment] + 1, MOST_USES)
        else:
            self._enter(self._main if self._left.take(segment) else self._small, segment, 0)

    def released(self, segment: SegmentView, now: Ns) -> None:
        """It may leave again, from its old place."""
        self._small.offer(segment)
        self._main.offer(segment)

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """Both came and were used together."""
        self._small.split(segment, head)
        self._main.split(segment, head)
        self._uses[head] = self._uses[segment]

    def removed(self, segment: SegmentView) -> None:
        """Remembered by name, if it was in the small queue."""
        if segment is self._named:
            self._named = None
        del self._uses[segment]
        if self._small.drop(segment):
            self._left.add(segment, True)
        else:
            self._main.drop(segment)
        whole = len(self._small) + len(self._main)
        self._left.trim((1 - self.small) * whole)
        self._small.offer(segment.parent)
        self._main.offer(segment.parent)

    def victim(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """From the small queue if it is too large, else from the main one."""
        if self._named is not None and evictable(self._named):
            return self._named
        first, second = self._spare, self._sift
        if self._small.tokens > self.small * (self._small.tokens + self._main.tokens):
            first, second = second, first
        found = first(evictable)
        self._named = second(evictable) if found is None else found
        return self._named

    def _sift(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The first of the small queue that was not used more than once; the others move on."""
        segment = self._small.first(evictable)
        while segment is not None and self._uses[segment] > 1:
            self._small.drop(segment)
            self._enter(self._main, segment, 0)
            segment = self._small.first(evictable)
        return segment

    def _spare(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The first of the main queue without a use left; the others go to its end."""
        segment = self._main.first(evictable)
        while segment is not None and self._uses[segment]:
            self._enter(self._main, segment, self._uses[segment] - 1)
            segment = self._main.first(evictable)
        return segment

    def _enter(self, queue: Order[float], segment: SegmentView, uses: int) -> None:
        self._clock += 1
        self._uses[segment] = uses
        queue.put(segment, self._clock)
