"""Piecewise straight lines: in floats while tables are read, in integers while a run looks up."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kvsim.sim.timing import FRACTION

UNIT = 1 << FRACTION
"""Integer times are in 1/UNIT ns."""


class Line(NamedTuple):
    """Measured points (x, ns), joined by straight lines; flat before the first, extended after the last."""

    x: tuple[int, ...]
    y: tuple[float, ...]

    def at(self, x: float) -> float:
        """The time at `x`."""
        if len(self.x) == 1 or x <= self.x[0]:
            return self.y[0]
        left = min(bisect_right(self.x, x), len(self.x) - 1) - 1
        share = (x - self.x[left]) / (self.x[left + 1] - self.x[left])
        return max(0.0, self.y[left] + share * (self.y[left + 1] - self.y[left]))

    def blend(self, other: "Line", weight: float) -> "Line":
        """(1 - weight) of this line and `weight` of the other, at every knot of either."""
        if weight == 0:
            return self
        knots = sorted({*self.x, *other.x})
        times = ((1 - weight) * self.at(x) + weight * other.at(x) for x in knots)
        return Line(tuple(knots), tuple(times))

    def scaled(self, factor: float) -> "Line":
        """The same line, every time `factor` as long."""
        return Line(self.x, tuple(y * factor for y in self.y))

    def rising(self) -> "Line":
        """The closest line that never falls (pool adjacent violators): measurements are noisy."""
        blocks: list[tuple[float, int]] = []
        for y in self.y:
            total, count = y, 1
            while blocks and blocks[-1][0] * count >= total * blocks[-1][1]:
                more, members = blocks.pop()
                total, count = total + more, count + members
            blocks.append((total, count))
        return Line(self.x, tuple(t / count for t, count in blocks for _ in range(count)))


def line(points: Iterable[tuple[int, float]]) -> Line:
    """A line through points in any order."""
    ordered = sorted(points)
    return Line(tuple(x for x, _ in ordered), tuple(y for _, y in ordered))


def summed(lines: Sequence[Line]) -> Line:
    """The sum of lines, at every knot of any of them."""
    knots = sorted({x for one in lines for x in one.x})
    return Line(tuple(knots), tuple(sum(one.at(x) for one in lines) for x in knots))


class Curve(NamedTuple):
    """A line in integers: exactly affine between knots, so that a run of steps adds up exactly."""

    knots: list[int]
    base: list[int]
    """Time at each knot, in 1/UNIT ns."""
    slope: list[int]
    """From each knot on, in 1/UNIT ns per unit of x."""
    end: int
    """The last x that was measured; beyond it the line is an extrapolation."""

    def at(self, x: int) -> int:
        """The time at `x`, in 1/UNIT ns."""
        index = max(0, bisect_right(self.knots, x) - 1)
        return self.base[index] + (x - self.knots[index]) * self.slope[index]


def curve(points: Line, end: int | None = None) -> Curve:
    """The integer form of a line. It starts at x = 0, and never falls if the line does not."""
    knots, base = list(points.x), [round(y * UNIT) for y in points.y]
    if knots[0] > 0:
        knots, base = [0, *knots], [base[0], *base]
    slope = [(base[i + 1] - base[i]) // (knots[i + 1] - knots[i]) for i in range(len(knots) - 1)]
    slope.append(slope[-1] if slope else 0)
    return Curve(knots, base, slope, points.x[-1] if end is None else end)
