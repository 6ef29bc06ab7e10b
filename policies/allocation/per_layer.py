"""Allocation: layer by layer, so that a prompt needs no room for all of them."""

from dataclasses import dataclass

from kvsim.sim.policy import Allocation, Claim, Store, allocation
from kvsim.units import Ns


@allocation.register("per_layer")
@dataclass(slots=True)
class PerLayer(Allocation):
    """A prompt is computed when HBM is full: each layer goes down to DRAM behind it (LayerKV).

    Xiong et al., LayerKV, 2024 (arXiv 2410.00428; algorithm recalled). The request has its first
    token then, and decodes once HBM has room for all its layers, which are copied back while
    others run. The paper keeps as many layers in HBM as could not be copied down while the prompt
    is computed: all or none here, which is none wherever computing a token takes longer than
    copying its KV. Prompts that a step does not compute whole wait for room, as under `paged`.
    """

    capacity: int | None = None
    """Bytes of DRAM; half of the replica's share of the host's if left out."""

    def claim(self, store: Store) -> Claim:
        """One block at a time, in two places."""
        return Claim(store.block, outside=self.capacity or store.host // 2)

    def spills(self, copy: Ns, compute: Ns) -> bool:
        """If copying hides behind computing."""
        return copy <= compute
