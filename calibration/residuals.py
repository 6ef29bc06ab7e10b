"""How far a calibration's tables are off where they were not measured, by regime.

Points are held back when a table is made (`holdback.RULE`), predicted from the rest, and the
relative errors are stored in the file beside the tables.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from kvsim.calibration.table import Calibration, Heads, calibration, calibrations, strain


class Residual(NamedTuple):
    """Relative errors of predicted operator times, |predicted / measured - 1|."""

    regime: str
    points: int
    mean: float
    p50: float
    p90: float
    worst: float


class Held(NamedTuple):
    """A measured point that is in no table: how to predict it, and what it is."""

    regime: str
    predict: Callable[[Calibration], float]
    measured: float


REGIMES = (
    "GEMM, m <= 64",
    "GEMM, m > 64",
    "decode attention, context < 1k",
    "decode attention, context 1k-8k",
    "decode attention, context 8k-64k",
    "decode attention, context > 64k",
    "prefill attention, prompt <= 2k",
    "prefill attention, prompt > 2k",
    "all-reduce, <= 1 MiB",
    "all-reduce, > 1 MiB",
)


def residuals(gpu: str) -> list[Residual]:
    """Held-back errors of a GPU's calibration by regime; [] when it has none."""
    if gpu not in calibrations():
        return []
    return [Residual(**entry) for entry in calibration(gpu).document["residuals"]]


def gemm(form: str, m: int, n: int, k: int, ns: float) -> Held:
    """A GEMM that was held back."""
    regime = REGIMES[0] if m <= 64 else REGIMES[1]
    return Held(regime, lambda table: table.gemm(form, n, k).at(m), ns)


def decode(heads: Heads, batch: int, context: int, ns: float) -> Held:
    """Decode attention of `batch` sequences with `context` tokens each."""
    bounds = (1 << 10, 8 << 10, 64 << 10)
    regime = REGIMES[2 + sum(context >= bound for bound in bounds[:2]) + (context > bounds[2])]
    return Held(regime, lambda table: table.decode[heads].totals(batch).at(batch * context), ns)


def prefill(heads: Heads, batch: int, tokens: int, ns: float) -> Held:
    """Attention of `batch` whole prompts."""
    regime = REGIMES[6] if tokens <= 2048 else REGIMES[7]

    def measure(length: int) -> int:
        return strain(seen_pairs(length, heads.window), length)

    def predict(table: Calibration) -> float:
        return table.prefill[heads].strains(batch, measure).at(measure(tokens))

    return Held(regime, predict, ns)


def collective(operation: str, gpus: int, size: int, ns: float) -> Held:
    """A collective operation."""
    regime = REGIMES[8] if size <= 1 << 20 else REGIMES[9]

    def predict(table: Calibration) -> float:
        times = table.collective(operation, gpus)
        assert times is not None
        return times.at(size)

    return Held(regime, predict, ns)


def seen_pairs(tokens: int, window: int) -> int:
    """(query, key) pairs of a whole prompt under causal attention; window 0: all of it."""
    if not window or tokens <= window:
        return tokens * (tokens + 1) // 2
    return window * (window + 1) // 2 + (tokens - window) * window


def measure(document: dict[str, Any], held: list[Held]) -> Iterator[Residual]:
    """The errors of a document's tables at the points held back from them."""
    table = Calibration(document)
    errors: dict[str, list[float]] = {regime: [] for regime in REGIMES}
    for point in held:
        errors[point.regime].append(abs(point.predict(table) / point.measured - 1))
    for regime, found in errors.items():
        if found:
            yield _summary(regime, sorted(found))


def _summary(regime: str, errors: list[float]) -> Residual:
    count = len(errors)
    mean = sum(errors) / count
    figures = (mean, errors[count // 2], errors[count * 9 // 10], errors[-1])
    return Residual(regime, count, *(round(figure, 4) for figure in figures))
