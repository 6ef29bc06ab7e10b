"""Prefetch: in time for a session's return."""

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass, field

from kvsim.sim.policy import Absence, Prefetch, SequenceView, prefetch
from kvsim.units import Ns


@prefetch.register("session_return")
@dataclass(slots=True)
class SessionReturn(Prefetch):
    """KV of a session is copied from drives to DRAM shortly before its next turn is expected.

    Learns how long sessions of a class think, and tools take, from those that came back: the copy
    begins when a share `early` of them would have. Before the first return nothing is copied. That
    idle KV moves down and comes back ahead of its turn is CachedAttention's and Pensieve's idea
    (they wait for the queue to tell); the estimate is kvsim's own.
    """

    early: float = 0.1
    """Share of the returns remembered that were sooner: less is safer, and holds DRAM longer."""
    remembered: int = 512
    """Latest returns of each class by which the next are judged."""
    layers: bool = False
    """What then comes up overlaps with computing, as `layerwise` has it."""
    _since: dict[tuple[Absence, int | None], Ns] = field(
        init=False, repr=False, default_factory=dict
    )
    _seen: dict[tuple[Absence, str], "_Latest"] = field(
        init=False, repr=False, default_factory=dict
    )

    def by_layer(self) -> bool:
        """As asked for."""
        return self.layers

    def foresees(self) -> bool:
        """True."""
        return True

    def left(self, sequence: SequenceView, why: Absence, now: Ns) -> Ns | None:
        """When the earliest of comparable ones came back."""
        self._since[why, _number(sequence, why)] = now
        seen = self._seen.get((why, sequence.kind))
        return seen.quantile(self.early) if seen is not None else None

    def came_back(self, sequence: SequenceView, why: Absence, now: Ns) -> None:
        """One more to judge by."""
        since = self._since.pop((why, _number(sequence, why)))
        seen = self._seen.setdefault((why, sequence.kind), _Latest(self.remembered))
        seen.add(now - since)


class _Latest:
    """The latest values, in order of time and of size."""

    def __init__(self, many: int) -> None:
        self.many = many
        self._by_time: deque[Ns] = deque()
        self._by_size: list[Ns] = []

    def add(self, value: Ns) -> None:
        """The oldest goes, if there are too many."""
        self._by_time.append(value)
        insort(self._by_size, value)
        if len(self._by_time) > self.many:
            del self._by_size[bisect_left(self._by_size, self._by_time.popleft())]

    def quantile(self, share: float) -> Ns:
        """Such a share of the values is less."""
        return self._by_size[min(int(share * len(self._by_size)), len(self._by_size) - 1)]


def _number(sequence: SequenceView, why: Absence) -> int | None:
    return sequence.id if why == "tool" else sequence.session
