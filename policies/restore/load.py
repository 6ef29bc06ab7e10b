"""Restore: always load."""

from dataclasses import dataclass

from kvsim.sim.policy import Restore, RestoreView, restore


@restore.register("load")
@dataclass(slots=True)
class Load(Restore):
    """What a tier holds is loaded, whatever it takes. The template: copy this file."""

    def loads(self, view: RestoreView) -> bool:
        """True."""
        return True
