"""A step's duration, put together from its operators, in integers that a span can multiply.

    step = host + GEMMs and elementwise(tokens) + all-reduces(tokens) + LM head, sampler(sampled)
         + attention(decodes, contexts) + attention(chunks)

and never less than the FLOP and the byte bound. Decode attention is piecewise affine in the tokens
read, so a run of equal steps is an arithmetic series up to the next knot of the tables. How much
the contexts of a batch deviate from their mean does not change while it decodes, so that uneven
ones add a constant (`kvsim.calibration.uneven`).

Pipeline parallel: a step is one round in which p sub-batches follow each other through p stages.
Each stage then takes a p-th of the layers p times, so the round lasts as long as one sub-batch
takes through all layers, plus the hops between stages.
"""

from bisect import bisect_left
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from kvsim.calibration.engine import EngineProfile
from kvsim.calibration.ledger import HEAD_BITS, ONE, Ledger, experts, seeing
from kvsim.calibration.operators import Experts, Gemms, Operators, Timed
from kvsim.calibration.table import between
from kvsim.calibration.uneven import uneven
from kvsim.models import Matmul, Model
from kvsim.sim.timing import FOREVER, Chunk, Pace, StepTime, Work

__all__ = ["OperatorTimes", "seeing"]

DOWN = "expert_down"
"""The product of routed experts whose depth is an expert's width."""
UNIT = 1 << 10
"""Shares are integers over this, so that a pace stays exact."""
LOGIT_BYTES = 4
"""Logits are sampled from in fp32."""


class Curve(NamedTuple):
    """Attention of a fixed number of decodes by tokens read in all: affine between knots."""

    knots: tuple[int, ...]
    first: tuple[int, ...]
    """Value at tokens 0 of each piece, in 2**-20 ns."""
    slope: tuple[int, ...]
    known: int
    """Tokens beyond which it is extrapolated."""


class Attended(NamedTuple):
    """Decode attention of one class in a step."""

    time: int
    """In 2**-20 ns."""
    slope: int
    """The same per token read."""
    knot: int | None
    """Tokens read in all up to which the slope holds; None where it goes on."""
    known: int
    """Tokens beyond which it is extrapolated."""


