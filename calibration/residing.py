"""Step times where weights or KV are not all in HBM, and something else may attend.

In a layer the GPU computes, the worker attends to its KV, and weights and KV come up over a wire.
All of it overlaps from layer to layer, so a step takes what the slowest takes for all layers, and
one layer of what it waits for at first (docs/design.md, layers as a pipeline).
"""

from kvsim.calibration.ledger import ONE
from kvsim.calibration.operators import STREAM_EFFICIENCY
from kvsim.sim.policy import Residence, Site
from kvsim.sim.timing import Pace, StepTime, Work

EVERYTHING = 1 << 60
"""Tokens that fit into HBM where nobody else keeps any."""


class Residing(StepTime):
    """Step times of `inner` with things where `residence` puts them."""

    counts_idle = True

    def __init__(self, inner: StepTime, residence: Residence, site: Site, inside: int) -> None:
        self.inner = inner
        self.peak_flops, self.bandwidth = inner.peak_flops, inner.bandwidth
        self.classes = inner.classes
        self.worker = worker = residence.worker
        self.halves = residence.halves
        self.layers = site.layers
        self.inside = inside if worker is not None else EVERYTHING
        """Tokens of KV that HBM holds before the worker gets any."""
        self._whole = [one.window is None for one in inner.classes]
        self._first = self._whole.index(True) if any(self._whole) else 0
        missing = (1 - residence.weights) * site.weights
        self._weights = round(missing / residence.stream * 1e9 * ONE)
        self._carried = site.token / site.pcie * 1e9 * ONE
        """A token's KV over PCIe, in 2**-20 ns."""
        if worker is not None:
            each = worker.selected * site.token / site.layers * 1e9 * ONE
            self._read = round(each / worker.read)
            self._wire = round(worker.exchanged / worker.wire * 1e9 * ONE)
            fetched = each * site.layers / (site.hbm * STREAM_EFFICIENCY)
            self._attended = 0 if worker.attends else round(fetched)
            """What the GPU takes to attend to a token that was handed to it."""

    def pace(self, work: Work) -> Pace:
        """The slowest of GPU, worker and wires."""
        away = self._away(work)
        near = max(self._near(work), 1) if away < work.contexts[self._first] else 0
        gpu, fill = self._gpu(work, away, near)
        if self.worker is None:
            return gpu.at_least(self._weights + fill, 0)
        grows = work.growing[self._first] if away else 0
        seated = work.decodes - self._near(work) if away else 0
        layer = away * self._read + seated * self._wire
        layer += 2 * self.worker.latency * ONE if seated else 0
        more = grows * self._read
        best = Pace(
            gpu.first + layer + away * self._attended,
            gpu.growth + more + grows * self._attended,
            min(gpu.steps, self._stands(work, away)),
            gpu.extrapolated,
        )
        best = best.at_least(layer * self.layers + fill, more * self.layers)
        up, down = self._carried_for(work)
        whole = 0 if self.worker.attends else self.layers
        best = best.at_least(self._weights + up + layer * whole + fill, more * whole)
        return best.at_least(down + fill, 0)

    def flops(self, work: Work) -> tuple[int, int]:
        """What the GPU computes."""
        return self.inner.flops(self._inside(work))

    def bytes_moved(self, work: Work) -> tuple[int, int]:
        """What the GPU reads out of its own HBM."""
        return self.inner.bytes_moved(self._inside(work))

    def parts(self, work: Work) -> dict[str, float]:
        """What works side by side: GPU, worker, wire. They overlap and do not add up."""
        away = self._away(work)
        near = max(self._near(work), 1) if away < work.contexts[self._first] else 0
        up, down = self._carried_for(work)
        found = {"GPU": self._gpu(work, away, near)[0].first, "wire": self._weights + max(up, down)}
        if self.worker is not None:
            seated = work.decodes - self._near(work) if away else 0
            found[self.worker.name] = self.layers * (away * self._read + seated * self._wire)
        return {name: time / ONE for name, time in found.items()}

    def _gpu(self, work: Work, away: int, near: int) -> tuple[Pace, int]:
        """The GPU's time for both sub-batches or the only one, and for one layer to begin with."""
        inner, whole = self.inner, self._inside(work)
        nothing = (0,) * len(work.contexts)
        far = 0
        if self.halves and away:
            far = work.decodes - near if near else work.decodes // 2
        first = whole._replace(decodes=work.decodes - far, sampled=max(work.sampled - far, 0))
        fixed = inner.pace(first._replace(contexts=nothing, growing=nothing)).first
        gpu = inner.pace(first)
        if far:
            other = inner.pace(Work(far, nothing, nothing, (), far)).first
            gpu = gpu._replace(first=gpu.first + other)
        return gpu, fixed // self.layers

    def _away(self, work: Work) -> int:
        """Tokens read in the next step whose KV is not in HBM."""
        return max(0, work.contexts[self._first] - self.inside)

    def _near(self, work: Work) -> int:
        """Decodes whose KV is in HBM: as many as their share of the tokens."""
        context = work.contexts[self._first]
        return work.decodes * min(self.inside, context) // context if context else 0

    def _stands(self, work: Work, away: int) -> int:
        """Steps until KV begins to overflow, or until one decode more is attended to elsewhere."""
        context, grows = work.contexts[self._first], work.growing[self._first]
        near = self._near(work)
        if not grows or not near:
            return EVERYTHING
        limit = work.decodes * self.inside // near if away else self.inside
        return (limit - context) // grows + 1

    def _inside(self, work: Work) -> Work:
        """`work` as far as its KV is in HBM."""
        away = self._away(work)
        if not away:
            return work
        contexts, growing = list(work.contexts), list(work.growing)
        for index, whole in enumerate(self._whole):
            if whole:
                contexts[index] -= away
                growing[index] = 0
        return work._replace(contexts=tuple(contexts), growing=tuple(growing))

    def _carried_for(self, work: Work) -> tuple[int, int]:
        """KV over PCIe as far as it lives elsewhere: histories of prompts up, new tokens down.

        Prompts give way to decodes. A worker that attends is sent what decodes add anyway."""
        history = sum(chunk.history for chunk in work.chunks)
        tokens = sum(chunk.tokens for chunk in work.chunks)
        others = work.contexts[self._first] + work.idle
        outside = min(history + tokens, others + history + tokens - self.inside)
        share = max(outside, 0) / (history + tokens) if work.chunks else 0.0
        kept = tokens * share
        if self.worker is not None and not self.worker.attends and self._away(work):
            kept += work.decodes
        return round(history * share * self._carried), round(kept * self._carried)
