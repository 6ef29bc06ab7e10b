"""Schedulers that serve requests in an order of their own. Not a policy itself."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import nsmallest
from typing import ClassVar

from kvsim.sim.policy import (
    EngineView,
    Move,
    Pause,
    Preempt,
    Prefill,
    Resume,
    Scheduler,
    SequenceView,
    Stand,
)

Rank = tuple[float, ...]


@dataclass(slots=True)
class Ranked(Scheduler):
    """Lowest rank first, within a token budget; ties go to who came first.

    A preemptive one lets only the lowest run, whoever has begun: others are suspended and keep
    their memory until somebody of a lower rank needs it.
    """

    preemptive: ClassVar[bool] = False
    tokens: int = 8192
    """Token budget of a step."""
    sequences: int = 256
    """Most requests that run at once."""

    @abstractmethod
    def rank(self, view: EngineView, sequence: SequenceView) -> Rank:
        """Lower goes first."""

    def stands(self, view: EngineView) -> int | None:
        """For how many steps ranks keep their order; None as long as the batch stays the same."""
        return None

    def plan(self, view: EngineView) -> Iterator[Move]:
        """Suspend, resume, continue prompts, admit."""
        if self.preemptive:
            yield from self._switch(view)
        budget = self.tokens - view.decoding
        for sequence in self._ordered(view, view.prefilling):
            tokens = min(sequence.missing, budget)
            if tokens <= 0:
                break
            if self.preemptive:
                yield from self._make_room(view, sequence, tokens)
            yield Prefill(sequence, tokens)
            budget -= tokens
        if not view.preempting:
            yield from self._admit(view, budget)
        steps = self.stands(view) if view.waiting or view.suspended else None
        if steps is not None:
            yield Stand(max(1, steps))

    def _ordered(self, view: EngineView, asked: Iterable[SequenceView]) -> list[SequenceView]:
        return sorted(asked, key=lambda one: (*self.rank(view, one), one.id))

    def _switch(self, view: EngineView) -> Iterator[Move]:
        """Those who may run take tokens, the others do not."""
        everyone = [*view.running, *view.waiting]
        if len(everyone) <= self.sequences and not view.suspended:
            return
        chosen = set(
            nsmallest(self.sequences, everyone, key=lambda one: (*self.rank(view, one), one.id))
        )
        begun, still = set(view.prefilling), set(view.suspended)
        for sequence in tuple(view.running):
            if sequence not in chosen and sequence not in begun and sequence not in still:
                yield Pause(sequence)
        for sequence in self._ordered(view, view.suspended):
            if sequence in chosen and sequence in view.suspended:
                yield from self._bring_back(view, sequence)

    def _admit(self, view: EngineView, budget: int) -> Iterator[Move]:
        """From the queue, as long as there are seats, tokens and memory."""
        for sequence in self._ordered(view, view.waiting):
            active = view.running_requests - len(view.suspended)
            if budget <= 0 or active >= self.sequences:
                return
            cached = view.cached(sequence)
            tokens = min(sequence.missing - cached, budget)
            while not view.fits(sequence, cached + tokens):
                victim = self._outranked(view, sequence)
                if victim is None:
                    if cached and tokens < sequence.missing - cached:
                        yield Stand(view.cache_stands)  # with less cached, less is asked for
                    return
                yield Preempt(victim)
                cached = view.cached(sequence)
                tokens = min(sequence.missing - cached, budget)
            yield Prefill(sequence, tokens)
            budget -= tokens

    def _bring_back(self, view: EngineView, sequence: SequenceView) -> Iterator[Move]:
        """`sequence` goes on; those suspended who come after it go if their memory is needed."""
        while not view.resumes(sequence):
            victim = self._outranked(view, sequence)
            if victim is None:
                return
            yield Preempt(victim)
        yield Resume(sequence)

    def _make_room(self, view: EngineView, sequence: SequenceView, tokens: int) -> Iterator[Move]:
        """Those suspended, who cannot finish now, go before a prompt that could."""
        while not view.fits(sequence, tokens):
            victim = self._outranked(view, sequence)
            if victim is None:
                return
            yield Preempt(victim)

    def _outranked(self, view: EngineView, sequence: SequenceView) -> SequenceView | None:
        """The suspended request that goes last, if it goes after `sequence`.

        One at a time: while one's KV is on its way out, room is coming.
        """
        if not view.suspended or view.vacating:
            return None
        last = self._ordered(view, view.suspended)[-1]
        after = (*self.rank(view, last), last.id) > (*self.rank(view, sequence), sequence.id)
        return last if after else None
