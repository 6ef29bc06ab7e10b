"""Residency: all KV with CPUs of other machines."""

from dataclasses import dataclass

from kvsim.policies.residency.processors import attended, exchanged
from kvsim.sim.policy import Residence, Residency, Site, Worker, residency
from kvsim.units import Ns


@residency.register("fastdecode")
@dataclass(slots=True)
class FastDecode(Residency):
    """All KV and attention live on remote CPU sockets; the GPU keeps the weights (FastDecode).

    He & Zhai, FASTDECODE: high-throughput GPU-efficient LLM serving using heterogeneous pipelines,
    2024. Two mini-batches take turns between GPU and CPUs. The defaults are an EPYC socket with
    eight channels of DDR4-3200 (204.8 GB/s by arithmetic) and a 100 Gbit/s port, both recalled.
    """

    sockets: int = 8
    cores: int = 32
    """Per socket."""
    bandwidth: float = 204.8e9
    """Bytes per second of a socket's DRAM."""
    capacity: int = 256 * 2**30
    """Bytes of a socket's DRAM for KV."""
    port: float = 12.25e9
    """Bytes per second of the GPU's port to them."""
    latency: Ns = 5_000
    """One way."""

    def residence(self, site: Site) -> Residence:
        """Nothing in HBM but weights."""
        read = attended(site, self.bandwidth * self.sockets, self.cores * self.sockets)
        cpus = Worker(
            "remote cpu", self.capacity * self.sockets, read, self.port, self.latency,
            exchanged(site),
        )  # fmt: skip
        return Residence(worker=cpus, hbm_first=False, halves=True)
