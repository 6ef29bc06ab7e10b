"""Operator times looked up in what was measured; the roofline where nothing was, and it says so."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from math import inf, log
from typing import NamedTuple

from kvsim.calibration.contexts import by_batch, following, saturated
from kvsim.calibration.operators import (
    KERNEL_GAP,
    KERNELS_PER_LAYER,
    Experts,
    Gemms,
    Operators,
    Prefill,
    Timed,
)
from kvsim.calibration.products import interpolated, nearby, taller
from kvsim.calibration.roofline import Roofline
from kvsim.calibration.table import Head, Row, Table, between, line, rising, strain
from kvsim.hardware import GPU
from kvsim.models import Attention

ALL_KERNELS = 2 * KERNELS_PER_LAYER
"""Kernels of a layer: profiles with times of small kernels hold bare kernel times of all others
too (four products, attention)."""
FULL_BATCH = 256
"""The largest batch of the prefill tables: a share holds this part of one launch."""


MORE_PIECES = 8
"""Into how many more pieces a product is cut where the grid has holes for the wider ones."""
SPREAD = 8
"""KV heads of a batch that together keep the GPU busy. Fewer leave cores idle, as a kernel cuts
one head's context into so many pieces at most: a second sequence then costs nothing."""


class Decodes(NamedTuple):
    """Measured decode attention that stands for a class of a model."""

    rows: dict[int, Row]
    """By batch size, over tokens per sequence."""
    kv_heads: int
    spread: float
    """Batch size from which on what is read in all takes the time, not the longest context."""
    inside: bool
    """Whether the class is one that was measured, or the same to a kernel."""


Chunks = list[tuple[dict[int, Row], float]]
"""Measured chunks that together stand for a class, and their weights: times over the history."""


class Prompts(NamedTuple):
    """Measured prompt attention that stands for a class: times over `strain`."""

    alone: Row
    share: Row
    known: int
    """Tokens beyond which it is extrapolated; 0 where the class was not measured."""


