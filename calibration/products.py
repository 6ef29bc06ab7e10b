"""Matrix products between measured shapes: on a grid, or near the shapes of some models."""

from math import hypot, log

from kvsim.calibration.operators import Gemms
from kvsim.calibration.roofline import Roofline
from kvsim.calibration.table import Gemm, Row, Shapes, geometric, line, logarithmic, rising

REACH = 2.0
"""A shape stands for others up to this many times as wide or as deep, or as little."""
NEIGHBOURS = 3
"""Shapes that are averaged, the closer the more."""


def nearby(shapes: Shapes, shape: Gemms, roofline: Roofline, bits: int) -> Row | None:
    """Times of a shape by m: its own, or the roofline's as far off as it is for its neighbours.

    None where no measured shape is within REACH.
    """
    exact = shapes.get((shape.n, shape.k))
    if exact is not None:
        return Row(exact.contexts, rising(exact.ns))
    close = []
    for n, k in shapes:
        across, down = log(n / shape.n), log(k / shape.k)
        if max(abs(across), abs(down)) <= log(REACH):
            close.append((hypot(across, down), n, k))
    if not close:
        return None
    close = sorted(close)[:NEIGHBOURS]
    total = sum(distance**-2 for distance, _, _ in close)
    found = [
        (Gemms(n, k), shapes[n, k], distance**-2 / total) for distance, n, k in close
    ]  # fmt: skip
    end = min(row.contexts[-1] for _, row, _ in found)
    grid = tuple(m for m in found[0][1].contexts if m <= end)
    ratios = (
        [(line(row, m) / roofline.gemm(one, int(m), bits).ns, w) for one, row, w in found]
        for m in grid
    )
    own = (roofline.gemm(shape, int(m), bits).ns for m in grid)
    return Row(grid, rising(ns * geometric(ratio) for ns, ratio in zip(own, ratios, strict=True)))


def taller(row: Row, m: float) -> float:
    """Beyond the last m in proportion: a product that large is busy with arithmetic."""
    end = row.contexts[-1]
    return line(row, max(m, row.contexts[0])) if m <= end else row.ns[-1] * m / end


def interpolated(
    gemm: Gemm, shape: Gemms, roofline: Roofline, bits: int
) -> tuple[float, ...] | None:
    """Times by m of a shape inside the grid; None outside it."""
    exact = gemm.ns.get((shape.n, shape.k))
    if exact is not None:
        return rising(exact)
    if shape.n > gemm.n[-1] or not gemm.k[0] <= shape.k <= gemm.k[-1]:
        return None
    if shape.n < gemm.n[0]:  # a kernel computes whole tiles, no narrower than the grid's first
        return interpolated(gemm, Gemms(gemm.n[0], shape.k), roofline, bits)
    (i, a), (j, b) = logarithmic(gemm.n, shape.n), logarithmic(gemm.k, shape.k)
    corners = []
    for row, across in ((i, 1 - a), (i + 1, a)):
        for column, down in ((j, 1 - b), (j + 1, b)):
            corner = Gemms(gemm.n[row], gemm.k[column])
            times = gemm.ns.get((corner.n, corner.k))
            if times is None and across * down:
                return None
            if times is not None:
                corners.append((corner, times, across * down))
    return rising(
        roofline.gemm(shape, m, bits).ns
        * geometric([(ns[at] / roofline.gemm(c, m, bits).ns, weight) for c, ns, weight in corners])
        for at, m in enumerate(gemm.m)
    )
