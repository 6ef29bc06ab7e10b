"""Preemption: the last to come leaves, and its KV is computed again."""

from collections.abc import Reversible
from dataclasses import dataclass

from kvsim.sim.policy import Preemption, SequenceView, preemption


@preemption.register("recompute")
@dataclass(slots=True)
class Recompute(Preemption):
    """The request admitted last gives its memory back and starts again (vLLM v1)."""

    def victim(self, running: Reversible[SequenceView]) -> SequenceView:
        """The last of the running list."""
        return next(reversed(running))
