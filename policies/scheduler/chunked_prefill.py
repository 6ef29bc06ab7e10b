"""Scheduler: vLLM v1's, decodes first and prompts in chunks of what the token budget leaves."""

from collections.abc import Iterator
from dataclasses import dataclass

from kvsim.sim.policy import EngineView, Move, Prefill, Scheduler, Stand, scheduler


@scheduler.register("chunked_prefill")
@dataclass(slots=True)
class ChunkedPrefill(Scheduler):
    """Running requests first, then the queue in order, within a token budget (vLLM v1, Sarathi).

    The head of the queue blocks those behind it when memory is short, and nobody is admitted at a
    boundary at which somebody was preempted, as in vLLM v1's `Scheduler.schedule`.
    """

    tokens: int = 8192
    """Token budget of a step (vLLM `max_num_batched_tokens`)."""
    sequences: int = 256
    """Most requests that run at once (vLLM `max_num_seqs`)."""

    def plan(self, view: EngineView) -> Iterator[Move]:
        """Continue prompts that have begun, then admit from the head of the queue."""
        budget = self.tokens - view.decoding
        for sequence in tuple(view.prefilling):
            tokens = min(sequence.missing, budget)
            if tokens <= 0:
                return
            yield Prefill(sequence, tokens)
            budget -= tokens
        if view.preempting:
            return
        while budget > 0 and view.waiting and view.running_requests < self.sequences:
            sequence = view.waiting[0]
            cached = view.cached(sequence)
            tokens = min(sequence.missing - cached, budget)
            if not view.fits(sequence, cached + tokens):
                if cached and tokens < sequence.missing - cached:
                    yield Stand(view.cache_stands)  # with less of it cached, less is asked for
                return
            yield Prefill(sequence, tokens)
            budget -= tokens

    def awaits(self, view: EngineView) -> bool:
        """The newcomer is the head, and there is a place: a blocked head waits for a finish."""
        return len(view.waiting) == 1 and view.running_requests < self.sequences
