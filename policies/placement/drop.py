"""Placement: nothing."""

from dataclasses import dataclass

from kvsim.sim.policy import Placement, Stored, placement


@placement.register("drop")
@dataclass(slots=True)
class Drop(Placement):
    """The tier keeps nothing: what leaves HBM is gone."""

    def keeps(self, stored: Stored) -> bool:
        """False."""
        return False
