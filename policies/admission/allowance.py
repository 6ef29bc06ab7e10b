"""Admission: prompts begin as long as those who decode can afford it."""

from dataclasses import dataclass
from math import inf
from typing import ClassVar

from kvsim.sim.policy import Admission, EngineView, SequenceView, admission
from kvsim.units import MS, Ns


@admission.register("allowance")
@dataclass(slots=True)
class Allowance(Admission):
    """A prompt waits while computing it would cost somebody his time per token (LayerKV).

    Xiong et al., LayerKV, 2024 (arXiv 2410.00428; recalled). Who decodes has won or lost time
    against the objective so far, and will win as much a token until its answer ends, where
    policies.predictor says when. Prompts begin while computing all of them takes no more than
    the least that anybody can spare. Who has missed the objective for good no longer counts.
    """

    may_delay: ClassVar[bool] = True

    tpot: Ns = 200 * MS
    """Objective."""

    def refuses(self, sequence: SequenceView, view: EngineView, now: Ns) -> str | None:
        """Nobody."""
        return None

    def delays(self, sequence: SequenceView, view: EngineView, now: Ns) -> bool:
        """By the prompts that are before it, and its own."""
        begun = set(view.prefilling)
        going = [one for one in (*view.running, *view.outside) if one not in begun]
        ahead = sum(one.missing for one in (*view.prefilling, *view.waiting))
        own = max(1, sequence.missing - view.cached(sequence))
        step = self._step(view, now)
        spare = (self._spare(one, step, view, now) for one in going)
        least = min((time for time in spare if time >= 0), default=inf)
        return view.prefill_time(ahead + own) > least

    def _step(self, view: EngineView, now: Ns) -> float:
        """Time per token of those who decode, up to now."""
        taken = [(view.generated(one) - 1, one.first_token) for one in view.running]
        each = [(now - first) / count for count, first in taken if count > 0 and first is not None]
        return sum(each) / len(each) if each else 0.0

    def _spare(self, sequence: SequenceView, step: float, view: EngineView, now: Ns) -> float:
        """Time that `sequence` can be kept waiting for."""
        if sequence.first_token is None:
            return 0.0
        had = view.generated(sequence)
        left = max(0.0, view.predicted(sequence) - had)
        return self.tpot * (had - 1 + left) - (now - sequence.first_token) - step * left
