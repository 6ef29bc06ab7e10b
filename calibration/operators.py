"""How long each operator of a step takes on one GPU: the question, and what needs no table."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from kvsim.calibration.table import Row
from kvsim.hardware import GPU
from kvsim.models import Attention

KERNEL_FLOOR = 2.6e3
"""ns of the smallest kernel: median of layernorm, rotary and activation at 1 to 16 tokens in
LLMServingSim's profile of vLLM 0.19 (RTX PRO 6000, Llama-3.1-8B). Taken for every GPU."""
KERNELS_PER_LAYER = 5
"""Small kernels besides GEMMs and attention: two norms, rotary, activation, KV write."""
STREAM_EFFICIENCY = 0.8
"""Share of HBM bandwidth that elementwise kernels reach (assumed: STREAM-like copies on HBM3)."""


class Gemms(NamedTuple):
    """y[m, n] = x[m, k] W; `groups` of them side by side, as experts are."""

    n: int
    k: int
    groups: int = 1


class Timed(NamedTuple):
    """A duration in ns, and whether it was looked up outside what was measured."""

    ns: float
    extrapolated: bool


class Prefill(NamedTuple):
    """Times of prompt attention up to a length, in ns: alone on the GPU, and as a share of it."""

    alone: float
    share: float
    extrapolated: bool


class Operators(ABC):
    """Durations of one GPU's kernels. All in ns; pure."""

    def __init__(self, gpu: GPU, weight_bits: int, kv_bits: int) -> None:
        self.gpu = gpu
        self.weight_bits = weight_bits
        self.kv_bits = kv_bits

    @abstractmethod
    def gemm(self, shape: Gemms, m: int, bits: int) -> Timed:
        """Multiply `m` rows in all by `groups` matrices of k x n, stored with `bits`."""

    @abstractmethod
    def decode(self, attention: Attention, batch: int) -> tuple[Row, int]:
        """One layer's attention of `batch` single tokens, by tokens read per sequence.

        Also the number of tokens per sequence from which on it is extrapolated.
        """

    @abstractmethod
    def prefill(self, attention: Attention, tokens: int) -> Prefill:
        """One layer's attention of a prompt of `tokens`, from its first token on."""

    @abstractmethod
    def all_reduce(self, size: int, gpus: int) -> Timed:
        """Sum `size` bytes over `gpus`."""

    def stream(self, size: int) -> float:
        """Move `size` bytes through HBM."""
        return size / (self.gpu.bandwidth * STREAM_EFFICIENCY) * 1e9

    @property
    def floor(self) -> float:
        """The part of an attention kernel's time that is launch and latency, once a layer."""
        return 2 * KERNEL_FLOOR
