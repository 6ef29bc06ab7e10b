"""Scheduler: shortest remaining time first."""

from dataclasses import dataclass
from typing import ClassVar

from kvsim.policies.scheduler.ranked import Rank, Ranked
from kvsim.sim.policy import EngineView, SequenceView, scheduler


@scheduler.register("srtf")
@dataclass(slots=True)
class ShortestRemaining(Ranked):
    """The requests with the shortest predicted rest run, whoever has begun (SRTF, preemptive).

    Schrage & Miller, The queue M/G/1 with the shortest remaining processing time discipline, 1966:
    with true lengths and free preemption no order has a lower mean latency.
    """

    preemptive: ClassVar[bool] = True
    prompt_weight: float = 0.01
    """Tokens of an answer that a token of a prompt takes as long as."""

    def rank(self, view: EngineView, sequence: SequenceView) -> Rank:
        """By what is left of the predicted answer."""
        rest = max(view.predicted(sequence) - view.generated(sequence), 0.0)
        return (rest + self.prompt_weight * sequence.missing,)
