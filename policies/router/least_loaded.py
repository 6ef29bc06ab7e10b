"""Router: the shortest queue."""

from collections.abc import Sequence
from dataclasses import dataclass

from kvsim.sim.policy import ReplicaView, Router, SequenceView, router
from kvsim.units import Ns


@router.register("least_loaded")
@dataclass(slots=True)
class LeastLoaded(Router):
    """Fewest requests waiting and running; the first replica among equals.

    Waiting requests weigh more, as in vLLM's data-parallel load balancer (score = waiting * 4 +
    running; recalled).
    """

    waiting_weight: int = 4

    def route(self, sequence: SequenceView, replicas: Sequence[ReplicaView], now: Ns) -> int:
        """The replica with the least weighted requests."""
        weight = self.waiting_weight
        loads = [one.waiting_requests * weight + one.running_requests for one in replicas]
        return loads.index(min(loads))
