"""Scheduler: fair shares for clients."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from kvsim.sim.policy import EngineView, Move, Prefill, Scheduler, SequenceView, Stand, scheduler


@scheduler.register("vtc")
@dataclass(slots=True)
class VTC(Scheduler):
    """The client that has been served least is next (virtual token counters).

    Sheng et al., Fairness in serving large language models, OSDI 2024: a client's counter grows
    with its prompt tokens when they are admitted and with each token of its answers, by weight. A
    client that comes back is lifted to the lowest counter of those active. Of two clients that
    always have requests waiting, none gets ahead by more than 2 max(w_p input, w_q memory).
    """

    remembers: ClassVar[bool] = True
    tokens: int = 8192
    sequences: int = 256
    prompt_weight: float = 1.0
    """w_p of the paper."""
    output_weight: float = 2.0
    """w_q of the paper."""
    _settled: dict[str, float] = field(init=False, repr=False, default_factory=dict)
    """Counters of what is finished, lifts included."""

    def welcome(self, view: EngineView, sequence: SequenceView) -> None:
        """Lift a client that had nothing here to the least counter of the others."""
        client, others = sequence.client, {one.client for one in view.running}
        own = sum(one.client == client for one in view.waiting)
        others |= {one.client for one in view.waiting}
        if own > 1 or any(one.client == client for one in view.running):
            return
        counters = self._counters(view)
        least = min((counters.get(name, 0.0) for name in others - {client}), default=0.0)
        self._settled[client] = max(self._settled.get(client, 0.0), least)

    def finished(self, view: EngineView, sequence: SequenceView) -> None:
        """Its service counts from now on although it is gone."""
        paid = self._paid(view, sequence)
        self._settled[sequence.client] = self._settled.get(sequence.client, 0.0) + paid

    def plan(self, view: EngineView) -> Iterator[Move]:
        """Go on with prompts; then the first request of the least served client, and so on."""
        budget = self.tokens - view.decoding
        for sequence in tuple(view.prefilling):
            tokens = min(sequence.missing, budget)
            if tokens <= 0:
                return
            yield Prefill(sequence, tokens)
            budget -= tokens
        if view.preempting:
            return
        counters = self._counters(view)
        while budget > 0 and view.waiting and view.running_requests < self.sequences:
            first: dict[str, SequenceView] = {}
            for one in view.waiting:
                first.setdefault(one.client, one)
            sequence = min(first.values(), key=lambda one: (counters.get(one.client, 0.0), one.id))
            cached = view.cached(sequence)
            tokens = min(sequence.missing - cached, budget)
            if not view.fits(sequence, cached + tokens):
                yield Stand(1)
                return
            counters[sequence.client] = counters.get(sequence.client, 0.0)
            counters[sequence.client] += self.prompt_weight * sequence.prompt_tokens
            yield Prefill(sequence, tokens)
            budget -= tokens

    def _counters(self, view: EngineView) -> dict[str, float]:
        """What each client has been served, those who run now included."""
        found = dict(self._settled)
        for one in view.running:
            found[one.client] = found.get(one.client, 0.0) + self._paid(view, one)
        return found

    def _paid(self, view: EngineView, sequence: SequenceView) -> float:
        own = self.prompt_weight * sequence.prompt_tokens
        return own + self.output_weight * view.generated(sequence)
