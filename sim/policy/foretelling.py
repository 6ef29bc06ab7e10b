"""The question how long an answer will be."""

from abc import ABC, abstractmethod
from typing import ClassVar

from kvsim.sim.policy.views import SequenceView


class Predictor(ABC):
    """Tokens that answers will have, for schedulers that order by it. One instance a replica."""

    needs: ClassVar[frozenset[str]] = frozenset()
    """`{"future"}` for an oracle: it is then told, and reports say so."""

    @abstractmethod
    def predict(self, sequence: SequenceView, future: int | None) -> float:
        """Tokens of the whole answer of `sequence`; `future` is the truth, for oracles only.

        Says the same until `learned` is called.
        """

    def learned(self, sequence: SequenceView, tokens: int) -> None:
        """`sequence` is finished, with so many tokens."""
        del sequence, tokens
