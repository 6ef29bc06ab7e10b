"""Predictor: the truth."""

from dataclasses import dataclass
from typing import ClassVar

from kvsim.sim.policy import Predictor, SequenceView, predictor


@predictor.register("oracle")
@dataclass(slots=True)
class Oracle(Predictor):
    """Knows how long every answer will be: a bound, which no real system reaches."""

    needs: ClassVar[frozenset[str]] = frozenset({"future"})

    def predict(self, sequence: SequenceView, future: int | None) -> float:
        """What will be."""
        assert future is not None
        return float(future)
