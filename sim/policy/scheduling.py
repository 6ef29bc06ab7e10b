"""The questions what a replica computes next, and who leaves when memory runs out."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Reversible
from typing import NamedTuple

from kvsim.sim.policy.views import EngineView, SequenceView


class Prefill(NamedTuple):
    """A scheduler's move: compute `tokens` more of a prompt in the next step; may admit it."""

    sequence: SequenceView
    tokens: int


class Scheduler(ABC):
    """What the next step computes besides one token for every decoding sequence."""

    @abstractmethod
    def plan(self, view: EngineView) -> Iterator[Prefill]:
        """Moves for the next step. Each is carried out before the next is asked for.

        Called at every boundary with somebody waiting or a prompt begun. Draws no random numbers
        and keeps no memory of the call: asked again without a change in between, it says the same.
        """

    def awaits(self, view: EngineView) -> bool:
        """Whether a request that has just joined `view.waiting` can change the plan at once.

        False lets the running span go on to its end. Must be true where in doubt.
        """
        del view
        return True


class Preemption(ABC):
    """Who leaves when the running sequences have outgrown memory, and what becomes of its KV."""

    @abstractmethod
    def victim(self, running: Reversible[SequenceView]) -> SequenceView:
        """One of `running`, given in order of admission."""
