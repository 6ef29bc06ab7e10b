"""Scheduler: earliest deadline first."""

from dataclasses import dataclass

from kvsim.policies.scheduler.ranked import Rank, Ranked
from kvsim.sim.policy import EngineView, SequenceView, scheduler
from kvsim.units import SECOND


@scheduler.register("edf")
@dataclass(slots=True)
class EarliestDeadline(Ranked):
    """The request whose first token is due first is admitted first (EDF on TTFT slack).

    Liu & Layland, Scheduling algorithms for multiprogramming in a hard-real-time environment, 1973.
    Deadlines are the trace's own, else arrival plus the objective of its class.
    """

    ttft: int = SECOND
    """Objective, where a request has no deadline of its own."""

    def rank(self, view: EngineView, sequence: SequenceView) -> Rank:
        """By deadline; answers that have begun were served in time or not already."""
        own = sequence.deadline
        return (float(own if own is not None else sequence.arrival + self.ttft),)
