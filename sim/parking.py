"""Requests of one replica whose KV is on its way up: parked, then next in line."""

from collections import deque
from collections.abc import Callable, Iterable

from kvsim.sim.clock import Clock
from kvsim.sim.hierarchy import Hierarchy
from kvsim.sim.memory import KVMemory
from kvsim.sim.restoring import Restoring
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
        self.restoring = Restoring(hierarchy, self._filled)

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
                self._restore(sequence, pieces)
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
        if self.parked or self.restoring.gaps:
            return False
        for sequence in reversed(self.waiting):
            if sequence.leaf is not None and not sequence.landing:
                release(sequence, self.clock.now)
                sequence.computed = 0
                return True
        return False

    def set_apart(self) -> None:
        """Who has come to its gap in the queue leaves it until all of the gap has landed."""
        for sequence in self.restoring.gaps:
            if sequence.is_stuck and sequence.admitted is None and sequence.parked is None:
                self._leave(sequence)

    def _restore(self, sequence: Sequence, pieces: list[Piece]) -> None:
        """`sequence` gets its room, and `pieces` begin to come; it leaves the queue until it can go
        on."""
        now, is_new = self.clock.now, sequence.hits is None
        self.lease(sequence, now)
        self.memory.reserve(sequence, pieces[-1].end - sequence.computed)
        if is_new:
            sequence.hits = sequence.computed
        first, rest = self.restoring.divided(pieces, sequence.computed)
        self.hierarchy.lock(sequence, pieces)
        if rest:
            self.restoring.open(sequence, rest, is_new)
        if not first:
            self.restoring.fill(sequence)
            if sequence.is_stuck:
                self._leave(sequence)
            return
        for piece in first if is_new else ():
            sequence.credit(piece.stretch.reach.tier.name, piece.end - piece.start)
        self._leave(sequence)
        tokens = first[-1].end - sequence.computed
        raw = tokens if first[0].form == "hidden" else 0
        sequence.landing = True
        self.hierarchy.load(
            sequence,
            first,
            lambda: self._unpark(sequence, tokens, raw),
            lambda: self._landed(sequence),
        )

    def _leave(self, sequence: Sequence) -> None:
        """`sequence` is not in the queue until more of its KV has landed."""
        self.waiting.remove(sequence)
        self.parked[sequence] = None
        sequence.parked = self.clock.now

    def _landed(self, sequence: Sequence) -> None:
        """All layers of what `sequence` waited for are there: others may read it too."""
        if self.restoring.is_closed:
            return
        now = self.clock.now
        sequence.landing = False
        sequence.landed = now
        self.memory.publish(sequence, sequence.computed, now)
        if sequence in self.restoring.gaps:
            self.restoring.fill(sequence)

    def _filled(self, sequence: Sequence) -> None:
        """All of the gap of `sequence` is there; others may read what is behind it once all before
        it is."""
        self.memory.publish(sequence, sequence.computed, self.clock.now)
        if sequence.parked is not None:
            self._unpark(sequence, 0, 0)

    def _unpark(self, sequence: Sequence, tokens: int, raw: int) -> None:
        """The KV of `sequence` can be used: it is next, behind those whose KV came before."""
        if self.restoring.is_closed:
            return
        now = self.clock.now
        assert sequence.parked is not None
        sequence.computed += tokens
        sequence.raw += raw
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
