"""Restore: whichever is sooner."""

from dataclasses import dataclass

from kvsim.sim.policy import Range, Restore, RestoreView, restore


@restore.register("break_even")
@dataclass(slots=True)
class BreakEven(Restore):
    """Load if that ends before computing would, with the links and the queue as they are now.

    While KV is loaded others are computed, so the queue ahead counts on computing's side only.
    """

    margin: float = 1.0
    """Load only if it takes less than so many times what computing takes."""

    def ways(self, view: RestoreView) -> tuple[Range, ...]:
        """All or nothing of it."""
        is_sooner = view.load < self.margin * (view.compute + view.ahead)
        return (Range(view.tokens, "kv"),) if is_sooner else ()
