"""Restore: never load."""

from dataclasses import dataclass

from kvsim.sim.policy import Restore, RestoreView, restore


@restore.register("recompute")
@dataclass(slots=True)
class Recompute(Restore):
    """What is not in HBM is computed again: the tiers are written and never read."""

    def loads(self, view: RestoreView) -> bool:
        """False."""
        return False
