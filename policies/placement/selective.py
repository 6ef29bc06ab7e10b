"""Placement: what has been used again."""

from dataclasses import dataclass

from kvsim.sim.policy import Placement, Stored, placement


@placement.register("selective")
@dataclass(slots=True)
class Selective(Placement):
    """Only what look-ups have found before is copied down (SGLang's HiCache offers it)."""

    uses: int = 2
    """Look-ups, the first one included, from which on it is kept."""

    def keeps(self, stored: Stored) -> bool:
        """After enough uses."""
        return stored.reuses >= self.uses
