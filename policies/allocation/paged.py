"""Allocation: a block at a time."""

from dataclasses import dataclass

from kvsim.sim.policy import Allocation, Claim, Store, allocation


@allocation.register("paged")
@dataclass(slots=True)
class Paged(Allocation):
    """A request takes blocks as it grows, wherever they are (PagedAttention). The template.

    Kwon et al., Efficient memory management for large language model serving with PagedAttention,
    SOSP 2023. What is lost is the rest of each request's last block.
    """

    def claim(self, store: Store) -> Claim:
        """One block at a time."""
        return Claim(store.block)
