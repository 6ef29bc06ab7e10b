"""A replica that comes and goes: failures, draining, and what becomes of its requests."""

from collections.abc import Callable
from itertools import chain

from kvsim.sim.claiming import follow
from kvsim.sim.memory import KVMemory
from kvsim.sim.planning import Planning
from kvsim.sim.sequence import Sequence


class Lifecycle(Planning):
    """Whether a replica is there. When it comes and goes is decided elsewhere."""

    is_up = True
    is_failed = False
    is_draining = False
    """It takes nothing new, and is off when it has finished what it has."""
    fresh_memory: Callable[[], KVMemory]
    """Its memory, empty; needed by replicas that fail."""
    on_empty: Callable[[], None]
    """Called when one that drains is off."""

    @property
    def is_open(self) -> bool:
        """Whether it takes requests."""
        return self.is_up and not self.is_draining

    def drain(self) -> None:
        """Take nothing new; off as soon as nothing is left."""
        self.is_draining = True
        self._close()

    def _close(self) -> None:
        """Off, if nothing is left here of those that drain; what is cached goes."""
        parked = self.parking.parked if self.parking is not None else ()
        there = (self._running, self._coming, self._leaving, parked)
        if self.waiting_requests or any(there) or self.memory.leased:
            return
        self.is_up = self.is_draining = False
        self.memory.tree.evict(self.memory.tree.bytes)
        self.on_empty()

    def _lose_everything(self) -> list[Sequence]:
        """Requests that have to start again elsewhere; memory is empty."""
        now = self.env.now
        for sequence in self._running:
            if sequence._stay is not None:
                sequence.silent = self._last_token(sequence)
        going = [one for one in self.remaining() if one not in self._paused]
        for sequence in going:
            sequence.lost = max(sequence.lost, sequence.computed)
            sequence.leaf, sequence.computed, sequence.published = None, 0, 0
            sequence.gap = sequence.landed = None
            sequence.raw = sequence.projecting = 0
            sequence.swapped = sequence.brought = False
            if sequence not in self._leaving:  # who lands elsewhere is told there
                sequence.landing = False
            if sequence.parked is not None:
                sequence.load += now - sequence.parked if sequence.admitted is None else 0
                sequence.parked = None
            if sequence.admitted is not None:
                sequence.preempted = now
                self.recorder.preempted(sequence, self.index, "failure", now)
        for held in (
            self._running, self.suspended, self._leaving, self._coming, self.waiting, self._late,
        ):  # fmt: skip
            held.clear()
        if self.refuge is not None:
            self.refuge.lose()
        if self.spill is not None:
            self.spill.lose()
        self._offers.clear()
        self.prefilling.clear()
        self._stuck.clear()
        self._chunks.clear()
        self._landed.clear()
        self._resumed.clear()
        self._silent = None
        self.memory = self.fresh_memory()
        follow(self.memory, self.index, self.env, self.recorder)
        if self.hierarchy is not None and self.parking is not None:
            self.parking.restoring.close()
            self._reach(self.hierarchy.anew(self.memory))
        return going

    def remaining(self) -> list[Sequence]:
        """Requests that are here and not finished, their counters brought up to date."""
        self.catch_up()
        for sequence in self._running:
            if sequence._stay is not None:
                self.batch.leave(sequence)
        parked = self.parking.parked if self.parking is not None else ()
        late = (sequence for _, sequence in self._late)
        moving = (*self._leaving, *self._coming)
        there = (
            self._running,
            self._paused,
            parked,
            self.waiting,
            late,
            self._landed,
            moving,
            self.outside,
        )
        return list(chain.from_iterable(there))
