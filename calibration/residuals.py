"""How far the look-ups are from measured points they have not seen, by regime.

Held back: every second row count, the widths 768, 2560, 5120 and 10240 of GEMMs, every second batch
size and context of decode attention, every second length of prefill attention, every second size of
all-reduces. Where products have no grid: each shape in turn. Of chunks that follow a history, every
second length and every second history; of small kernels and the sampler, every second point.
The shipped tables use all points, so look-ups in them are closer than this.
"""

from collections.abc import Iterator
from dataclasses import replace
from statistics import mean, median
from typing import NamedTuple

from kvsim.calibration.contexts import by_batch, following
from kvsim.calibration.measured import SPREAD
from kvsim.calibration.operators import Gemms
from kvsim.calibration.products import interpolated, nearby
from kvsim.calibration.roofline import Roofline
from kvsim.calibration.table import Gemm, Row, Table, calibrated, line, load, strain

HELD_WIDTHS = (768, 2560, 5120, 10240)
SMALL_ROWS = 64
LEAST_WORK = 1024
"""GEMMs with a smaller n or k are no layer of a model in the catalogue, but for a rank's router."""
DECODE_REGIMES = ((0, "under 1k"), (1024, "1k to 8k"), (8192, "8k to 64k"), (65536, "over 64k"))
PREFILL_SPLIT = 2048
REDUCE_SPLIT = 1 << 20


class Residual(NamedTuple):
    """Relative errors of one regime."""

    regime: str
    points: int
    mean: float
    p50: float
    p90: float
    worst: float


def residuals(gpu: str) -> list[Residual]:
    """Held-back errors of a GPU's shipped calibration; empty if it has none."""
    if not calibrated(gpu):
        return []
    return [Residual(*row) for row in load(gpu).residuals]


def held_back(table: Table) -> list[Residual]:
    """Errors by regime of tables made without the held-back points, on these points."""
    errors: dict[str, list[float]] = {}
    for part in (_gemm, _single, _decode, _prefill, _chunks, _all_reduce, _others):
        for regime, predicted, measured in part(table):
            errors.setdefault(regime, []).append(abs(predicted / measured - 1))
    return [summed(regime, found) for regime, found in errors.items()]


def summed(regime: str, errors: list[float]) -> Residual:
    """A regime's mean, median, 90th percentile and worst."""
    errors.sort()
    p90 = errors[int(0.9 * (len(errors) - 1))]
    values = (mean(errors), median(errors), p90, errors[-1])
    return Residual(regime, len(errors), *(round(value, 4) for value in values))


Found = Iterator[tuple[str, float, float]]


def _half(row: Row) -> Row:
    """Every second point, both ends kept."""
    kept = [i for i in range(len(row.ns)) if i % 2 == 0 or i == len(row.ns) - 1]
    return Row(tuple(row.contexts[i] for i in kept), tuple(row.ns[i] for i in kept))


def _gemm(table: Table) -> Found:
    from kvsim.hardware import gpu

    device = gpu(table.gpu)
    for bits, gemm in table.gemm.items():
        roofline = Roofline(device, bits, 16)
        rows = [i for i in range(len(gemm.m)) if i % 2 == 0 or i == len(gemm.m) - 1]
        n, k = (tuple(v for v in axis if v not in HELD_WIDTHS) for axis in (gemm.n, gemm.k))
        kept = replace(
            gemm,
            m=tuple(gemm.m[i] for i in rows),
            n=n,
            k=k,
            ns={
                s: tuple(t[i] for i in rows) for s, t in gemm.ns.items() if s[0] in n and s[1] in k
            },
        )
        yield from _shapes(gemm, kept, roofline, bits)


def _shapes(gemm: Gemm, kept: Gemm, roofline: Roofline, bits: int) -> Found:
    name = "GEMM bf16" if bits == 16 else "GEMM fp8"
    for shape, measured in gemm.ns.items():
        if shape in kept.ns or min(shape) < LEAST_WORK:
            continue
        times = interpolated(kept, Gemms(*shape), roofline, bits)
        if times is None:
            continue
        row = Row(kept.m, times)
        for m, ns in zip(gemm.m, measured, strict=True):
            regime = "m <= 64" if m <= SMALL_ROWS else "m > 64"
            yield f"{name}, {regime}", line(row, m), ns


