"""Requests of one replica whose KV is on its way up: parked, then next in line."""

from collections import deque
from collections.abc import Callable, Iterable

from kvsim.sim.clock import Clock
from kvsim.sim.hierarchy import Hierarchy
from kvsim.sim.memory import KVMemory
from kvsim.sim.sequence import Sequence
from kvsim.sim.span import TICK, Span
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

    def stretched(self, span: Span, sequences: Iterable[Sequence]) -> Span:
        """`span`, a step of `sequences` whose KV is all there now, as long as it really takes.

        Each layer is computed after it has landed: the longest way through both is either all the
        arithmetic, or all loads and the last layer (layers are alike).
        """
        layer = (span.pace.first * span.stretch >> TICK) // self.hierarchy.layers
        end = span.boundary(1) >> TICK
        for sequence in sequences:
            if sequence.landed is not None:
                end = max(end, sequence.landed + layer)
                sequence.landed = None
        if end == span.boundary(1) >> TICK:
            return span
        longer = (end << TICK) - span.start
        return span._replace(pace=span.pace._replace(first=longer), stretch=1)

    def give_back(self, release: Callable[[Sequence, Ns], None]) -> bool:
        """Nothing runs as requests whose KV was loaded hold all memory: the last gives it back.

        False: nobody has any to give, or KV is on its way and will change that.
        """
        if self.parked:
            return False
        for sequence in reversed(self.waiting):
            if sequence.leaf is not None and not sequence.landing:
                release(sequence, self.clock.now)
                sequence.computed = 0
                return True
        return False

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
        sequence.landing = True
        self.hierarchy.load(
            sequence,
            pieces,
            lambda: self._unpark(sequence, tokens),
            lambda: self._landed(sequence),
        )

    def _landed(self, sequence: Sequence) -> None:
        """All layers of `sequence`'s KV are there: others may read it too."""
        now = self.clock.now
        sequence.landing = False
        sequence.landed = now
        self.memory.publish(sequence, sequence.computed, now)

    def _unpark(self, sequence: Sequence, tokens: int) -> None:
        """The KV of `sequence` can be used: it is next, behind those whose KV came before."""
        now = self.clock.now
        assert sequence.parked is not None
        sequence.computed += tokens
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
