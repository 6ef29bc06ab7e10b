"""Scheduler: longest prefix match."""

from dataclasses import dataclass

from kvsim.policies.scheduler.ranked import Rank, Ranked
from kvsim.sim.policy import EngineView, SequenceView, scheduler


@scheduler.register("lpm")
@dataclass(slots=True)
class LongestPrefix(Ranked):
    """Requests with the longest cached prefix are admitted first (SGLang's LPM).

    Zheng et al., SGLang: efficient execution of structured language model programs, NeurIPS 2024:
    optimal for hit rates offline. Above `most` waiting requests SGLang falls back to the order of
    arrival, as looking all of them up takes too long (128 in its source, recalled).
    """

    most: int = 128

    def stands(self, view: EngineView) -> int | None:
        """The order is that of what is cached."""
        return view.cache_stands

    def rank(self, view: EngineView, sequence: SequenceView) -> Rank:
        """The longest cached prefix first, then by arrival."""
        if len(view.waiting) > self.most:
            return (0.0, float(sequence.ready))
        return (-float(view.cached(sequence)), float(sequence.ready))
