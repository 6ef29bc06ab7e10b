"""Step times where a context's tokens, not its heads, are split over a replica's GPUs."""

from collections.abc import Callable
from functools import cache

from kvsim.calibration.ledger import ONE
from kvsim.calibration.steps import OperatorTimes
from kvsim.sim.timing import Pace, StepTime, Work

PARTIAL_BYTES = 4
"""Numerators, maxima and denominators are reduced in fp32 (assumed)."""


class SpreadAttention(StepTime):
    """Step times of `inner` with each KV head read once, and partial results all-reduced.

    Split by heads, a GPU reads ceil(heads / GPUs) heads of every token; split by tokens, all GPUs
    together read each head once. Of prompts nothing changes.
    """

    def __init__(self, inner: OperatorTimes) -> None:
        self.inner = inner
        self.peak_flops, self.bandwidth = inner.peak_flops, inner.bandwidth
        self.classes = inner.classes
        whole = inner.model.attention()
        self._kept = [one.kv_heads for one in whole]
        self._copied = [one.kv_heads * inner.tensor for one in inner.classes]
        """KV heads that the GPUs keep between them, copies counted, where heads are split."""
        self.merge: Callable[[int], int] = cache(self._merge)

    def pace(self, work: Work) -> Pace:
        """As `inner`, for a fair share of the tokens, and the collectives."""
        pace = self.inner.pace(self._read(work))
        if not work.decodes:
            return pace
        steps = pace.steps if self._divides(work) else 1
        return pace._replace(first=pace.first + self.merge(work.decodes), steps=steps)

    def flops(self, work: Work) -> tuple[int, int]:
        """The same arithmetic."""
        return self.inner.flops(work)

    def bytes_moved(self, work: Work) -> tuple[int, int]:
        """No head is read twice."""
        return self.inner.bytes_moved(self._read(work))

    def _merge(self, decodes: int) -> int:
        """The three all-reduces of every layer, in 2**-20 ns: maxima, numerators, denominators."""
        operators, gpus = self.inner.operators, self.inner.tensor
        if gpus == 1:
            return 0
        ns = 0.0
        for one in self.inner.model.attention():
            sums = decodes * one.query_heads * PARTIAL_BYTES
            sizes = (sums, sums * one.value_width, sums)
            ns += one.layers * sum(operators.all_reduce(size, gpus).ns for size in sizes)
        return round(ns * ONE / self.inner.pipeline)

    def _read(self, work: Work) -> Work:
        def share(tokens: tuple[int, ...]) -> tuple[int, ...]:
            heads = zip(tokens, self._kept, self._copied, strict=True)
            return tuple(-(many * kept // -copied) for many, kept, copied in heads)

        return work._replace(contexts=share(work.contexts), growing=share(work.growing))

    def _divides(self, work: Work) -> bool:
        """Whether the tokens that each GPU reads grow alike in every step."""
        heads = zip(work.growing, self._kept, self._copied, strict=True)
        return all(many * kept % copied == 0 for many, kept, copied in heads)
