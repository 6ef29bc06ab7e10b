"""Allocation: a slot a request for what recurrent layers keep."""

from dataclasses import dataclass

from kvsim.sim.policy import Allocation, Claim, Store, allocation


@allocation.register("state_slots")
@dataclass(slots=True)
class StateSlots(Allocation):
    """States of recurrent layers live in a fixed number of slots, set aside from the beginning.

    So vLLM v0 keeps Mamba's states, one slot for each of `max_num_seqs` (recalled). Attention
    layers of a hybrid have blocks in what is left. Under `paged` a state is claimed like a block,
    as by vLLM v1.
    """

    slots: int = 256
    """Requests at a time (`max_num_seqs` of vLLM)."""

    def claim(self, store: Store) -> Claim:
        """Blocks beside slots."""
        return Claim(store.block, slots=self.slots)
