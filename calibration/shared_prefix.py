"""Step times under an attention kernel that reads what several decodes share only once.

The KV of a shared stretch is read once for all its queries, and multiplied with all of them as a
matrix product. So attention takes as long as over the tokens that are really read, and never less
than the arithmetic of all of them at the rate of prompt attention; what a kernel adds on top, its
launches and the merging of partial results by their log-sum-exps, is counted by itself.
"""

from collections.abc import Callable
from functools import cache

from kvsim.calibration.ledger import ONE
from kvsim.calibration.operators import KERNEL_FLOOR
from kvsim.calibration.roofline import Efficiency
from kvsim.calibration.steps import OperatorTimes
from kvsim.sim.policy import Kernel
from kvsim.sim.timing import Pace, StepTime, Work

PARTIAL_BYTES = 4
"""Partial results and their two sums are kept in fp32."""


class SharedPrefix(StepTime):
    """Step times of `inner` where `kernel` attends."""

    def __init__(self, inner: OperatorTimes, kernel: Kernel) -> None:
        self.inner = inner
        self.kernel = kernel
        self.peak_flops, self.bandwidth = inner.peak_flops, inner.bandwidth
        self.classes = inner.classes
        self._sees_all = tuple(one.window is None for one in inner.classes)
        share = Efficiency().prefill_flops
        self._times = [int(time / share) for time in inner.ledger.flop_times]
        """Arithmetic on one token read by one decode, by class, in 2**-20 ns."""
        self.extra: Callable[[int], int] = cache(self._extra)

    def pace(self, work: Work) -> Pace:
        """As `inner` for what is read, and no less than the arithmetic of what is attended to."""
        if not work.shared:
            return self.inner.pace(work)
        pace = self.inner.pace(self._read(work))
        extra = self.extra(work.decodes)
        pace = pace._replace(first=pace.first + extra)
        nothing = (0,) * len(self.classes)
        base = self.inner.pace(work._replace(contexts=nothing, growing=nothing, shared=0))
        first, growth = base.first + extra, 0
        for time, tokens, more in zip(self._times, work.contexts, work.growing, strict=True):
            first += time * tokens
            growth += time * more
        return pace.at_least(first, growth)

    def flops(self, work: Work) -> tuple[int, int]:
        """All that is attended to, shared or not."""
        return self.inner.flops(work)

    def bytes_moved(self, work: Work) -> tuple[int, int]:
        """What is shared is moved once."""
        return self.inner.bytes_moved(self._read(work))

    def _read(self, work: Work) -> Work:
        """`work` with the tokens that are really read."""
        contexts = tuple(
            tokens - work.shared if whole else tokens
            for tokens, whole in zip(work.contexts, self._sees_all, strict=True)
        )
        return work._replace(contexts=contexts, shared=0)

    def _extra(self, decodes: int) -> int:
        """Launches and merging in all layers, for `decodes` sequences, in 2**-20 ns."""
        kernel, inner = self.kernel, self.inner
        ns = 0.0
        for one, whole in zip(inner.classes, self._sees_all, strict=True):
            if whole:
                row = one.query_heads * (one.value_width + 2) * PARTIAL_BYTES
                moved = 2 * kernel.partials * decodes * row
                ns += one.layers * (kernel.launches * KERNEL_FLOOR + inner.operators.stream(moved))
        return round(ns * ONE / inner.pipeline)
