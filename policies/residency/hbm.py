"""Residency: everything on the GPU."""

from dataclasses import dataclass

from kvsim.sim.policy import Residence, Residency, Site, residency


@residency.register("hbm")
@dataclass(slots=True)
class HBM(Residency):
    """Weights and all running KV are in HBM. The template: copy this file."""

    def residence(self, site: Site) -> Residence | None:
        """None."""
        return None
