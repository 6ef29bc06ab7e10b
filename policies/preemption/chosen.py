"""Preemption: who is chosen to leave. Not a policy itself."""

from collections.abc import Reversible
from dataclasses import dataclass
from typing import Literal

from kvsim.sim.policy import EngineView, Preemption, SequenceView


@dataclass(slots=True)
class Chosen(Preemption):
    """The victim is the last to come, or the least urgent, or the one with the least to lose.

    Ties go to the last to come, as in vLLM v1, which knows the first two.
    """

    by: Literal["arrival", "priority", "cost"] = "arrival"
    """`cost`: the fewest tokens whose KV would have to be computed or moved."""

    def victim(self, running: Reversible[SequenceView], view: EngineView) -> SequenceView:
        """The last of the running list, or the first of those who cost or matter least."""
        latest_first = reversed(running)
        if self.by == "priority":
            return min(latest_first, key=lambda one: one.priority)
        if self.by == "cost":
            return min(latest_first, key=view.stored)
        return next(latest_first)
