"""Predictor: the truth, blurred."""

from dataclasses import dataclass
from math import exp
from typing import ClassVar

from kvsim.sim.policy import Predictor, SequenceView, predictor

GOLDEN = 0x9E3779B97F4A7C15
"""Fractional part of the golden ratio in 64 bits: spreads consecutive ids evenly (Knuth, The Art of
Computer Programming, volume 3, multiplicative hashing)."""


@predictor.register("noisy")
@dataclass(slots=True)
class Noisy(Predictor):
    """The truth times a log-normal error, the same one for a request each time.

    Stands for learned predictors: those published name the right one of a few length classes for
    60 to 90 % of requests (recalled).
    """

    needs: ClassVar[frozenset[str]] = frozenset({"future"})
    sigma: float = 0.5
    """Standard deviation of the logarithm."""
    seed: int = 1

    def predict(self, sequence: SequenceView, future: int | None) -> float:
        """Twelve uniform numbers off the id, less six, are nearly normal."""
        assert future is not None
        state, total = (sequence.id + 1) * GOLDEN + self.seed, 0.0
        for _ in range(12):
            state = (state ^ state >> 29) * GOLDEN % 2**64
            total += state / 2**64
        return future * exp(self.sigma * (total - 6))
