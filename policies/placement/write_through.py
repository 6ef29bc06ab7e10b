"""Placement: everything."""

from dataclasses import dataclass

from kvsim.errors import InputError
from kvsim.sim.policy import Placement, Stored, placement


@placement.register("write_through")
@dataclass(slots=True)
class WriteThrough(Placement):
    """All that has been computed is copied down. The template: copy this file."""

    prefill: bool = True
    """When a prompt is complete."""
    end: bool = True
    """When a request is finished, its answer included."""
    every: int = 0
    """While it answers, whenever its text has come to a multiple of so many whole blocks; 0: not
    before its end."""

    def __post_init__(self) -> None:
        """Reject what is no count."""
        if self.every < 0:
            raise InputError(f"write_through: every is {self.every}; it is a count of blocks.")

    def keeps(self, stored: Stored) -> bool:
        """At the moments asked for."""
        if stored.moment == "every":
            return self.every > 0 and stored.blocks % self.every == 0
        return self.prefill if stored.moment == "prefill" else self.end
