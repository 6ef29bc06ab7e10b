"""Allocation: room for the answer, rounded up to a power of two."""

from dataclasses import dataclass
from typing import ClassVar

from kvsim.sim.policy import Allocation, Claim, Store, allocation


@allocation.register("reserve_pow2")
@dataclass(slots=True)
class ReservePow2(Allocation):
    """One piece a request, for its answer at most twice what it turns out to need (Orca, Pow2).

    Kwon et al., PagedAttention, SOSP 2023, section 6.1 (recalled): an answer of 25 tokens has 32
    positions reserved. It takes some knowledge of the future to know the power of two.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"future"})

    def claim(self, store: Store) -> Claim:
        """All at once."""
        return Claim(store.block, whole=True)

    def reserve(self, prompt: int, longest: int, answer: int | None) -> int:
        """The prompt, and the next power of two."""
        assert answer is not None
        return min(prompt + (1 << (answer - 1).bit_length()), longest)
