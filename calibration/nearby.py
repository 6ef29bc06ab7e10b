"""Look-ups where measurements are few: products of some models' own shapes, and prompts' chunks."""

from math import hypot, log

from kvsim.calibration.operators import Gemms
from kvsim.calibration.roofline import Roofline
from kvsim.calibration.table import Row, Shapes, between, geometric, line, rising

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


def following(rows: dict[int, Row], tokens: int, history: int) -> float:
    """A chunk of `tokens` after `history`, linear in both; longer chunks as several in turn.

    Fewer tokens than measured take as long as the fewest: a kernel computes whole tiles.
    """
    sizes = tuple(rows)
    whole, rest = divmod(tokens, sizes[-1])
    ns = sum(line(rows[sizes[-1]], history + sizes[-1] * piece) for piece in range(whole))
    if not rest:
        return ns
    low, weight = between(sizes, max(rest, sizes[0]))
    before = history + whole * sizes[-1]
    first, second = line(rows[sizes[low]], before), line(rows[sizes[low + 1]], before)
    return ns + first + weight * (second - first)
