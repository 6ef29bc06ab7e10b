"""A step's duration, put together from its operators, in integers that a span can multiply.

    step = host + GEMMs and elementwise(tokens) + all-reduces(tokens) + LM head(sampled)
         + attention(decodes, contexts) + attention(chunks)

and never less than the FLOP and the byte bound. Decode attention is piecewise affine in the tokens
read, so a run of equal steps is an arithmetic series up to the next knot of the tables. Sequences
of a batch count as equally long: uneven ones run somewhat slower than this says.

Pipeline parallel: a step is one round in which p sub-batches follow each other through p stages.
Each stage then takes a p-th of the layers p times, so the round lasts as long as one sub-batch
takes through all layers, plus the hops between stages.
"""

from bisect import bisect_left
from functools import cache
from typing import NamedTuple

from kvsim.calibration.engine import EngineProfile
from kvsim.calibration.operators import KERNEL_FLOOR, KERNELS_PER_LAYER, Gemms, Operators
from kvsim.models import Attention, Matmul, Model
from kvsim.sim.timing import FRACTION, Chunk, Pace, StepTime, Work

ONE = 1 << FRACTION
FOREVER = 1 << 60
HEAD_BITS = 16
"""Quantised checkpoints leave embeddings and the LM head alone."""
SEEING = ("full", "window", "chunk", "latent", "cross")
"""Kinds of layers whose cost grows with the context; a shared layer counts as its source."""


def seeing(model: Model, tensor: int) -> tuple[Attention, ...]:
    """The attention classes a step's contexts are counted for, in order."""
    return tuple(a for a in model.attention(tensor) if a.kind in SEEING)


class Curve(NamedTuple):
    """Attention of a fixed number of decodes by tokens read in all: affine between knots."""

    knots: tuple[int, ...]
    first: tuple[int, ...]
    """Value at tokens 0 of each piece, in 2**-20 ns."""
    slope: tuple[int, ...]
    known: int
    """Tokens beyond which it is extrapolated."""


class Fixed(NamedTuple):
    """What depends on the number of tokens only, in 2**-20 ns."""

    time: int
    flops: int
    bytes: int
    flop_bound: int
    byte_bound: int
    extrapolated: bool


