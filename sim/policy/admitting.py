"""The question whether a replica takes a request at all."""

from abc import ABC, abstractmethod

from kvsim.sim.policy.views import EngineView, SequenceView
from kvsim.units import Ns


class Admission(ABC):
    """Whether a request that reaches a replica joins its queue. One instance a replica."""

    @abstractmethod
    def refuses(self, sequence: SequenceView, view: EngineView, now: Ns) -> str | None:
        """Why not, in a few words that requests refused alike have in common; None to take it."""
