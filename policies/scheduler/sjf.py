"""Scheduler: shortest job first."""

from dataclasses import dataclass

from kvsim.policies.scheduler.ranked import Rank, Ranked
from kvsim.sim.policy import EngineView, SequenceView, scheduler


@scheduler.register("sjf")
@dataclass(slots=True)
class ShortestFirst(Ranked):
    """The request with the shortest predicted answer is admitted first (SJF); who runs, runs on.

    With `predictor: none` this is first come, first served.
    """

    prompt_weight: float = 0.01
    """Tokens of an answer that a token of a prompt takes as long as."""

    def rank(self, view: EngineView, sequence: SequenceView) -> Rank:
        """By the predicted answer, prompts counting as `prompt_weight` of a token each."""
        work = view.predicted(sequence) + self.prompt_weight * sequence.prompt_tokens
        return (work,)
