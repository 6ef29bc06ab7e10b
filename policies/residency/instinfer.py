"""Residency: all KV in drives that attend by themselves."""

from dataclasses import dataclass

from kvsim.policies.residency.processors import exchanged
from kvsim.sim.policy import Residence, Residency, Site, Worker, residency
from kvsim.units import Ns


@residency.register("instinfer")
@dataclass(slots=True)
class InstInfer(Residency):
    """All KV and decode attention live in computational storage drives (InstInfer).

    Pan et al., InstInfer: in-storage attention offloading for cost-effective long-context LLM
    inference, 2024 (HPCA 2025 as InstAttention). Only queries, new KV and outputs cross PCIe.
    A drive's flash channels give some 11 GB/s (recalled); SparF reads `selected` of the tokens.
    """

    drives: int = 4
    internal: float = 11.2e9
    """Bytes per second of a drive's flash channels."""
    capacity: int = 2 * 2**40
    """Bytes of a drive."""
    latency: Ns = 10_000
    """One way, peer to peer (assumed)."""
    selected: float = 1.0

    def residence(self, site: Site) -> Residence:
        """Nothing in HBM but weights."""
        drives = Worker(
            "drive", self.capacity * self.drives, self.internal * self.drives, site.pcie,
            self.latency, exchanged(site), self.selected,
        )  # fmt: skip
        return Residence(worker=drives, hbm_first=False, halves=True)
