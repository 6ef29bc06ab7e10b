"""Scheduler: by the requests' own priorities."""

from dataclasses import dataclass
from typing import ClassVar

from kvsim.policies.scheduler.ranked import Rank, Ranked
from kvsim.sim.policy import EngineView, SequenceView, scheduler


@scheduler.register("priority")
@dataclass(slots=True)
class Priority(Ranked):
    """Higher priorities run first and suspend lower ones; among equals, first come, first served.

    vLLM's `--scheduling-policy priority`, which evicts where this one suspends.
    """

    preemptive: ClassVar[bool] = True

    def rank(self, view: EngineView, sequence: SequenceView) -> Rank:
        """Higher first, then by arrival."""
        return (-float(sequence.priority), float(sequence.arrival))
