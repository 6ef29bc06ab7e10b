"""Eviction: the adaptive replacement cache."""

from collections.abc import Callable
from dataclasses import dataclass, field

from kvsim.policies.eviction.ghosts import Ghosts
from kvsim.policies.eviction.order import Order
from kvsim.sim.policy import Eviction, SegmentView, eviction
from kvsim.units import Ns


@eviction.register("arc")
@dataclass(slots=True)
class ARC(Eviction):
    """Used once against used again: two LRU queues whose shares follow the misses regretted.

    Megiddo & Modha, ARC: a self-tuning, low overhead replacement cache, FAST 2003. T1, T2 and the
    target p are in tokens, the ghosts B1 and B2 in segments. The paper makes room before it
    inserts; here the newcomer is in T1 by then, and is not counted.
    """

    _once: Order[float] = field(init=False, repr=False, default_factory=Order)
    _again: Order[float] = field(init=False, repr=False, default_factory=Order)
    _once_left: Ghosts[bool] = field(init=False, repr=False, default_factory=Ghosts)
    _again_left: Ghosts[bool] = field(init=False, repr=False, default_factory=Ghosts)
    _target: float = field(init=False, repr=False, default=0.0)
    """What T1 may hold (p in the paper)."""
    _newcomer: SegmentView | None = field(init=False, repr=False, default=None)
    _regretted_again: bool = field(init=False, repr=False, default=False)
    """Whether the last insertion was a ghost of B2."""
    _clock: int = field(init=False, repr=False, default=0)

    def touched(self, segment: SegmentView, now: Ns) -> None:
        """A hit, or a ghost's return, makes it one of those used again."""
        if segment in self._again or self._once.drop(segment):
            self._to_the_end(self._again, segment)
            return
        once, again = len(self._once_left), len(self._again_left)
        self._newcomer, self._regretted_again = None, False
        if self._once_left.take(segment):
            whole = self._once.tokens + self._again.tokens
            step = max(1.0, again / once) * segment.tokens
            self._target = min(self._target + step, whole)
            self._to_the_end(self._again, segment)
        elif self._again_left.take(segment):
            step = max(1.0, once / again) * segment.tokens
            self._target = max(self._target - step, 0.0)
            self._to_the_end(self._again, segment)
            self._regretted_again = True
        else:
            self._to_the_end(self._once, segment)
            self._newcomer = segment

    def released(self, segment: SegmentView, now: Ns) -> None:
        """Used until now; no hit."""
        self._to_the_end(self._again if segment in self._again else self._once, segment)

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """Both are where the segment was."""
        self._once.split(segment, head)
        self._again.split(segment, head)

    def removed(self, segment: SegmentView) -> None:
        """Remembered by name: B1 and T1 as many as there are segments, all four twice that."""
        if self._once.drop(segment):
            self._once_left.add(segment, True)
        elif self._again.drop(segment):
            self._again_left.add(segment, True)
        if segment is self._newcomer:
            self._newcomer = None
        self._once_left.trim(len(self._again))
        self._again_left.trim(len(self._once) + len(self._again) - len(self._once_left))
        self._once.offer(segment.parent)
        self._again.offer(segment.parent)

    def victim(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The least recent of T1 if that holds more than its target, else of T2."""
        once = self._once.tokens
        if self._newcomer is not None and self._newcomer in self._once:
            once -= self._newcomer.tokens
        over = once > self._target or (self._regretted_again and 0 < once == self._target)
        first, second = (self._once, self._again) if over else (self._again, self._once)
        found = first.first(evictable)
        return second.first(evictable) if found is None else found

    def _to_the_end(self, queue: Order[float], segment: SegmentView) -> None:
        self._clock += 1
        queue.put(segment, self._clock)
