"""Scheduler: groups that share a prefix, one after another."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from kvsim.policies.scheduler.ranked import Rank, Ranked
from kvsim.sim.policy import EngineView, Move, SequenceView, scheduler


@scheduler.register("batchllm")
@dataclass(slots=True)
class BatchLLM(Ranked):
    """Waiting requests with the same prefix are served together, larger groups first (BatchLLM).

    Zheng et al., BatchLLM: optimizing large batched LLM inference with global prefix sharing and
    throughput-oriented token batching, 2024. A group is all who share the first block. Its token
    batching by memory is the large default budget of a step.
    """

    tokens: int = 16384
    _groups: dict[int, int] = field(init=False, repr=False, default_factory=dict)

    def plan(self, view: EngineView) -> Iterator[Move]:
        """By the groups that wait at this boundary."""
        groups: dict[int, int] = {}
        for one in (*view.waiting, *view.running):
            groups[one.head] = groups.get(one.head, 0) + 1
        self._groups = groups
        try:
            yield from Ranked.plan(self, view)
        finally:
            self._groups = {}

    def rank(self, view: EngineView, sequence: SequenceView) -> Rank:
        """Size of its group, its name, then arrival."""
        size = self._groups.get(sequence.head, 0)
        return (-float(size), float(sequence.head), float(sequence.ready))
