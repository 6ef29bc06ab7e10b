"""Router: by the length of the prompt."""

from collections.abc import Sequence
from dataclasses import dataclass

from kvsim.sim.policy import ReplicaView, Router, SequenceView, router
from kvsim.units import Ns


@router.register("bins")
@dataclass(slots=True)
class Bins(Router):
    """Prompts of about the same length share replicas: bins on a logarithmic scale.

    Keeps short requests from waiting behind long ones, at the price of uneven loads.
    """

    shortest: int = 128
    """Tokens up to which all go into the first bin."""
    longest: int = 131_072

    def route(self, sequence: SequenceView, replicas: Sequence[ReplicaView], now: Ns) -> int:
        """Bins are as many as replicas."""
        steps = (self.longest // self.shortest).bit_length()
        place = (sequence.prompt_tokens // self.shortest).bit_length()
        return min(len(replicas) - 1, place * len(replicas) // max(1, steps))
