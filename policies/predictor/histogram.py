"""Predictor: what answers of the same class have had."""

from dataclasses import dataclass, field

from kvsim.sim.policy import Predictor, SequenceView, predictor


@predictor.register("histogram")
@dataclass(slots=True)
class Histogram(Predictor):
    """The mean of the finished answers of the same class and of prompts about as long.

    Learns while it runs; before the first answer it says `start`.
    """

    start: float = 256.0
    """Tokens."""
    _sums: dict[tuple[str, int], tuple[float, int]] = field(
        init=False, repr=False, default_factory=dict
    )

    def predict(self, sequence: SequenceView, future: int | None) -> float:
        """Of its own class, with one answer of `start` tokens mixed in."""
        total, many = self._sums.get(self._class(sequence), (0.0, 0))
        return (total + self.start) / (many + 1)

    def learned(self, sequence: SequenceView, tokens: int) -> None:
        """One answer more."""
        key = self._class(sequence)
        total, many = self._sums.get(key, (0.0, 0))
        self._sums[key] = total + tokens, many + 1

    def _class(self, sequence: SequenceView) -> tuple[str, int]:
        """Prompts of one power of two are about as long."""
        return sequence.kind, sequence.prompt_tokens.bit_length()
