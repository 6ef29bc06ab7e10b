"""Scheduler: one batch after another."""

from collections.abc import Iterator
from dataclasses import dataclass

from kvsim.sim.policy import EngineView, Move, Prefill, Scheduler, scheduler


@scheduler.register("static_batch")
@dataclass(slots=True)
class StaticBatch(Scheduler):
    """A batch is formed, and the next one only when all of it has finished (request level).

    As FasterTransformer served before Orca. Answers that end early leave at once here and save
    their part of the work, where that system computed padding for them until the last one ended.
    """

    sequences: int = 32
    """Requests of a batch."""
    tokens: int = 1 << 20
    """Most prompt tokens of a step."""

    def plan(self, view: EngineView) -> Iterator[Move]:
        """Fill an empty machine; otherwise only go on."""
        budget = self.tokens
        for sequence in tuple(view.prefilling):
            tokens = min(sequence.missing, budget)
            if tokens <= 0:
                return
            yield Prefill(sequence, tokens)
            budget -= tokens
        if view.running_requests:
            return
        while view.waiting and view.running_requests < self.sequences and budget > 0:
            sequence = view.waiting[0]
            cached = view.cached(sequence)
            if not view.fits(sequence, sequence.missing):
                return
            tokens = min(sequence.missing - cached, budget)
            yield Prefill(sequence, tokens)
            budget -= tokens