class Measured(Operators):
    """Tables of one GPU.

    GEMM: linear in m; between shapes, geometric in the ratio to the roofline. Decode attention:
    linear in the tokens read and in the batch. Prompt attention: linear in `strain`. Chosen for
    the least held-back error; `kvsim hardware show` prints it.

    Attention shapes that were not measured are looked up in those that do the same work. Heads
    are independent: 32 KV heads of one sequence are 8 of four. How many query heads share a KV
    head hardly matters to decoding (2.0 % between neighbours), so the nearest count is taken;
    prompts cost in proportion to query heads, so these are interpolated (leaving a shape out
    misses it by 4.8 % up to 2k tokens and 8.5 % beyond).
    """

    def __init__(self, table: Table, gpu: GPU, weight_bits: int, kv_bits: int) -> None:
        super().__init__(gpu, weight_bits, kv_bits)
        self.table = table
        self.roofline = Roofline(gpu, weight_bits, kv_bits)
        self._prefills: Callable[[Attention, int], Prefill] = cache(self._prefill)
        self._products: Callable[[Gemms, int], Row | None] = cache(self._product)
        self._decodes: Callable[[Attention, int], Decodes | None] = cache(self._decode)
        self._prompts: Callable[[Attention], Prompts | None] = cache(self._prompt)
        self._chunks: Callable[[Attention], Chunks] = cache(self._chunk)

    def gemm(self, shape: Gemms, m: int, bits: int) -> Timed:
        """From the table, if the shape lies in its grid; a wider one is cut into equal pieces."""
        grid, shapes = self.table.gemm.get(bits), self.table.shapes.get(bits)
        if shape.groups > 1 or not (grid or shapes):
            return Timed(self.roofline.gemm(shape, m, bits).ns, True)
        row, pieces = self._cut(shape, bits)
        if row is None:
            return Timed(self.roofline.gemm(shape, m, bits).ns, True)
        ns = line(row, m) if grid else taller(row, m)
        return Timed(pieces * ns, m > row.contexts[-1])

    def experts(self, shape: Experts, tokens: int, bits: int) -> Timed | None:
        """Of a shape that was measured, linear in tokens."""
        row = self.table.experts.get((bits, *shape))
        if row is None:
            return None
        return Timed(taller(row, tokens), tokens > row.contexts[-1])

    def decode(self, attention: Attention, batch: int, beside: int = 0) -> tuple[Row, int]:
        """Of an equivalent shape, between the two batch sizes around."""
        found = self._decodes(attention, beside)
        if found is None:
            return self.roofline.decode(attention, batch)[0], 0
        scale = attention.kv_heads / found.kv_heads
        row, known = by_batch(found.rows, batch * scale, found.spread)
        totals = tuple(round(total / scale) for total in row.contexts)
        return Row(totals, rising(row.ns)), int(known / scale) if found.inside else 0

    def sizes(self, attention: Attention) -> tuple[int, ...]:
        """Of an equivalent shape."""
        heads = self._like(attention, self.table.beside)
        return tuple(self.table.beside[heads[0]]) if heads else ()

    def prefill(self, attention: Attention, tokens: int) -> Prefill:
        """Of the shape itself, or between those with more and with fewer query heads."""
        return self._prefills(attention, tokens)

    def _prefill(self, attention: Attention, tokens: int) -> Prefill:
        found = self._prompts(attention)
        if found is None:
            return self.roofline.prefill(attention, tokens)._replace(extrapolated=True)
        work = strain(attention.pairs(tokens), tokens)
        floor = found.alone.ns[0]
        share = max(line(found.share, work) - floor / FULL_BATCH, 0.0)
        return Prefill(floor, max(line(found.alone, work), floor), share, tokens > found.known)

    def chunk(self, attention: Attention, tokens: int, history: int) -> Prefill:
        """Measured by itself, where it was: few tokens on a long history leave cores idle."""
        difference = super().chunk(attention, tokens, history)
        rows = self._chunks(attention)
        if not history or not rows:
            return difference
        alone = sum(weight * following(row, tokens, history) for row, weight in rows)
        sizes = rows[0][0]
        like = sizes[min((size for size in sizes if size >= tokens), default=max(sizes))]
        outside = difference.extrapolated or history > like.contexts[-1]
        alone = max(alone, difference.floor)
        share = min(difference.share, alone)  # nobody adds more than all of it
        return Prefill(difference.floor, alone, share, outside)

    def small(self, layers: int, size: int) -> float:
        """A layer's kernels between products, in which those of another model count by bytes."""
        row = self.table.elementwise
        if row is None:
            return super().small(layers, size)
        return layers * (taller(row, size / layers) + ALL_KERNELS * KERNEL_GAP)

    def once(self, size: int) -> float:
        """By bytes, where it was measured."""
        row = self.table.once
        return taller(row, size) if row else super().once(size)

    def sampler(self, size: int) -> float | None:
        """By bytes of logits."""
        return taller(self.table.sampler, size) if self.table.sampler else None

    def all_reduce(self, size: int, gpus: int) -> Timed:
        """NCCL's, linear between sizes."""
        row = self.table.all_reduce.get(gpus)
        if row is None:
            return Timed(self.roofline.all_reduce(size, gpus).ns, True)
        return Timed(line(row, max(size, row.contexts[0])), size > row.contexts[-1])

    def _cut(self, shape: Gemms, bits: int) -> tuple[Row | None, int]:
        """Times of equal pieces of a product, as few as were measured; and how many these are."""
        grid = self.table.gemm.get(bits)
        widest = grid.n[-1] if grid else max(n for n, _ in self.table.shapes[bits])
        fewest = -(shape.n // -widest)
        for pieces in range(fewest, fewest + MORE_PIECES):
            row = self._products(Gemms(shape.n // pieces, shape.k), bits)
            if row is not None:
                return row, pieces
        return None, fewest

    def _product(self, shape: Gemms, bits: int) -> Row | None:
        grid = self.table.gemm.get(bits)
        if grid is None:
            return nearby(self.table.shapes[bits], shape, self.roofline, bits)
        times = interpolated(grid, shape, self.roofline, bits)
        return Row(grid.m, times) if times else None

    def _decode(self, attention: Attention, beside: int) -> Decodes | None:
        table = self.table.decode
        if beside:
            table = {head: rows[beside] for head, rows in self.table.beside.items()}
        heads = [h for h in self._like(attention, table) if not h.window]
        if not heads:
            return None
        own = attention.kv_heads
        kv_heads = min({head.kv_heads for head in heads}, key=lambda kv: (abs(log(kv / own)), kv))
        group = attention.query_heads / own
        head = min(
            (head for head in heads if head.kv_heads == kv_heads),
            key=lambda head: abs(log(head.query_heads / kv_heads / group)),
        )
        rows, inside = table[head], head.width == attention.key_width
        if attention.kind == "window" and attention.window:
            windowed = table.get(head._replace(window=attention.window))
            inside &= windowed is not None
            rows = {b: saturated(row, attention.window) for b, row in (windowed or rows).items()}
        spread = inf if attention.window else SPREAD / kv_heads
        return Decodes(rows, kv_heads, spread, inside)

    def _chunk(self, attention: Attention) -> Chunks:
        heads = [] if attention.window else self._like(attention, self.table.chunks)
        found = _query_heads(heads, attention)
        return [(self.table.chunks[head], weight) for head, weight in found]

    def _prompt(self, attention: Attention) -> Prompts | None:
        window = attention.window or 0
        like = self._like(attention, self.table.prefill)
        same = [head for head in like if head.window == window]
        heads = same or [head for head in like if not head.window]
        found = _query_heads(heads, attention)
        if not found:
            return None
        rows = [self.table.prefill[head] for head, _ in found]
        weights = [weight for _, weight in found]
        measured = bool(same) and found[0][0].width == attention.key_width
        measured &= sum(weights) == 1
        lengths = [
            int(length) for length in rows[0][0].contexts if length <= rows[-1][0].contexts[-1]
        ]
        kept = replace(attention, window=(window if same else 0) or None, kind="window")
        alone, share = (
            Row(
                tuple(strain(kept.pairs(length), length) for length in lengths),
                rising(
                    sum(w * line(pair[side], length) for pair, w in zip(rows, weights, strict=True))
                    for length in lengths
                ),
            )
            for side in (0, 1)
        )
        return Prompts(alone, share, lengths[-1] if measured else 0)

    def _like(self, attention: Attention, known: Mapping[Head, object]) -> list[Head]:
        """Measured heads as wide, or of the next width up, which narrow ones are padded to."""
        if attention.kind == "latent":
            return []
        fitting = [head for head in known if head.bits == self.kv_bits]
        wide = [head.width for head in fitting if head.width >= attention.key_width]
        return [head for head in fitting if wide and head.width == min(wide)]


def _query_heads(heads: list[Head], attention: Attention) -> list[tuple[Head, float]]:
    """Heads between which the class lies, and their weights, which exceed 1 beyond the largest."""
    queries = attention.query_heads
    single = attention.kv_heads == queries
    alike = [head for head in heads if (head.kv_heads == head.query_heads) == single] or heads
    if not alike:
        return []
    if not single:
        reaching = [head for head in alike if head.query_heads >= queries] or alike
        kv_heads = min(
            (h.kv_heads for h in reaching), key=lambda kv: abs(log(kv / attention.kv_heads))
        )
        alike = [head for head in alike if head.kv_heads == kv_heads]
    alike.sort(key=lambda head: head.query_heads)
    counts = tuple(head.query_heads for head in alike)
    if len(alike) == 1 or queries >= counts[-1]:
        return [(alike[-1], queries / counts[-1])]
    if queries <= counts[0]:
        return [(alike[0], 1.0)]
    low, weight = between(counts, queries)
    return [(alike[low], 1 - weight), (alike[low + 1], weight)]
