"""Placement: everything."""

from dataclasses import dataclass

from kvsim.sim.policy import Placement, Stored, placement


@placement.register("write_through")
@dataclass(slots=True)
class WriteThrough(Placement):
    """All that has been computed is copied down. The template: copy this file."""

    prefill: bool = True
    """When a prompt is complete."""
    end: bool = True
    """When a request is finished, its answer included."""

    def keeps(self, stored: Stored) -> bool:
        """At the moments asked for."""
        return self.prefill if stored.moment == "prefill" else self.end
