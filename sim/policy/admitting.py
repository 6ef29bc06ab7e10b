"""The question whether a replica takes a request at all."""

from abc import ABC, abstractmethod
from typing import ClassVar

from kvsim.sim.policy.views import EngineView, SequenceView
from kvsim.units import Ns


class Admission(ABC):
    """Whether a request that reaches a replica joins its queue. One instance a replica."""

    may_delay: ClassVar[bool] = False
    """Whether `delays` is asked, of newcomers in order, as long as somebody decodes."""

    @abstractmethod
    def refuses(self, sequence: SequenceView, view: EngineView, now: Ns) -> str | None:
        """Why not, in a few words that requests refused alike have in common; None to take it."""

    def delays(self, sequence: SequenceView, view: EngineView, now: Ns) -> bool:
        """Whether `sequence`, which is next, joins the queue later; asked again at each step."""
        return False
