"""Residency: KV overflows into DRAM, and a step fetches the sparse part that it needs."""

from dataclasses import dataclass

from kvsim.sim.policy import Residence, Residency, Site, Worker, residency


@residency.register("alisa")
@dataclass(slots=True)
class ALISA(Residency):
    """HBM first, then DRAM; only a local window and important tokens come up (ALISA).

    Zhao, Wu & Wang, ALISA: accelerating LLM inference via sparsity-aware KV caching, ISCA 2024.
    The paper's sparsity is 80 %. Its third phase, deleting KV and computing it again where that is
    sooner than PCIe, is not modelled. What sparsity does to answers is not simulated.
    """

    sparsity: float = 0.8
    capacity: int | None = None
    """Bytes of DRAM for KV; half of the replica's share of the host's if left out."""

    def residence(self, site: Site) -> Residence:
        """DRAM behind PCIe for what overflows; the GPU attends."""
        dram = Worker(
            "dram", self.capacity or site.dram_bytes // 2, min(site.pcie, site.dram),
            selected=1 - self.sparsity, attends=False,
        )  # fmt: skip
        return Residence(worker=dram)
