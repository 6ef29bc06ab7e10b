"""Predictor: nothing is known."""

from dataclasses import dataclass

from kvsim.sim.policy import Predictor, SequenceView, predictor


@predictor.register("none")
@dataclass(slots=True)
class Nothing(Predictor):
    """All answers count as equally long. The template: copy this file."""

    def predict(self, sequence: SequenceView, future: int | None) -> float:
        """The same for everybody."""
        return 0.0
