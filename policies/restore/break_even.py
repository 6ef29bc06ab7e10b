"""Restore: whichever is sooner."""

from dataclasses import dataclass

from kvsim.sim.policy import Restore, RestoreView, restore


@restore.register("break_even")
@dataclass(slots=True)
class BreakEven(Restore):
    """Load if that ends before computing would, with the links and the queue as they are now.

    While KV is loaded others are computed, so the queue ahead counts on computing's side only.
    """

    margin: float = 1.0
    """Load only if it takes less than so many times what computing takes."""

    def loads(self, view: RestoreView) -> bool:
        """Compare the two."""
        return view.load < self.margin * (view.compute + view.ahead)
