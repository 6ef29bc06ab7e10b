"""Scheduler: levels that answers sink through."""

from dataclasses import dataclass
from typing import ClassVar

from kvsim.policies.scheduler.ranked import Rank, Ranked
from kvsim.sim.policy import EngineView, SequenceView, scheduler


@scheduler.register("fastserve")
@dataclass(slots=True)
class FastServe(Ranked):
    """Answers sink a level after each quantum; those of long prompts start lower (skip-join MLFQ).

    Wu et al., Fast distributed inference serving for large language models (FastServe), 2023.
    Quanta are counted in tokens here. Who is suspended keeps its memory until a higher level needs
    it. With `preemption: swap` it then goes to the host's memory as in FastServe, but not ahead of
    need. There is no promotion of those who starve.
    """

    preemptive: ClassVar[bool] = True
    quantum: int = 16
    """Tokens of the highest level; each level has twice as many as the one above."""
    levels: int = 8
    prompt_weight: float = 0.02
    """Tokens of an answer that a token of a prompt takes as long as: it decides where one joins."""

    def rank(self, view: EngineView, sequence: SequenceView) -> Rank:
        """Level, then arrival."""
        return (float(self._level(view, sequence)[0]), float(sequence.ready))

    def stands(self, view: EngineView) -> int | None:
        """Until the next one sinks."""
        still, begun = set(view.suspended), set(view.prefilling)
        decoding = (one for one in view.running if one not in still and one not in begun)
        return min((self._level(view, one)[1] for one in decoding), default=None)

    def _level(self, view: EngineView, sequence: SequenceView) -> tuple[int, int]:
        """The level it is on, and tokens until it sinks."""
        level, quantum = 0, self.quantum
        while level < self.levels - 1 and quantum < self.prompt_weight * sequence.prompt_tokens:
            level, quantum = level + 1, quantum * 2
        taken = view.generated(sequence)
        while taken >= quantum and level < self.levels - 1:
            taken -= quantum
            level, quantum = level + 1, quantum * 2
        return level, max(1, quantum - taken) if level < self.levels - 1 else 1 << 30
