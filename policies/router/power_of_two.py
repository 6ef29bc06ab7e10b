"""Router: the better of two."""

from collections.abc import Sequence
from dataclasses import dataclass

from kvsim.sim.policy import ReplicaView, Router, SequenceView, router
from kvsim.units import Ns

GOLDEN = 0x9E3779B97F4A7C15
"""Spreads consecutive ids evenly over 64 bits (Knuth, multiplicative hashing)."""


@router.register("power_of_two")
@dataclass(slots=True)
class PowerOfTwo(Router):
    """The less loaded of two replicas picked at random by the request's number.

    Mitzenmacher, The power of two choices in randomized load balancing, 2001.
    """

    seed: int = 1

    def route(self, sequence: SequenceView, replicas: Sequence[ReplicaView], now: Ns) -> int:
        """Fewer requests wins; the first one if they have as many."""
        number = (sequence.id + 1) * GOLDEN + self.seed * (GOLDEN >> 7)
        first = (number >> 40) % len(replicas)
        second = (first + 1 + (number >> 16) % max(1, len(replicas) - 1)) % len(replicas)
        loads = [
            replicas[one].waiting_requests + replicas[one].running_requests
            for one in (first, second)
        ]
        return first if loads[0] <= loads[1] else second
