"""Residency: weights and KV split over GPU, CPU and drives, by a search over costs."""

from dataclasses import dataclass

from kvsim.policies.residency.processors import attended, exchanged
from kvsim.sim.policy import Residence, Residency, Site, Worker, residency

STEPS = 20
"""Shares of the weights that the search tries: multiples of a twentieth."""


@residency.register("flexgen")
@dataclass(slots=True)
class FlexGen(Residency):
    """Weights and KV are split over HBM and DRAM so that a block of batches runs fastest (FlexGen).

    Sheng et al., FlexGen: high-throughput generative inference of large language models with a
    single GPU, ICML 2023. Its zig-zag schedule loads a layer's weights once for a whole block of
    batches; here a block is one batch, as large as the KV has room, whose step streams the weights
    that are not in HBM while it computes. The paper's linear program is a search over the share of
    weights in HBM here, by the same costs: the slowest of PCIe, arithmetic and CPU attention.
    """

    weights: float | None = None
    """Share of the weights in HBM; searched for if left out."""
    capacity: int | None = None
    """Bytes of DRAM for KV; half of the replica's share of the host's if left out."""
    cpu_attention: bool = True
    """The CPU attends to its KV; otherwise it is sent up."""
    context: int = 544
    """Tokens of a sequence that the search counts with (the paper's 512 in, 32 out)."""

    def residence(self, site: Site) -> Residence:
        """The split that makes most tokens per second."""
        if self.weights is not None:
            return self._split(site, self.weights)
        shares = (step / STEPS for step in range(STEPS + 1))
        fitting = [share for share in shares if share * site.weights <= site.room]
        return self._split(site, max(fitting, key=lambda share: self._rate(site, share)))

    def _split(self, site: Site, weights: float) -> Residence:
        kept = self.capacity or site.dram_bytes // 2
        if self.cpu_attention:
            read = attended(site, site.dram, site.cores)
            worker = Worker("cpu", kept, read, site.pcie, site.pcie_latency, exchanged(site))
        else:
            worker = Worker("dram", kept, min(site.pcie, site.dram), attends=False)
        return Residence(weights, min(site.pcie, site.dram), worker)

    def _rate(self, site: Site, share: float) -> float:
        """Tokens per ns of the largest batch, by the slowest of what works side by side."""
        split = self._split(site, share)
        assert split.worker is not None
        inside = site.room - share * site.weights
        batch = (inside + split.worker.capacity) / (self.context * site.token)
        outside = max(batch * self.context * site.token - inside, 0.0)
        slowest = max(
            (1 - share) * site.weights / split.stream,
            outside / split.worker.read,
            (site.weights + inside) / site.hbm,
        )
        return batch / slowest
