"""Eviction: three static FIFO queues."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from kvsim.policies.eviction.fields import within
from kvsim.policies.eviction.ghosts import Ghosts
from kvsim.policies.eviction.newcomers import Newcomers
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
    the share `small` of all tokens, rounded down; what leaves it is remembered by name, as many as
    the main queue has room for, and goes to the main queue if it comes back. There, each use buys
    one more round. What came before room was first wanted fills both, as in the authors'
    libCacheSim.
    """

    small: float = 0.1
    _small: Order[float] = field(init=False, repr=False, default_factory=Order)
    _main: Order[float] = field(init=False, repr=False, default_factory=Order)
    _newcomers: Newcomers = field(init=False, repr=False, default_factory=Newcomers)
    _left: Ghosts[bool] = field(init=False, repr=False, default_factory=Ghosts)
    _uses: dict[SegmentView, int] = field(init=False, repr=False, default_factory=dict)
    _filled: bool = field(init=False, repr=False, default=False)
    _proved: set[SegmentView] = field(init=False, repr=False, default_factory=set)
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
            return
        self._uses[segment] = 0
        if self._left.take(segment):
            self._proved.add(segment)
        self._join(self._newcomers.come(segment))

    def released(self, segment: SegmentView, now: Ns) -> None:
        """It may leave again, from its old place."""
        self._small.offer(segment)
        self._main.offer(segment)

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """Both came and were used together."""
        for queue in (self._small, self._main, self._newcomers.waiting):
            queue.split(segment, head)
        self._uses[head] = self._uses[segment]
        if segment in self._proved:
            self._proved.add(head)

    def removed(self, segment: SegmentView) -> None:
        """Remembered by name, if it was in the small queue."""
        if segment is self._named:
            self._named = None
        del self._uses[segment]
        self._proved.discard(segment)
        self._newcomers.removed(segment)
        if self._small.drop(segment):
            self._left.add(segment, True)
        self._main.drop(segment)
        self._left.trim((1 - self.small) * len(self._uses))
        self._small.offer(segment.parent)
        self._main.offer(segment.parent)

    def victim(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """From the small queue if it is full, else from the main one."""
        if self._named is None or not evictable(self._named):
            self._named = self._newcomers.until(lambda: self._choose(evictable), self._join)
        return self._named

    def _choose(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        full = self._small.tokens >= int(self.small * (self._small.tokens + self._main.tokens))
        found = self._sift(evictable) if full else None
        found = self._spare(evictable) if found is None else found
        return self._sift(evictable) if found is None else found

    def _sift(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The first of the small queue that was not used more than once; the others move on."""
        while (segment := self._small.first(evictable)) is not None and self._uses[segment] > 1:
            self._small.drop(segment)
            self._enter(self._main, segment, 0)
        return segment

    def _spare(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The first of the main queue without a use left; the others go to its end."""
        while (segment := self._main.first(evictable)) is not None and self._uses[segment]:
            self._enter(self._main, segment, self._uses[segment] - 1)
        return segment

    def _join(self, newcomers: Iterable[SegmentView]) -> None:
        """Those not proved go to the small queue; of the first ones ever, as many as fit."""
        limit = float("inf") if self._filled else self.small * self._newcomers.waiting.tokens
        for segment in newcomers:
            self._filled = True
            fits = self._small.tokens + segment.tokens <= limit and segment not in self._proved
            self._proved.discard(segment)
            self._enter(self._small if fits else self._main, segment, self._uses[segment])

    def _enter(self, queue: Order[float], segment: SegmentView, uses: int) -> None:
        self._clock += 1
        self._uses[segment] = uses
        queue.put(segment, self._clock)
