"""Router: everyone in turn."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from kvsim.sim.policy import ReplicaView, Router, SequenceView, router
from kvsim.units import Ns


@router.register("round_robin")
@dataclass(slots=True)
class RoundRobin(Router):
    """Replicas in turn, whatever their load. The template: copy this file to write your own."""

    _next: int = field(init=False, repr=False, default=0)

    def route(self, sequence: SequenceView, replicas: Sequence[ReplicaView], now: Ns) -> int:
        """The replica after the last one chosen."""
        chosen = self._next % len(replicas)
        self._next = chosen + 1
        return chosen
