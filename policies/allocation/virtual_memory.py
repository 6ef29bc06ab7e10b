"""Allocation: pages of GPU memory, mapped on demand into one range of addresses a request."""

from dataclasses import dataclass

from kvsim.sim.policy import Allocation, Claim, Store, allocation


@allocation.register("virtual_memory")
@dataclass(slots=True)
class VirtualMemory(Allocation):
    """KV is contiguous in virtual memory, and takes pages of 2 MiB as it grows (vTensor).

    Xu et al., vTensor, 2024; Prabhu et al., vAttention, ASPLOS 2025. Each layer's K and V have
    pages of their own on each GPU, and lose the rest of the last one. A prefix is shared by mapping
    its pages twice, so in whole pages. Mapping is hidden behind computing: nobody says what a call
    costs. Kernels are as fast as those that step times were measured with.
    """

    page: int = 2 * 2**20
    """Bytes (CUDA's least; recalled)."""

    def claim(self, store: Store) -> Claim:
        """As many tokens as a page of the widest tensor holds."""
        return Claim(max(1, self.page // max(1, store.tensor)))
