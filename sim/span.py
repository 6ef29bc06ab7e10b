"""A run of steps with one batch: one event, with every boundary known."""

from typing import NamedTuple

from kvsim.sim.timing import FRACTION, Pace, Work
from kvsim.units import Ns

PLAIN = 1 << 10
"""The stretch of steps that nothing slows down. Being a fraction, a stretch needs no rounding."""
TICK = FRACTION + 10
"""Instants of a replica are integers in units of 2**-TICK ns: a pace times a stretch."""


class Span(NamedTuple):
    """Steps with one batch. Instants are exact, in 2**-TICK ns."""

    start: int
    pace: Pace
    work: Work
    steps: int
    stretch: int = PLAIN
    """How much longer than its pace a step takes, in 1/PLAIN: transfers and stragglers."""

    def boundary(self, steps: int) -> int:
        """The instant after `steps` of its steps."""
        first, growth = self.pace.first, self.pace.growth
        return self.start + (steps * first + steps * (steps - 1) // 2 * growth) * self.stretch

    def begun(self, now: Ns) -> int:
        """Steps that have begun before `now`: the first boundary at or after `now` ends them."""
        low, high = 0, self.steps
        while low < high:
            middle = (low + high) // 2
            if self.boundary(middle) >> TICK < now:
                low = middle + 1
            else:
                high = middle
        return low
