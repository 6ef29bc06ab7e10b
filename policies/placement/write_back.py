"""Placement: what leaves the store above."""

from dataclasses import dataclass

from kvsim.errors import InputError
from kvsim.sim.policy import Placement, Stored, placement


@placement.register("write_back")
@dataclass(slots=True)
class WriteBack(Placement):
    """What would leave the store above next is copied down first (SGLang's HiCache offers it).

    Nothing is written that does not have to leave, but late: room above is kept free ahead, as an
    operating system does with its pages, and what a burst pushes out sooner is lost.
    """

    ahead: float = 0.05
    """Share of the store above that is kept free. More survives bursts, less caches more."""
    exclusive: bool = False
    """What has been loaded leaves the tier, so that two stores seldom hold the same."""

    def __post_init__(self) -> None:
        """Reject what is no share."""
        if not 0 < self.ahead < 1:
            raise InputError(f"write_back: ahead is {self.ahead}; it is a share between 0 and 1.")

    def keeps(self, stored: Stored) -> bool:
        """Nothing that has just been computed."""
        return False