class Fixed(NamedTuple):
    """What takes its time whatever the contexts are, in 2**-20 ns."""

    time: int
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
        self.ledger = ledger = Ledger(
            model, operators.gpu, tensor, pipeline, operators.weight_bits, operators.kv_bits
        )
        self.classes = ledger.classes
        self.peak_flops = ledger.peak_flops
        self.bandwidth = ledger.bandwidth
        self._matmuls = [m for m in model.matmuls(tensor) if m.rows == "all"]
        self._projections = model.projections(tensor)
        self._experts = _experts(model, tensor)
        self._heads = [m for m in model.matmuls(tensor) if m.rows == "sampled"]
        self._small_bytes = model.elementwise_bytes(tensor)
        state = 2 * model.layout.state_bytes(16, tensor)
        self._state = round(operators.stream(state) * ONE)
        """Reading and writing the linear layers' state of one sequence, in 2**-20 ns."""
        self._kv_read = [
            operators.stream(a.read_bytes(operators.kv_bits)) * ONE / pipeline for a in self.classes
        ]
        """Reading one stored token, by class, in 2**-20 ns."""
        self._launch = engine.prompt_layer_ns * len(model.layers) * ONE
        """What the host takes for a step with prompts, in 2**-20 ns."""
        self.fixed: Callable[[int], Fixed] = cache(self._fixed)
        self.head: Callable[[int], Fixed] = cache(self._head)
        self.curve: Callable[..., Curve] = cache(self._curve)
        self.lag: Callable[[int, int, bool], int] = cache(self._lag)
        self._sizes = [operators.sizes(one) for one in self.classes]
        self._sees_all = [one.window is None for one in self.classes]

    def pace(self, work: Work) -> Pace:
        """Duration of the next step and how it grows."""
        decodes, contexts, growing, chunks, sampled, *_ = work
        ledger = self.ledger
        rows, sampled = self._rows(work), -(-sampled // self.pipeline)
        fixed, head = self.fixed(rows), self.head(sampled)
        first = fixed.time + head.time + self._per_sequence(work)
        products, rest = ledger.products(rows, sampled), ledger.rest(work)
        flop_bound = products.flop_time + rest.flop_time
        byte_bound = products.byte_time + rest.byte_time
        extrapolated = fixed.extrapolated or head.extrapolated
        growth, more_flops, more_bytes, steps = 0, 0, 0, FOREVER
        for index, flop_time in enumerate(ledger.flop_times):
            if decodes:
                total, grows = contexts[index], growing[index]
                time, slope, knot, known = self._attend(index, work)
                byte_time = ledger.byte_times[index]
                first += time
                flop_bound += flop_time * total
                byte_bound += byte_time * total
                if grows:
                    growth += slope * grows
                    more_flops += flop_time * grows
                    more_bytes += byte_time * grows
                    if knot is not None:
                        steps = min(steps, (knot - total) // grows + 1)
                    if total <= known:
                        steps = min(steps, (known - total) // grows + 1)
                extrapolated |= total > known
            if chunks:
                time, outside = self._prompts(index, chunks, decodes)
                first += time
                extrapolated |= outside
        if chunks:
            steps = 1
            first += self._projection(sum(chunk.projected for chunk in chunks))
        best = Pace(first, growth, steps, extrapolated)
        for bound, more in ((flop_bound, more_flops), (byte_bound, more_bytes)):
            best = best.at_least(bound, more)
        return best.at_least(self._launch, 0) if chunks else best

    def flops(self, work: Work) -> tuple[int, int]:
        """FLOPs of the next step on all GPUs, and by how many each further step has more."""
        return self.ledger.flops(work, self._rows(work), -(-work.sampled // self.pipeline))

    def bytes_moved(self, work: Work) -> tuple[int, int]:
        """HBM bytes of weights, KV and states, and by how many each further step has more."""
        return self.ledger.bytes_moved(work, self._rows(work), -(-work.sampled // self.pipeline))

    def parts(self, work: Work) -> dict[str, float]:
        """The next step's time in ns by what takes it, for people; bounds apart, they add up."""
        gemms, small, reduces, _ = self._layers(self._rows(work))
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

    def _fixed(self, rows: int) -> Fixed:
        """Everything but attention and the LM head, for `rows` tokens of one sub-batch."""
        gemms, small, reduces, extrapolated = self._layers(rows)
        return Fixed(round((gemms + small + reduces) * ONE), extrapolated)

    def _head(self, rows: int) -> Fixed:
        """The LM head and the sampler, for `rows` sampled tokens of one sub-batch."""
        if not rows:
            return Fixed(0, False)
        timed = [(m, self.operators.gemm(Gemms(m.n, m.k), rows, HEAD_BITS)) for m in self._heads]
        ns = sum(m.times * t.ns for m, t in timed) + self._sampler(rows)
        return Fixed(round(ns * ONE), any(t.extrapolated for _, t in timed))

    def _sampler(self, rows: int) -> float:
        """Measured, if this engine samples on the GPU at all; or a floor and some passes."""
        logits = rows * self.model.vocabulary * LOGIT_BYTES
        measured = self.operators.sampler(logits) if self.engine.sampler_passes else None
        if measured is not None:
            return measured
        passes = self.engine.sampler_passes * logits / self.operators.gpu.bandwidth * 1e9
        return self.engine.sampler_ns + passes

    def _attend(self, index: int, work: Work) -> "Attended":
        """Decode attention of one class in the next step."""
        total, decodes = work.contexts[index], work.decodes
        sizes = self._sizes[index] if work.chunks else ()
        if sizes:
            time, slope, known = self._beside(index, work, sizes)
            knot = None
        else:
            knots, values, slopes, known = self.curve(index, decodes)
            piece = min(max(bisect_left(knots, total) - 1, 0), len(knots) - 2)
            knot = knots[piece + 1] if piece < len(knots) - 2 else None
            slope = slopes[piece]
            time = values[piece] + slope * total
        if work.spread and self._sees_all[index]:
            time += slope * work.spread * self.lag(index, decodes, bool(sizes)) // UNIT
        return Attended(time, slope, knot, known)

    def _beside(self, index: int, work: Work, sizes: tuple[int, ...]) -> tuple[int, int, int]:
        """What decodes add to a step with prompts: time, time per token, and what total is known.

        Linear in the prompts' tokens between measured sizes.
        """
        tokens, total = sum(chunk.tokens for chunk in work.chunks), work.contexts[index]
        low, share = between(sizes, min(max(tokens, sizes[0]), sizes[-1]))
        time = slope = 0.0
        known = 0
        for size, weight in ((sizes[low], 1 - share), (sizes[low + 1], share)):
            knots, values, slopes, known = self.curve(index, work.decodes, size)
            piece = min(max(bisect_left(knots, total) - 1, 0), len(knots) - 2)
            time += weight * (values[piece] + slopes[piece] * total)
            slope += weight * slopes[piece]
        return int(time), int(slope), known

    def _lag(self, index: int, decodes: int, beside: bool) -> int:
        """What uneven contexts add: in 1/UNIT of reading as many tokens as the contexts deviate."""
        tiles = self.classes[index].kv_heads * -(-decodes // self.pipeline)
        return round(uneven(tiles / self.operators.gpu.sms, beside) * UNIT)

    def _curve(self, index: int, decodes: int, beside: int = 0) -> Curve:
        """Decode attention of one class for `decodes` sequences over all sub-batches.

        `beside`: in a step that holds so many tokens of prompts too.
        """
        attention = self.classes[index]
        batch = -(-decodes // self.pipeline)
        row, known = self.operators.decode(attention, batch, beside)
        points = {round(total * decodes / batch): ns for total, ns in zip(*row, strict=True)}
        points.setdefault(0, row.ns[0])
        knots = tuple(sorted(points))
        values = [round(points[knot] * attention.layers * ONE) for knot in knots]
        slopes = tuple(
            max(0, (after - value) // (end - start))
            for start, end, value, after in zip(knots, knots[1:], values, values[1:], strict=False)
        )
        first = tuple(
            value - slope * knot for value, slope, knot in zip(values, slopes, knots, strict=False)
        )
        return Curve(knots, first, slopes, known * decodes // batch)

    def _projection(self, tokens: int) -> int:
        """Making K and V of hidden states in all layers, in 2**-20 ns."""
        if not tokens:
            return 0
        bits = self.operators.weight_bits
        timed = (
            one.times * self.operators.gemm(Gemms(one.n, one.k), tokens, bits).ns
            for one in self._projections
        )
        return round(sum(timed) * ONE) // self.pipeline

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
        host += self.engine.prompt_step_ns if work.chunks else 0
        return host * ONE + self._state * sequences // self.pipeline + hops

    def _layers(self, rows: int) -> tuple[float, float, float, bool]:
        """ns of the GEMMs, the elementwise kernels and the all-reduces of all layers."""
        model, operators = self.model, self.operators
        gemms, extrapolated = 0.0, False
        if not rows:
            return 0.0, 0.0, 0.0, False
        for shape, products in self._experts:
            whole = operators.experts(shape, rows, operators.weight_bits)
            times = products[0].times
            if whole is None:
                whole = self._one_by_one(products, rows)
            gemms += times * whole.ns
            extrapolated |= whole.extrapolated
        for matmul in self._matmuls:
            timed = operators.gemm(Gemms(matmul.n, matmul.k), rows, operators.weight_bits)
            gemms += matmul.times * timed.ns
            extrapolated |= timed.extrapolated
        small = operators.small(len(model.layers), self._small_bytes * rows)
        small += operators.once(rows * model.reduction_bytes)
        reduces = 0.0
        if self.tensor > 1:
            reduce = operators.all_reduce(rows * model.reduction_bytes, self.tensor)
            reduces = model.reductions * reduce.ns
            extrapolated |= reduce.extrapolated
        return gemms, small, reduces, extrapolated

    def _one_by_one(self, products: list[Matmul], rows: int) -> Timed:
        """Experts of a layer as grouped products, one after another."""
        ns, extrapolated = 0.0, False
        for matmul in products:
            groups, taken = experts(matmul, rows)
            shape = Gemms(matmul.n, matmul.k, groups)
            timed = self.operators.gemm(shape, taken, self.operators.weight_bits)
            ns += timed.ns
            extrapolated |= timed.extrapolated
        return Timed(ns, extrapolated)

    def _prompts(self, index: int, chunks: tuple[Chunk, ...], decodes: int) -> tuple[int, bool]:
        """Attention of the step's chunks: the longest by itself, or all of them sharing the GPU.

        Prompts and decodes run in one kernel, so its launch is counted once. A chunk after a long
        history reads all of it, however few its own tokens are.
        """
        attention, operators = self.classes[index], self.operators
        longest = shared = floor = 0.0
        seen, extrapolated = 0, False
        for tokens, history, _ in chunks:
            if not tokens:
                continue
            floor, alone, share, outside = operators.chunk(attention, tokens, history)
            longest = max(longest, alone)
            shared += share
            seen += tokens + min(history, attention.window or history)
            extrapolated |= outside
        time = max(longest, shared + floor) - (floor if decodes else 0.0)
        scaled = round(max(time, 0.0) * attention.layers * ONE) // self.pipeline
        return max(scaled, int(seen * self._kv_read[index])), extrapolated


def _experts(model: Model, tensor: int) -> list[tuple[Experts, list[Matmul]]]:
    """Routed experts by shape, with their products; those with a down product are whole."""
    routed = [one for one in model.matmuls(tensor) if one.rows == "experts"]
    found = []
    for down in routed:
        if down.name == DOWN:
            alike = [one for one in routed if one.times == down.times]
            shape = Experts(model.hidden, down.k, down.active, down.experts)
            found.append((shape, alike))
    return found