def _single(table: Table) -> Found:
    from kvsim.hardware import gpu

    for bits, shapes in table.shapes.items():
        roofline = Roofline(gpu(table.gpu), bits, 16)
        for shape, measured in shapes.items():
            others = {other: row for other, row in shapes.items() if other != shape}
            predicted = nearby(others, Gemms(*shape), roofline, bits)
            if predicted:
                yield from _products("unmeasured", predicted, measured)
            yield from _products("measured", _half(measured), measured)


def _products(kind: str, predicted: Row, measured: Row) -> Found:
    """At the points that `predicted` does not have of its own, or all of another shape."""
    for m, ns in zip(*measured, strict=True):
        if m > predicted.contexts[-1] or (kind == "measured" and m in predicted.contexts):
            continue
        regime = "m <= 64" if m <= SMALL_ROWS else "m > 64"
        yield f"GEMM of {kind} n and k, {regime}", line(predicted, m), ns


def _decode(table: Table) -> Found:
    for head, rows in table.decode.items():
        if head.window:  # bounded by the window, not by what is read; see `saturated`
            continue
        batches = list(rows)
        kept = {b: _half(rows[b]) for i, b in enumerate(batches) if i % 2 == 0}
        if len(kept) < 2:
            continue
        for batch in batches:
            if batch > max(kept):
                continue
            predicted, known = by_batch(kept, batch, SPREAD / head.kv_heads)
            for context, ns in zip(*rows[batch], strict=True):
                if batch in kept and context in kept[batch].contexts:
                    continue
                if context * batch > known:
                    continue
                regime = [name for start, name in DECODE_REGIMES if context > start or not start][
                    -1
                ]
                yield f"decode attention, context {regime}", line(predicted, context * batch), ns


def _whole(tokens: float) -> int:
    """The strain of a prompt without a window."""
    return strain(int(tokens * (tokens + 1)) // 2, int(tokens))


def _prefill(table: Table) -> Found:
    for head, (alone, _) in table.prefill.items():
        if head.window:
            continue
        if head in table.chunks:  # longer prompts are put together from chunks
            alone = _up_to(alone, max(table.chunks[head]))
        half = _half(alone)
        kept = Row(tuple(_whole(tokens) for tokens in half.contexts), half.ns)
        for tokens, ns in zip(*alone, strict=True):
            if tokens not in half.contexts:
                regime = "up to 2k tokens" if tokens <= PREFILL_SPLIT else "over 2k tokens"
                yield f"prefill attention, {regime}", line(kept, _whole(tokens)), ns


def _up_to(row: Row, end: float) -> Row:
    kept = sum(at <= end for at in row.contexts)
    return Row(row.contexts[:kept], row.ns[:kept])


def _chunks(table: Table) -> Found:
    for rows in table.chunks.values():
        sizes = list(rows)
        kept = {c: _half(rows[c]) for c in (*sizes[::2], sizes[-1])}
        for tokens in sizes:
            for history, ns in zip(*rows[tokens], strict=True):
                if tokens in kept and history in kept[tokens].contexts:
                    continue
                regime = "up to 2k" if history <= PREFILL_SPLIT else "over 2k"
                predicted = following(kept, tokens, int(history))
                yield f"prompt after a history of {regime}", predicted, ns


def _others(table: Table) -> Found:
    for name, row in (("small kernels of a layer", table.elementwise), ("sampler", table.sampler)):
        if row is None:
            continue
        kept = _half(row)
        for at, ns in zip(*row, strict=True):
            if at not in kept.contexts:
                yield name, line(kept, at), ns


def _all_reduce(table: Table) -> Found:
    for row in table.all_reduce.values():
        kept = _half(row)
        for size, ns in zip(*row, strict=True):
            if size not in kept.contexts:
                regime = "up to 1 MiB" if size <= REDUCE_SPLIT else "over 1 MiB"
                yield f"all-reduce, {regime}", line(kept, size), ns
