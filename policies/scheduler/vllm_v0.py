"""Scheduler: vLLM v0's, prompts first."""

from collections.abc import Iterator
from dataclasses import dataclass

from kvsim.sim.policy import EngineView, Hold, Move, Prefill, Scheduler, scheduler


@scheduler.register("vllm_v0")
@dataclass(slots=True)
class VllmV0(Scheduler):
    """A step holds either whole prompts or decodes; prompts go first, and decodes wait (vLLM v0).

    Kwon et al., Efficient memory management for large language model serving with PagedAttention,
    SOSP 2023, and `Scheduler._schedule_default` of vLLM before v1.
    """

    tokens: int = 8192
    """Most prompt tokens of a step (`max_num_batched_tokens`); a longer prompt goes alone."""
    sequences: int = 256
    """Most requests that run at once (`max_num_seqs`)."""

    def plan(self, view: EngineView) -> Iterator[Move]:
        """Prompts that fit, if there are any; otherwise decodes go on."""
        if view.preempting:
            return
        budget, is_holding = self.tokens, False
        for sequence in tuple(view.prefilling):  # whole, but for KV that was on its way
            if not is_holding:
                is_holding = True
                yield Hold()
            yield Prefill(sequence, sequence.missing)
            budget -= sequence.missing
        while view.waiting and view.running_requests < self.sequences:
            sequence = view.waiting[0]
            cached = view.cached(sequence)
            tokens = sequence.missing - cached
            if (tokens > budget and is_holding) or not view.fits(sequence, cached + tokens):
                return
            if not is_holding:
                is_holding = True
                yield Hold()
            yield Prefill(sequence, tokens)
            budget -= tokens
