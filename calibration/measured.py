"""Operator times looked up in what was measured; the roofline where nothing was, and it says so."""

from functools import cache

from kvsim.calibration.operators import Gemms, Operators, Prefill, Timed
from kvsim.calibration.roofline import Roofline
from kvsim.calibration.table import (
    Gemm,
    Head,
    Row,
    Table,
    between,
    geometric,
    line,
    logarithmic,
    quadratic,
)
from kvsim.hardware import GPU
from kvsim.models import Attention

FAR = 1 << 62


class Measured(Operators):
    """Tables of one GPU.

    GEMM: linear in m; between shapes, geometric in the ratio to the roofline. Decode attention:
    linear in batch and context. Prefill attention: linear in the time per token. Chosen for the
    least held-back error; `kvsim hardware show` prints it.
    """

    def __init__(self, table: Table, gpu: GPU, weight_bits: int, kv_bits: int) -> None:
        super().__init__(gpu, weight_bits, kv_bits)
        self.table = table
        self.roofline = Roofline(gpu, weight_bits, kv_bits)
        self._gemms: dict[tuple[Gemms, int], tuple[float, ...] | None] = {}
        self.prefill = cache(self.prefill)  # type: ignore[method-assign]

    def gemm(self, shape: Gemms, m: int, bits: int) -> Timed:
        """From the table, if the shape lies in its grid; a wider one is cut into equal pieces."""
        found = self.table.gemm.get(bits)
        if found is None or shape.groups > 1:
            return Timed(self.roofline.gemm(shape, m, bits).ns, True)
        pieces = -(shape.n // -found.n[-1])
        key = (Gemms(shape.n // pieces, shape.k), bits)
        if key not in self._gemms:
            self._gemms[key] = interpolated(found, key[0], self.roofline, bits)
        times = self._gemms[key]
        if times is None:
            return Timed(self.roofline.gemm(shape, m, bits).ns, True)
        return Timed(pieces * line(Row(found.m, times), m), m > found.m[-1])

    def decode(self, attention: Attention, batch: int) -> tuple[Row, int]:
        """Heads are independent: 32 KV heads of one sequence are 8 of four sequences."""
        for heads in _equivalents(attention):
            rows = self.table.decode.get(self._head(attention, heads[0], heads[1]))
            if rows is not None:
                return _by_batch(rows, batch * attention.kv_heads / heads[1])
        return self.roofline.decode(attention, batch)[0], 0

    def prefill(self, attention: Attention, tokens: int) -> Prefill:
        """One sequence's own curve, or that of a shape with as many query heads."""
        head = self._head(attention, attention.query_heads, attention.kv_heads)
        found = self.table.prefill.get(head)
        if found is None or attention.kind == "latent":
            alone, share, _ = self.roofline.prefill(attention, tokens)
            return Prefill(alone, share, True)
        outside = tokens > found[0].contexts[-1]
        alone, share = (quadratic(row, tokens) for row in found)
        if attention.window and outside:
            last = found[0].contexts[-1]
            alone, share = (line(row, last) * tokens / last for row in found)
        return Prefill(alone, max(share - self.floor / FULL_BATCH, 0.0), outside)

    def all_reduce(self, size: int, gpus: int) -> Timed:
        """NCCL's, linear between sizes."""
        row = self.table.all_reduce.get(gpus)
        if row is None:
            return Timed(self.roofline.all_reduce(size, gpus).ns, True)
        return Timed(line(row, max(size, row.contexts[0])), size > row.contexts[-1])

    def _head(self, attention: Attention, query_heads: int, kv_heads: int) -> Head:
        kept = 0 if attention.kind == "full" else attention.window or 0
        return Head(query_heads, kv_heads, attention.key_width, self.kv_bits, kept)


FULL_BATCH = 256
"""The largest batch of the prefill tables: a share holds this part of one launch."""


def _equivalents(attention: Attention) -> list[tuple[int, int]]:
    """(query heads, KV heads) with the same query heads per KV head, the own ones first."""
    group = attention.query_heads // attention.kv_heads
    own = (attention.query_heads, attention.kv_heads)
    measured = sorted((8, 4, 2, 1), key=lambda heads: (heads > attention.kv_heads, -heads))
    return [own, *((group * heads, heads) for heads in measured if heads != own[1])]


def _by_batch(rows: dict[int, Row], batch: float) -> tuple[Row, int]:
    """Between two measured batches: linear at equal context, at the contexts of both."""
    batches = tuple(rows)
    low, weight = between(batches, batch)
    first, second = rows[batches[low]], rows[batches[low + 1]]
    contexts = first.contexts if len(first.contexts) >= len(second.contexts) else second.contexts
    limit = min(first.contexts[-1], second.contexts[-1])
    if weight == 0:
        limit = first.contexts[-1]
    elif weight == 1:
        limit = second.contexts[-1]
    times = tuple(
        (1 - weight) * line(first, context) + weight * line(second, context) for context in contexts
    )
    return Row(contexts, times), limit if batch <= batches[-1] else 0


def interpolated(
    gemm: Gemm, shape: Gemms, roofline: Roofline, bits: int
) -> tuple[float, ...] | None:
    """Times by m of a shape inside the grid; None outside it."""
    exact = gemm.ns.get((shape.n, shape.k))
    if exact is not None:
        return exact
    inside = gemm.n[0] <= shape.n <= gemm.n[-1] and gemm.k[0] <= shape.k <= gemm.k[-1]
    if not inside:
        return None
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
    return tuple(
        roofline.gemm(shape, m, bits).ns
        * geometric([(ns[at] / roofline.gemm(c, m, bits).ns, weight) for c, ns, weight in corners])
        for at, m in enumerate(gemm.m)
    )
