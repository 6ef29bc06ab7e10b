"""Preemption: KV goes to another replica."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from kvsim.policies.preemption.chosen import Chosen
from kvsim.sim.policy import ReplicaView, SequenceView, preemption


@preemption.register("migrate")
@dataclass(slots=True)
class Migrate(Chosen):
    """The victim goes on at the replica with the most free memory, its KV over the network.

    After Sun et al., Llumnix: dynamic scheduling for large language model serving, OSDI 2024, which
    migrates earlier, while the request decodes. The step that needs the memory waits here until it
    has gone. If no replica has room, KV is computed again.
    """

    fate: ClassVar[Literal["recompute", "swap", "migrate"]] = "migrate"

    def target(self, sequence: SequenceView, replicas: Sequence[ReplicaView]) -> int:
        """The most room; the first among equals."""
        rooms = [replica.room for replica in replicas]
        return rooms.index(max(rooms))
