"""Router: a conversation stays where it began."""

from collections.abc import Sequence
from dataclasses import dataclass

from kvsim.sim.policy import ReplicaView, Router, SequenceView, router
from kvsim.units import Ns

GOLDEN = 0x9E3779B97F4A7C15


@router.register("session")
@dataclass(slots=True)
class Session(Router):
    """All turns of a session go to one replica, chosen by its number (sticky sessions)."""

    def route(self, sequence: SequenceView, replicas: Sequence[ReplicaView], now: Ns) -> int:
        """By session, or by request where there are none."""
        name = sequence.id if sequence.session is None else sequence.session
        return ((name + 1) * GOLDEN >> 32) % 2**32 * len(replicas) >> 32
