"""Scheduler: iteration level, whole prompts."""

from collections.abc import Iterator
from dataclasses import dataclass

from kvsim.sim.policy import EngineView, Move, Prefill, Scheduler, scheduler


@scheduler.register("orca")
@dataclass(slots=True)
class Orca(Scheduler):
    """After every iteration requests join and leave; prompts are computed whole (Orca).

    Yu et al., Orca: a distributed serving system for transformer-based generative models, OSDI
    2022: first come, first served, at most `sequences` at a time, prompts and decodes in one step.
    """

    sequences: int = 128
    """Most requests that run at once (`max_batch_size`)."""

    def plan(self, view: EngineView) -> Iterator[Move]:
        """Everybody's whole prompt, in order."""
        for sequence in tuple(view.prefilling):
            yield Prefill(sequence, sequence.missing)
        if view.preempting:
            return
        while view.waiting and view.running_requests < self.sequences:
            sequence = view.waiting[0]
            tokens = sequence.missing - view.cached(sequence)
            if not view.fits(sequence, view.cached(sequence) + tokens):
                return
            yield Prefill(sequence, tokens)
