"""Allocation: several blocks at a time, side by side."""

from dataclasses import dataclass

from kvsim.sim.policy import Allocation, Claim, Store, allocation


@allocation.register("block_groups")
@dataclass(slots=True)
class BlockGroups(Allocation):
    """A request takes groups of contiguous blocks, so that a swap is few large copies (FastSwitch).

    Shen et al., FastSwitch, 2024 (details recalled): what a copy costs beside its bytes is
    `policies.preemption.swap.copy`. Groups are not split here when memory is short, as they are
    there: the rest of a request's last group is lost to others.
    """

    blocks: int = 60
    """In a group: some 1,000 tokens (recalled)."""

    def claim(self, store: Store) -> Claim:
        """One group at a time."""
        return Claim(store.block, group=self.blocks)
