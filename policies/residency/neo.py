"""Residency: what does not fit on the GPU is attended to on the CPU."""

from dataclasses import dataclass

from kvsim.policies.residency.processors import attended, exchanged
from kvsim.sim.policy import Residence, Residency, Site, Worker, residency


@residency.register("neo")
@dataclass(slots=True)
class NEO(Residency):
    """KV overflows into DRAM, whose part is attended to by the CPU (NEO).

    Jiang et al., NEO: saving GPU memory crisis with CPU offloading for online LLM inference,
    MLSys 2025. Two unequal sub-batches take turns in a layer: while the CPU attends for one, the
    GPU computes the other. Here the split is by tokens as they overflow, not request by request.
    """

    capacity: int | None = None
    """Bytes of DRAM for KV; half of the replica's share of the host's if left out."""

    def residence(self, site: Site) -> Residence:
        """HBM first, the CPU beside it."""
        cpu = Worker(
            "cpu", self.capacity or site.dram_bytes // 2, attended(site, site.dram, site.cores),
            site.pcie, site.pcie_latency, exchanged(site),
        )  # fmt: skip
        return Residence(worker=cpu, halves=True)
