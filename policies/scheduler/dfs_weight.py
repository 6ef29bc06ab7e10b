"""Scheduler: down the heaviest branches of the prefix tree."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from kvsim.policies.scheduler.ranked import Rank, Ranked
from kvsim.sim.policy import EngineView, Move, SequenceView, scheduler


@scheduler.register("dfs_weight")
@dataclass(slots=True)
class DfsWeight(Ranked):
    """Waiting requests in depth-first order of the tree, heavy branches first (SGLang).

    Zheng et al., SGLang, NeurIPS 2024; `SchedulePolicy._dfs_weight` in its source: a branch weighs
    as much as requests wait in it. Requests that share what is not cached yet need no delay here:
    blocks can be shared as soon as they are scheduled.
    """

    _order: dict[int, int] = field(init=False, repr=False, default_factory=dict)

    def plan(self, view: EngineView) -> Iterator[Move]:
        """In the order of the tree as it is at this boundary."""
        self._order = self._ranks(view)
        try:
            yield from Ranked.plan(self, view)
        finally:
            self._order = {}

    def stands(self, view: EngineView) -> int | None:
        """The order is that of what is cached."""
        return view.cache_stands

    def rank(self, view: EngineView, sequence: SequenceView) -> Rank:
        """Its place in that order; those who run go on in the order they came."""
        return (float(self._order.get(sequence.id, -1)), float(sequence.ready))

    def _ranks(self, view: EngineView) -> dict[int, int]:
        paths = {one.id: view.path(one) for one in view.waiting}
        weights: dict[tuple[int, ...], int] = {}
        for path in paths.values():
            for end in range(1, len(path) + 1):
                weights[path[:end]] = weights.get(path[:end], 0) + 1

        def place(id: int) -> tuple[tuple[int, int], ...]:
            path = paths[id]
            ends = range(1, len(path) + 1)
            return tuple((-weights[path[:end]], path[end - 1]) for end in ends) or ((1, 0),)

        ordered = sorted(paths, key=lambda id: (place(id), id))
        return {id: rank for rank, id in enumerate(ordered)}
