"""Allocation: room for the longest text."""

from dataclasses import dataclass

from kvsim.sim.policy import Allocation, Claim, Store, allocation


@allocation.register("reserve_max")
@dataclass(slots=True)
class ReserveMax(Allocation):
    """One piece a request with room for the longest text there may be (Orca, Max).

    Yu et al., Orca, OSDI 2022, reserve what a request may need when they first schedule it. How
    much, and that a buddy allocator finds the place, is as Kwon et al., PagedAttention, SOSP 2023,
    section 6.1, assume (recalled): `cluster.memory.max_model_len` tokens.
    """

    def claim(self, store: Store) -> Claim:
        """All at once."""
        return Claim(store.block, whole=True)

    def reserve(self, prompt: int, longest: int, answer: int | None) -> int:
        """The longest."""
        return longest
