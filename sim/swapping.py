"""Preempted requests whose KV waits in the host's memory: out over the fabric, and back over it.

All that a request holds is copied out, as vLLM v0 swaps it, and its HBM is free when the last byte
has landed. It then waits at the head of the queue with one token to compute; the scheduler that
admits it there starts the way back, of what HBM does not have any more, and it decodes from the
boundary after the last byte on. A copy moves what lies side by side of K or V of a layer, and takes
some time beside that of its bytes.
"""

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING

from kvsim.sim.fabric import LOAD, Fabric, Link
from kvsim.sim.sequence import Sequence
from kvsim.units import SECOND

if TYPE_CHECKING:
    from kvsim.sim.engine import Engine


class Swap:
    """The part of the host's memory that one replica swaps to."""

    def __init__(
        self, engine: "Engine", fabric: Fabric, place: int, capacity: int,
        out: tuple[Link, ...], back: tuple[Link, ...], tensors: int = 1,
    ) -> None:  # fmt: skip
        self.engine = engine
        self.fabric = fabric
        self.place = place
        """Its node."""
        self.capacity = capacity
        self.out = out
        """Links from HBM to the host's memory."""
        self.back = back
        self.tensors = tensors
        """K and V tensors of all layers, each of which is copied by itself."""
        self.used = 0
        """Bytes that are there, or on their way there."""

    def shelter(self, sequence: Sequence) -> bool:
        """Begin to copy all that `sequence` holds, if there is room for it."""
        engine, memory = self.engine, self.engine.memory
        if self.used + memory.content(sequence.computed) > self.capacity:
            return False

        def landed() -> None:
            if engine.memory is not memory:
                return  # the replica has failed meanwhile
            engine.catch_up()
            engine.let_go(sequence, self.fabric.clock.now)
            engine.wait_outside(sequence)

        self.copy_out(sequence, sequence.computed, landed)
        return True

    def copy_out(self, sequence: Sequence, tokens: int, then: Callable[[], None]) -> None:
        """`tokens` of `sequence` flow to the host's memory; `then` is called when all is there."""
        engine, now = self.engine, self.fabric.clock.now
        size = engine.memory.content(tokens)
        self.used += size
        row = engine.recorder.swapped(
            sequence, self.place, engine.index, "swap_out", size, self.out, now
        )

        def landed() -> None:
            engine.recorder.landed(row, flow.began, self.fabric.clock.now)
            then()

        flow = self.fabric.send(size, self.out, landed, LOAD, self._ceiling(size, tokens, self.out))

    def bring_back(self, sequence: Sequence) -> None:
        """`sequence`, for which there is room, gets it; what HBM lacks of it flows."""
        engine, memory, now = self.engine, self.engine.memory, self.fabric.clock.now
        stored = sequence.computed
        engine.take_back(sequence)
        there = sequence.computed
        memory.reserve(sequence, stored - there)
        size = memory.content(stored) - there // memory.block_tokens * memory.block_bytes
        row = engine.recorder.swapped(
            sequence, self.place, engine.index, "swap_in", size, self.back, now
        )

        def landed() -> None:
            at = self.fabric.clock.now
            engine.recorder.landed(row, flow.began, at)
            if engine.memory is not memory:
                return
            engine.catch_up()
            self.used -= memory.content(stored)
            sequence.computed, sequence.landing = stored, False
            memory.publish(sequence, stored, at)
            engine.go_on(sequence)

        ceiling = self._ceiling(size, stored - there, self.back)
        flow = self.fabric.send(size, self.back, landed, LOAD, ceiling)

    def _ceiling(self, size: int, tokens: int, path: tuple[Link, ...]) -> float:
        """Bytes per second of `tokens` that are copied piece by piece, one after the other."""
        copy = self.engine.preemption.copy
        if not copy or not size:
            return inf
        copies = -(tokens // -self.engine.memory.unit_tokens) * self.tensors
        alone = size / min(link.bandwidth for link in path) * SECOND
        return size * SECOND / (alone + copies * copy)

    def lose(self) -> None:
        """The replica has failed: nobody comes back."""
        self.used = 0