class OperatorTimes(StepTime):
    """Step times of one replica: `operators` of each of its `tensor` x `pipeline` GPUs."""

    def __init__(
        self,
        model: Model,
        operators: Operators,
        tensor: int,
        pipeline: int,
        engine: EngineProfile,
    ) -> None:
        self.model = model
        self.operators = operators
        self.tensor = tensor
        self.pipeline = pipeline
        self.engine = engine
        self.classes = seeing(model, tensor)
        gpu = operators.gpu
        compute_bits = min(16, operators.weight_bits)
        self.peak_flops = gpu.peak(compute_bits) * tensor * pipeline
        """FLOP/s of the replica, all its GPUs together."""
        self.bandwidth = gpu.bandwidth * tensor * pipeline
        """HBM bytes/s of the replica."""
        self._per_flop = ONE * 1e9 / gpu.peak(compute_bits)
        self._per_byte = ONE * 1e9 / gpu.bandwidth
        self._flops = [a.pair_flops(prefill=False) for a in self.classes]
        self._bytes = [a.read_bytes(operators.kv_bits) for a in self.classes]
        self._flop_bounds = [-int(-f * self._per_flop // pipeline) for f in self._flops]
        self._byte_bounds = [-int(-b * self._per_byte // pipeline) for b in self._bytes]
        self._matmuls = [m for m in model.matmuls(tensor) if m.rows != "sampled"]
        self._heads = [m for m in model.matmuls(tensor) if m.rows == "sampled"]
        self._token_flops = model.token_flops(tensor)
        self._head_flops = model.head_flops(tensor)
        self._small_bytes = model.elementwise_bytes(tensor)
        state = 2 * model.layout.state_bytes(16) // tensor
        self._state = round(operators.stream(state) * ONE)
        """Reading and writing the linear layers' state of one sequence, in 2**-20 ns."""
        self.fixed = cache(self.fixed)  # type: ignore[method-assign]
        self.head = cache(self.head)  # type: ignore[method-assign]
        self.curve = cache(self.curve)  # type: ignore[method-assign]

    def pace(self, work: Work) -> Pace:
        """Duration of the next step and how it grows."""
        chunks, decodes = work.chunks, work.decodes
        fixed = self.fixed(self._rows(work))
        head = self.head(-(-work.sampled // self.pipeline))
        first = fixed.time + head.time + self._per_sequence(work)
        flop_bound = fixed.flop_bound + head.flop_bound
        byte_bound = fixed.byte_bound + head.byte_bound
        extrapolated = fixed.extrapolated or head.extrapolated
        growth, more_flops, more_bytes, steps = 0, 0, 0, FOREVER
        for index in range(len(self.classes)):
            if decodes:
                total, growing = work.contexts[index], work.growing[index]
                curve = self.curve(index, decodes)
                knots = curve.knots
                piece = min(max(bisect_left(knots, total) - 1, 0), len(knots) - 2)
                first += curve.first[piece] + curve.slope[piece] * total
                growth += curve.slope[piece] * growing
                flop_bound += self._flop_bounds[index] * total
                byte_bound += self._byte_bounds[index] * total
                if growing:
                    more_flops += self._flop_bounds[index] * growing
                    more_bytes += self._byte_bounds[index] * growing
                    if piece < len(knots) - 2:
                        steps = min(steps, (knots[piece + 1] - total) // growing + 1)
                    if total <= curve.known:
                        steps = min(steps, (curve.known - total) // growing + 1)
                extrapolated |= total > curve.known
            if chunks:
                time, outside = self._prompts(index, chunks, decodes)
                first += time
                extrapolated |= outside
        if chunks:
            pairs = self._pairs(chunks)
            flop_bound += int(pairs * self._per_flop / self.pipeline)
            steps = 1
        best = Pace(first, growth, steps, extrapolated)
        for bound, more in ((flop_bound, more_flops), (byte_bound, more_bytes)):
            best = _larger(best, bound, more)
        return best

    def flops(self, work: Work) -> tuple[int, int]:
        """FLOPs of the next step on all GPUs, and by how many each further step has more."""
        fixed, head = self.fixed(self._rows(work)), self.head(-(-work.sampled // self.pipeline))
        done = (fixed.flops + head.flops) * self.pipeline
        done += sum(f * c for f, c in zip(self._flops, work.contexts, strict=True))
        done += int(self._pairs(work.chunks))
        more = sum(f * g for f, g in zip(self._flops, work.growing, strict=True))
        return done * self.tensor, more * self.tensor

    def bytes_moved(self, work: Work) -> tuple[int, int]:
        """HBM bytes of weights and KV read in the next step, and each further step's more."""
        fixed, head = self.fixed(self._rows(work)), self.head(-(-work.sampled // self.pipeline))
        moved = (fixed.bytes + head.bytes) * self.pipeline
        moved += sum(b * c for b, c in zip(self._bytes, work.contexts, strict=True))
        more = sum(b * g for b, g in zip(self._bytes, work.growing, strict=True))
        return moved * self.tensor, more * self.tensor

    def parts(self, work: Work) -> dict[str, float]:
        """The next step's time in ns by what takes it, for people; bounds apart, they add up."""
        rows = self._rows(work)
        gemms, small, reduces, _ = self._layers(rows)
        head = self.head(-(-work.sampled // self.pipeline)).time / ONE
        whole = self.pace(work).first / ONE
        host = self._per_sequence(work) / ONE
        attention = whole - host - head - gemms - small - reduces
        return {
            "gemm": gemms,
            "attention": attention,
            "elementwise": small,
            "all-reduce": reduces,
            "lm head": head,
            "host, states, hops": host,
        }

    def fixed(self, rows: int) -> Fixed:
        """Everything but attention and the LM head, for `rows` tokens of one sub-batch."""
        gemms, small, reduces, extrapolated = self._layers(rows)
        flops = self._token_flops * rows
        moved = sum(_read(m, rows, self.operators.weight_bits) for m in self._matmuls)
        return self._book(gemms + small + reduces, flops, int(moved), extrapolated)

    def head(self, rows: int) -> Fixed:
        """The LM head for `rows` sampled tokens of one sub-batch."""
        if not rows:
            return Fixed(0, 0, 0, 0, 0, False)
        heads = self._heads
        timed = [(m, self.operators.gemm(Gemms(m.n, m.k), rows, HEAD_BITS)) for m in heads]
        ns = sum(m.times * t.ns for m, t in timed)
        flops = self._head_flops * rows
        moved = sum(_read(m, rows, HEAD_BITS) for m in heads)
        return self._book(ns, flops, int(moved), any(t.extrapolated for _, t in timed))

    def curve(self, index: int, decodes: int) -> Curve:
        """Decode attention of one class for `decodes` sequences over all sub-batches."""
        attention, pipeline = self.classes[index], self.pipeline
        batch = -(-decodes // pipeline)
        row, known = self.operators.decode(attention, batch)
        scale = batch * pipeline
        knots = tuple(context * scale for context in row.contexts)
        values = [round(ns * attention.layers * ONE) for ns in row.ns]
        slopes = tuple(
            max(0, (after - value) // (end - start))
            for start, end, value, after in zip(knots, knots[1:], values, values[1:], strict=False)
        )
        first = tuple(
            value - slope * knot for value, slope, knot in zip(values, slopes, knots, strict=False)
        )
        return Curve(knots, first, slopes, known * scale)

    def _rows(self, work: Work) -> int:
        """Tokens of one sub-batch, padded to a captured CUDA graph where there are only decodes."""
        tokens = work.decodes
        for chunk in work.chunks:
            tokens += chunk.tokens
        tokens = -(-tokens // self.pipeline)
        return tokens if work.chunks else self.engine.padded(tokens)

    def _per_sequence(self, work: Work) -> int:
        """Host time, the states of linear layers, and the hops between pipeline stages."""
        sequences = work.decodes + len(work.chunks)
        hops = 0
        if self.pipeline > 1:
            size = self._rows(work) * self.model.reduction_bytes
            link = self.operators.gpu.peer or self.operators.gpu.host
            hops = int(self.pipeline * (link.latency + size / link.bandwidth * 1e9) * ONE)
        host = self.engine.step_ns + self.engine.sequence_ns * sequences
        return host * ONE + self._state * sequences // self.pipeline + hops

    def _layers(self, rows: int) -> tuple[float, float, float, bool]:
        """ns of the GEMMs, the elementwise kernels and the all-reduces of all layers."""
        model, operators = self.model, self.operators
        gemms, extrapolated = 0.0, False
        for matmul in self._matmuls:
            groups, taken = _experts(matmul, rows)
            timed = operators.gemm(Gemms(matmul.n, matmul.k, groups), taken, operators.weight_bits)
            gemms += matmul.times * timed.ns
            extrapolated |= timed.extrapolated
        kernels = len(model.layers) * KERNELS_PER_LAYER * KERNEL_FLOOR
        small = kernels + operators.stream(self._small_bytes * rows)
        reduces = 0.0
        if self.tensor > 1:
            reduce = operators.all_reduce(rows * model.reduction_bytes, self.tensor)
            reduces = model.reductions * reduce.ns
            extrapolated |= reduce.extrapolated
        return gemms, small, reduces, extrapolated

    def _prompts(self, index: int, chunks: tuple[Chunk, ...], decodes: int) -> tuple[int, bool]:
        """Attention of the step's chunks: the longest by itself, or all of them sharing the GPU."""
        attention, operators = self.classes[index], self.operators
        longest = shared = 0.0
        extrapolated = False
        for tokens, history in chunks:
            whole = operators.prefill(attention, history + tokens)
            alone, share = whole.alone, whole.share
            if history:
                before = operators.prefill(attention, history)
                alone += operators.floor - before.alone
                share -= before.share
            longest = max(longest, alone)
            shared += max(share, 0.0)
            extrapolated |= whole.extrapolated
        time = max(longest, shared + operators.floor)
        if decodes:
            time -= operators.floor
        return round(max(time, 0.0) * attention.layers * ONE) // self.pipeline, extrapolated

    def _pairs(self, chunks: tuple[Chunk, ...]) -> float:
        """FLOPs of the chunks' attention on one GPU."""
        total = 0
        for attention in self.classes:
            flops = attention.pair_flops(prefill=True)
            for tokens, history in chunks:
                total += flops * _seen(attention, tokens, history)
        return total

    def _book(self, ns: float, flops: int, moved: int, extrapolated: bool) -> Fixed:
        flop_bound, byte_bound = flops * self._per_flop, moved * self._per_byte
        return Fixed(
            round(ns * ONE), flops, moved, int(flop_bound) + 1, int(byte_bound) + 1, extrapolated
        )


def _larger(pace: Pace, bound: int, more: int) -> Pace:
    """`pace`, or the bound where that is larger, up to the step at which they cross."""
    ahead = pace.first - bound
    gain = pace.growth - more
    if ahead >= 0:
        if gain >= 0:
            return pace
        return pace._replace(steps=min(pace.steps, ahead // -gain + 1))
    steps = pace.steps if gain <= 0 else min(pace.steps, (-ahead - 1) // gain + 1)
    return Pace(bound, more, steps, pace.extrapolated)


def _experts(matmul: Matmul, rows: int) -> tuple[int, int]:
    """Matrices read and rows multiplied, all experts together (uniform routing is assumed)."""
    if matmul.rows != "experts":
        return 1, rows
    share = matmul.active / matmul.experts
    touched = matmul.experts * (1 - (1 - share) ** rows)
    return max(1, round(touched)), max(1, round(rows * matmul.active))


def _read(matmul: Matmul, rows: int, bits: int) -> float:
    groups, _ = _experts(matmul, rows)
    return matmul.times * groups * matmul.n * matmul.k * bits / 8


def _seen(attention: Attention, tokens: int, history: int) -> int:
    """(query, key) pairs of a chunk under a causal mask, its window considered."""
    window = attention.window
    whole = tokens * history + tokens * (tokens + 1) // 2
    if window is None or history + tokens <= window:
        return whole
    if history >= window:
        return tokens * window
    inside = window - history
    return inside * history + inside * (inside + 1) // 2 + (tokens - inside) * window
