"""Scheduler: turns of equal length."""

from dataclasses import dataclass
from typing import ClassVar

from kvsim.policies.scheduler.ranked import Rank, Ranked
from kvsim.sim.policy import EngineView, SequenceView, scheduler


@scheduler.register("fastswitch")
@dataclass(slots=True)
class FastSwitch(Ranked):
    """Requests take turns of some tokens; who has had fewest turns goes on (context switching).

    After Shen et al., FastSwitch: optimizing context switching efficiency in fairness-aware large
    language model serving, 2024, whose priorities change at a frequency. With
    `preemption: swap` a switch moves KV to the host's memory and back, with `allocation:
    block_groups` in few large copies. Copies are not kept in DRAM to be used again.
    """

    preemptive: ClassVar[bool] = True
    quantum: int = 50
    """Tokens of a turn: the paper's priorities change every 50 iterations (0.02, recalled)."""

    def rank(self, view: EngineView, sequence: SequenceView) -> Rank:
        """Turns taken, then arrival."""
        return (float(view.generated(sequence) // self.quantum), float(sequence.ready))

    def stands(self, view: EngineView) -> int | None:
        """Until the next turn ends."""
        still, begun = set(view.suspended), set(view.prefilling)
        return min(
            (
                self.quantum - view.generated(one) % self.quantum
                for one in view.running
                if one not in still and one not in begun
            ),
            default=None,
        )
