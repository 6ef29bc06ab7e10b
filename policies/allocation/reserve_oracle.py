"""Allocation: room for the text as it will be."""

from dataclasses import dataclass
from typing import ClassVar

from kvsim.sim.policy import Allocation, Claim, Store, allocation


@allocation.register("reserve_oracle")
@dataclass(slots=True)
class ReserveOracle(Allocation):
    """One piece a request that is exactly as long as its text will be (Orca, Oracle).

    Kwon et al., PagedAttention, SOSP 2023, section 6.1 (recalled): what no real system can know.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"future"})

    def claim(self, store: Store) -> Claim:
        """All at once."""
        return Claim(store.block, whole=True)

    def reserve(self, prompt: int, longest: int, answer: int | None) -> int:
        """The prompt and its answer."""
        assert answer is not None
        return prompt + answer
