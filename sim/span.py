"""A run of steps with one batch: one event, with every boundary known."""

from typing import NamedTuple

from kvsim.sim.timing import FRACTION, Pace, Work
from kvsim.units import Ns


class Span(NamedTuple):
    """Steps with one batch. Instants are exact, in 2**-FRACTION ns."""

    start: int
    pace: Pace
    work: Work
    steps: int

    def boundary(self, steps: int) -> int:
        """The instant after `steps` of its steps."""
        first, growth = self.pace.first, self.pace.growth
        return self.start + steps * first + steps * (steps - 1) // 2 * growth

    def begun(self, now: Ns) -> int:
        """Steps that have begun before `now`: the first boundary at or after `now` ends them."""
        low, high = 0, self.steps
        while low < high:
            middle = (low + high) // 2
            if self.boundary(middle) >> FRACTION < now:
                low = middle + 1
            else:
                high = middle
        return low
