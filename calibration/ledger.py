"""The FLOPs and HBM bytes that a step cannot do without, and the least time they take.

Bytes are those no cache can save: each weight once per sub-batch (of routed experts, those that
some token visits), the KV that is attended to and written, and the states of linear layers.
Activations may stay in L2 and are not counted.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from kvsim.hardware import GPU
from kvsim.models import Attention, Matmul, Model
from kvsim.sim.timing import FRACTION, Work

ONE = 1 << FRACTION
HEAD_BITS = 16
"""Quantised checkpoints leave embeddings and the LM head alone."""
SEEING = ("full", "window", "chunk", "latent", "cross")
"""Kinds of layers whose cost grows with the context; a shared layer counts as its source."""


def seeing(model: Model, tensor: int) -> tuple[Attention, ...]:
    """The attention classes a step's contexts are counted for, in order."""
    return tuple(a for a in model.attention(tensor) if a.kind in SEEING)


class Amount(NamedTuple):
    """FLOPs and bytes on one GPU, and the least time for each in 2**-20 ns."""

    flops: int
    bytes: int
    flop_time: int
    byte_time: int


class Ledger:
    """What steps of a replica compute and move: exact, whatever their duration."""

    def __init__(
        self, model: Model, gpu: GPU, tensor: int, pipeline: int, weight_bits: int, kv_bits: int
    ) -> None:
        self.classes = seeing(model, tensor)
        self.tensor = tensor
        self.pipeline = pipeline
        self.weight_bits = weight_bits
        peak = gpu.peak(min(16, weight_bits))
        self.peak_flops = peak * tensor * pipeline
        self.bandwidth = gpu.bandwidth * tensor * pipeline
        self._per_flop = ONE * 1e9 / peak
        self._per_byte = ONE * 1e9 / gpu.bandwidth
        self._matmuls = [m for m in model.matmuls(tensor) if m.rows != "sampled"]
        self._heads = [m for m in model.matmuls(tensor) if m.rows == "sampled"]
        self._token_flops = model.token_flops(tensor) + model.state_flops(tensor)
        self._projection_flops = sum(one.flops(1) for one in model.projections(tensor))
        self._head_flops = model.head_flops(tensor)
        self._flops = [one.pair_flops(prefill=False) for one in self.classes]
        self._bytes = [one.read_bytes(kv_bits) for one in self.classes]
        self._prompts = [
            (one, one.pair_flops(prefill=True), size)
            for one, size in zip(self.classes, self._bytes, strict=True)
        ]
        self._written = model.layout.bytes_per_token(kv_bits, tensor)
        self._state = 2 * model.layout.state_bytes(16, tensor)
        """Linear layers read and write their state for each sequence."""
        self.flop_times = [self._time(f * self._per_flop) for f in self._flops]
        """Least time per token read by a decode, by attention class, in 2**-20 ns."""
        self.byte_times = [self._time(b * self._per_byte) for b in self._bytes]
        self._asked: Work | None = None
        self._answer = Amount(0, 0, 0, 0)
        self.products: Callable[[int, int], Amount] = cache(self._products)

    def _products(self, rows: int, sampled: int) -> Amount:
        """The matrix products of one sub-batch: `rows` tokens, of which `sampled` take a token."""
        flops = self._token_flops * rows + self._head_flops * sampled
        moved = 0
        if rows:
            moved = sum(m.weight_bytes(rows, self.weight_bits) for m in self._matmuls)
        if sampled:
            moved += sum(m.weight_bytes(sampled, HEAD_BITS) for m in self._heads)
        byte_time = int(moved * self._per_byte) + 1
        return Amount(flops, moved, int(flops * self._per_flop) + 1, byte_time)

    def rest(self, work: Work) -> Amount:
        """What neither products nor decode attention account for: writes, states and chunks."""
        if work is self._asked:  # a span asks thrice: how long, how many FLOPs, how many bytes
            return self._answer
        tokens, flops, moved = work.decodes, 0, 0
        for chunk in work.chunks:
            tokens += chunk.tokens
            flops += chunk.projected * self._projection_flops
            moved += chunk.projected * self._written
            for one, pair, size in self._prompts:
                flops += pair * one.pairs(chunk.tokens, chunk.history)
                moved += size * (min(chunk.history, one.window or chunk.history) + chunk.tokens)
        moved += tokens * self._written + (work.decodes + len(work.chunks)) * self._state
        flop_time = self._time(flops * self._per_flop)
        self._asked = work
        self._answer = Amount(flops, moved, flop_time, self._time(moved * self._per_byte))
        return self._answer

    def flops(self, work: Work, rows: int, sampled: int) -> tuple[int, int]:
        """FLOPs of the next step on all GPUs, and by how many each further step has more."""
        done = self.products(rows, sampled).flops * self.pipeline + self.rest(work).flops
        return self._summed(work, done, self._flops)

    def bytes_moved(self, work: Work, rows: int, sampled: int) -> tuple[int, int]:
        """HBM bytes of the next step on all GPUs, and by how many each further step has more."""
        moved = self.products(rows, sampled).bytes * self.pipeline + self.rest(work).bytes
        return self._summed(work, moved, self._bytes)

    def _summed(self, work: Work, amount: int, each: list[int]) -> tuple[int, int]:
        """`amount` and what decode attention adds, `each` per token read; on all ranks."""
        more = 0
        for index, one in enumerate(each):
            amount += one * work.contexts[index]
            more += one * work.growing[index]
        return amount * self.tensor, more * self.tensor

    def _time(self, alone: float) -> int:
        """Rounded up, so that a sum of such times is never too short; stages share the work."""
        return int(alone / self.pipeline) + 1 if alone else 0


def experts(matmul: Matmul, rows: int) -> tuple[int, int]:
    """Matrices read and rows multiplied, all experts together (uniform routing is assumed)."""
    if matmul.rows != "experts":
        return 1, rows
    share = matmul.active / matmul.experts
    touched = matmul.experts * (1 - (1 - share) ** rows)
    return max(1, round(touched)), max(1, round(rows * matmul.active))
