"""Eviction: low inter-reference recency."""

from collections.abc import Callable
from dataclasses import dataclass, field

from kvsim.policies.eviction.fields import within
from kvsim.policies.eviction.ghosts import Ghosts
from kvsim.policies.eviction.order import Order, anything
from kvsim.sim.policy import Eviction, SegmentView, eviction
from kvsim.units import Ns

GHOSTS = 1
"""Names remembered for each segment here; the paper's stack has no bound of its own."""


@eviction.register("lirs")
@dataclass(slots=True)
class LIRS(Eviction):
    """What was used twice within a short time stays; the rest passes through a short queue.

    Jiang & Zhang, LIRS: an efficient low inter-reference recency set replacement policy, SIGMETRICS
    2002. The share `lir` of all tokens is for LIR segments, by recency; HIR ones leave first in,
    first out. "In stack S" means used later than the least recent LIR segment. Here a newcomer is
    among the tokens of which `lir` is a share, and as many names are remembered as there are
    segments; libCacheSim counts without it, and bounds the stack by twice the cache.
    """

    lir: float = 0.99
    _lir: Order[float] = field(init=False, repr=False, default_factory=Order)
    _hir: Order[float] = field(init=False, repr=False, default_factory=Order)
    _used: dict[SegmentView, int] = field(init=False, repr=False, default_factory=dict)
    """When each HIR segment was last used."""
    _left: Ghosts[int] = field(init=False, repr=False, default_factory=Ghosts)
    """When those that have left were last used."""
    _clock: int = field(init=False, repr=False, default=0)

    def __post_init__(self) -> None:
        within(0, self.lir, 1, "lirs: lir")

    def touched(self, segment: SegmentView, now: Ns) -> None:
        """HIR becomes LIR if its last use is in the stack; somebody then has to change places."""
        self._clock += 1
        if segment in self._lir:
            self._lir.put(segment, self._clock)
            return
        known = segment in self._hir
        used = self._used.pop(segment) if known else self._left.take(segment)
        held = self._lir.tokens + (0 if known else segment.tokens)
        whole = held + self._hir.tokens
        if not known and held <= self.lir * whole:
            self._lir.put(segment, self._clock)
        elif used is not None and used > self._bottom():
            self._hir.drop(segment)
            self._lir.put(segment, self._clock)
            self._demote(self.lir * whole)
        else:
            self._wait(segment, self._clock)

    def released(self, segment: SegmentView, now: Ns) -> None:
        """Used until now; no hit."""
        self._clock += 1
        if segment in self._lir:
            self._lir.put(segment, self._clock)
        else:
            self._wait(segment, self._clock)

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """Both were used together."""
        self._lir.split(segment, head)
        self._hir.split(segment, head)
        if segment in self._hir:
            self._used[head] = self._used[segment]

    def removed(self, segment: SegmentView) -> None:
        """Remembered with its last use, if it was HIR."""
        if self._hir.drop(segment):
            self._left.add(segment, self._used.pop(segment))
        else:
            self._lir.drop(segment)
        self._left.trim(GHOSTS * (len(self._lir) + len(self._hir)))
        self._hir.offer(segment.parent)
        self._lir.offer(segment.parent)

    def victim(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The first of the HIR queue; where none may go, the least recent LIR segment."""
        found = self._hir.first(evictable)
        return self._lir.first(evictable) if found is None else found

    def _bottom(self) -> float:
        lowest = self._lir.first(anything)
        return 0.0 if lowest is None else self._lir.rank(lowest)

    def _demote(self, limit: float) -> None:
        """Least recent LIR segments become HIR until no more than `limit` tokens are LIR."""
        while self._lir.tokens > limit:
            lowest = self._lir.first(anything)
            if lowest is None:
                break
            used = int(self._lir.rank(lowest))
            self._lir.drop(lowest)
            self._clock += 1
            self._wait(lowest, used)

    def _wait(self, segment: SegmentView, used: int) -> None:
        """To the end of the HIR queue."""
        self._hir.put(segment, self._clock)
        self._used[segment] = used
