"""Step times that are linear in tokens, squares, contexts and sequences."""

from typing import NamedTuple

from kvsim.calibration.ledger import ONE, seeing
from kvsim.models import Model
from kvsim.sim.timing import FOREVER, Pace, StepTime, Work

MS = 1e6


class Terms(NamedTuple):
    """A constant and two slopes, in 2**-20 ns."""

    constant: int
    first: int
    second: int

    @classmethod
    def of(cls, milliseconds: tuple[float, float, float]) -> "Terms":
        """From coefficients in ms."""
        a, b, c = (round(value * MS * ONE) for value in milliseconds)
        return cls(a, b, c)


class Linear(StepTime):
    """Prompts take a + b tokens + c sum of squares; decodes a + b context + c sequences.

    A step that holds both takes both. Pipeline parallel: stages share a step's time, as DistServe
    counts it. Nothing is known of FLOPs and bytes, so none are counted.
    """

    projects = False

    def __init__(
        self, model: Model, tensor: int, pipeline: int, prefill: Terms, few: Terms, many: Terms,
        threshold: int,
    ) -> None:  # fmt: skip
        self.classes = seeing(model, tensor)
        self.pipeline = pipeline
        self.prefill = prefill
        self.few = few
        self.many = many
        self.threshold = threshold
        self.peak_flops = self.bandwidth = float("inf")

    def pace(self, work: Work) -> Pace:
        """Affine in the context for as long as the batch stays the same."""
        first = growth = 0
        if work.decodes:
            terms = self.few if work.decodes < self.threshold else self.many
            context = work.contexts[0] if work.contexts else 0
            first = terms.constant + terms.first * context + terms.second * work.decodes
            growth = terms.first * (work.growing[0] if work.growing else 0)
        if work.chunks:
            tokens = sum(chunk.tokens for chunk in work.chunks)
            squares = sum((chunk.history + chunk.tokens) ** 2 - chunk.history**2
                          for chunk in work.chunks)  # fmt: skip
            terms = self.prefill
            first += terms.constant + terms.first * tokens + terms.second * squares
        share = self.pipeline
        return Pace(first // share, growth // share, 1 if work.chunks else FOREVER, False)

    def flops(self, work: Work) -> tuple[int, int]:
        """Not known."""
        return 0, 0

    def bytes_moved(self, work: Work) -> tuple[int, int]:
        """Not known."""
        return 0, 0
