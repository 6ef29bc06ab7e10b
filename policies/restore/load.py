"""Restore: always load."""

from dataclasses import dataclass

from kvsim.sim.policy import Range, Restore, RestoreView, restore


@restore.register("load")
@dataclass(slots=True)
class Load(Restore):
    """What a tier holds is loaded, whatever it takes. The template: copy this file."""

    def ways(self, view: RestoreView) -> tuple[Range, ...]:
        """All of it."""
        return (Range(view.tokens, "kv"),)
