"""Restore: never load."""

from dataclasses import dataclass

from kvsim.sim.policy import Range, Restore, RestoreView, restore


@restore.register("recompute")
@dataclass(slots=True)
class Recompute(Restore):
    """What is not in HBM is computed again: the tiers are written and never read."""

    def ways(self, view: RestoreView) -> tuple[Range, ...]:
        """Nothing is loaded."""
        return ()
