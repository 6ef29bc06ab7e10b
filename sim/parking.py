"""Requests of one replica whose KV is on its way up: parked, then next in line."""

from collections import deque
from collections.abc import Callable

from kvsim.sim.clock import Clock
from kvsim.sim.hierarchy import Hierarchy
from kvsim.sim.memory import KVMemory
from kvsim.sim.sequence import Sequence
from kvsim.sim.tier import Piece
from kvsim.units import Ns


class Parking:
    """Between the queue and the tiers: who leaves to be loaded, and where they come back."""

    def __init__(
        self,
        clock: Clock,
        memory: KVMemory,
        hierarchy: Hierarchy,
        waiting: deque[Sequence],
        lease: Callable[[Sequence, Ns], None],
    ) -> None:
        self.clock = clock
        self.memory = memory
        self.hierarchy = hierarchy
        self.waiting = waiting
        self.lease = lease
        """Gives a sequence what HBM has of it."""
        self.parked: dict[Sequence, None] = {}

    def fetch(self) -> None:
        """Ask the tiers for what waiting requests lack, in order, as far as memory reaches."""
        memory = self.memory
        reserved = ahead = 0
        for sequence in tuple(self.waiting):
            if sequence.leaf is not None:
                continue
            wanted = memory.bytes(sequence.target)
            if reserved + wanted > memory.room:
                return
            pieces = [] if sequence.asked else self.hierarchy.wanted(sequence, ahead)
            sequence.asked = True
            if pieces:
                self._park(sequence, pieces)
            else:
                reserved += wanted
                ahead += sequence.missing

    def last_holder(self) -> Sequence | None:
        """The last of the queue that holds memory, if nobody's KV is on its way any more."""
        if self.parked:
            return None
        return next((one for one in reversed(self.waiting) if one.leaf is not None), None)

    def _park(self, sequence: Sequence, pieces: list[Piece]) -> None:
        """`sequence` gets its room and leaves the queue until `pieces` have landed."""
        now = self.clock.now
        self.waiting.remove(sequence)
        self.parked[sequence] = None
        sequence.parked = now
        self.lease(sequence, now)
        tokens = pieces[-1].end - sequence.computed
        self.memory.reserve(sequence, tokens)
        if sequence.hits is None:
            sequence.hits = sequence.computed
            sequence.loaded = {p.reach.tier.name: p.end - p.start for p in pieces}
        self.hierarchy.load(sequence, pieces, lambda: self._unpark(sequence, tokens))

    def _unpark(self, sequence: Sequence, tokens: int) -> None:
        """The KV of `sequence` is there: it is next, behind those whose KV came before."""
        now = self.clock.now
        assert sequence.parked is not None
        self.memory.land(sequence, tokens, now)
        if sequence.admitted is None:
            sequence.load += now - sequence.parked
        sequence.parked = None
        del self.parked[sequence]
        place = 0
        for other in self.waiting:
            if other.leaf is None and other.preempted is None:
                break
            place += 1
        self.waiting.insert(place, sequence)
