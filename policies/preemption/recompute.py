"""Preemption: KV is given back and computed again."""

from dataclasses import dataclass

from kvsim.policies.preemption.chosen import Chosen
from kvsim.sim.policy import preemption


@preemption.register("recompute")
@dataclass(slots=True)
class Recompute(Chosen):
    """The victim gives its memory back and starts again; by default the last admitted (vLLM v1)."""
