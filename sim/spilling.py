"""Prompts that find no room in HBM: down into the host's memory, layer by layer, and back later.

Such a request holds no HBM while one step computes its prompt, beside which its KV is copied down.
It then has its first token and waits outside, in order of going, until HBM has room for all of it.
As long as somebody is outside, all newcomers go there too: nobody overtakes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvsim.sim.policy import Allocation
from kvsim.sim.sequence import Sequence
from kvsim.sim.swapping import Swap
from kvsim.units import SECOND, Ns

if TYPE_CHECKING:
    from kvsim.sim.planning import Planning


@dataclass(eq=False, slots=True)
class Spilled:
    """What is outside of one request, or on its way there."""

    bytes: int
    has_landed: bool = False


class Spill:
    """The part of the host's memory that one replica's prompts go to."""

    def __init__(self, replica: "Planning", swap: Swap, allocation: Allocation) -> None:
        self.replica = replica
        self.swap = swap
        self.allocation = allocation
        self.outside: dict[Sequence, Spilled] = {}
        self._flying = 0
        """Bytes on their way down."""

    def takes(self, sequence: Sequence, tokens: int) -> bool:
        """Whether a prompt can go, of which a step computes the next `tokens`: all, then."""
        if tokens < sequence.missing:
            return False
        size = self.replica.memory.content(sequence.target)
        slowest = min(link.bandwidth for link in self.swap.out)
        copy: Ns = round(size / slowest * SECOND)
        fits = self.swap.used + size <= self.swap.capacity
        return fits and self.allocation.spills(copy, self.replica.prefill_time(tokens))

    def fits(self, sequence: Sequence, tokens: int) -> bool:
        """Whether the next `tokens` of a waiting `sequence` can be computed, here or outside."""
        return self._stays(sequence, tokens) or self.takes(sequence, tokens)

    def must_take(self, sequence: Sequence, tokens: int) -> bool:
        """Whether it goes, as HBM has no room for it or others went before it."""
        return not self._stays(sequence, tokens) and self.takes(sequence, tokens)

    def _stays(self, sequence: Sequence, tokens: int) -> bool:
        return not self.outside and self.replica.memory.fits(sequence, tokens)

    def begin(self, sequence: Sequence) -> None:
        """A step begins that computes the prompt of `sequence`: its KV follows each layer down."""
        size = self.replica.memory.content(sequence.target)
        self.outside[sequence] = spilled = Spilled(size)
        self._flying += size

        def landed() -> None:
            spilled.has_landed = True
            self._flying -= size
            if self.outside.get(sequence) is spilled:
                self.replica.poke()
            else:
                self.swap.used -= size

        self.swap.copy_out(sequence, sequence.target, landed)

    def waiting(self) -> Iterator[Sequence]:
        """Those who have had their first token."""
        running = self.replica.running
        return (sequence for sequence in self.outside if sequence not in running)

    def returning(self) -> Sequence | None:
        """Who comes back, if there is room for it now; it is no longer outside then."""
        for sequence, spilled in self.outside.items():
            is_there = spilled.has_landed and sequence not in self.replica.running
            if is_there and self.replica.memory.fits(sequence, sequence.computed + 1):
                del self.outside[sequence]
                return sequence
            break
        return None

    def drop(self, sequence: Sequence) -> bool:
        """`sequence` needs its KV no more; False if none of it is outside."""
        spilled = self.outside.pop(sequence, None)
        if spilled is not None and spilled.has_landed:
            self.swap.used -= spilled.bytes
        return spilled is not None

    def lose(self) -> None:
        """The replica has failed: nobody comes back, and who is on the way does not."""
        self.outside.clear()
        self.swap.used = self._flying
