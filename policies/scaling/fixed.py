"""Scaling: none."""

from dataclasses import dataclass

from kvsim.sim.policy import FleetView, Scaling, scaling
from kvsim.units import Ns


@scaling.register("fixed")
@dataclass(slots=True)
class Fixed(Scaling):
    """Pools keep their size."""

    def replicas(self, view: FleetView, now: Ns) -> int:
        """As many as there are."""
        return view.up + view.starting
