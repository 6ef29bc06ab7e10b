"""Residency: KV in DRAM, of which each step fetches what will matter."""

from dataclasses import dataclass

from kvsim.sim.policy import Residence, Residency, Site, Worker, residency


@residency.register("infinigen")
@dataclass(slots=True)
class InfiniGen(Residency):
    """KV lives in DRAM; a layer ahead, the tokens that will score high are fetched (InfiniGen).

    Lee et al., InfiniGen: efficient generative inference of LLMs with dynamic KV cache management,
    OSDI 2024. `selected` is the cap of its scripts, 409 of 2,048 tokens; how many pass the
    threshold depends on the text. The partial keys that predict scores stay in HBM and are small.
    What fetching less does to answers is not simulated.
    """

    selected: float = 0.2
    capacity: int | None = None
    """Bytes of DRAM for KV; half of the replica's share of the host's if left out."""

    def residence(self, site: Site) -> Residence:
        """DRAM behind PCIe; the GPU attends."""
        dram = Worker(
            "dram", self.capacity or site.dram_bytes // 2, min(site.pcie, site.dram),
            selected=self.selected, attends=False,
        )  # fmt: skip
        return Residence(worker=dram, hbm_first=False)
