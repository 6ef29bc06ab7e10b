"""How long each operator of a step takes on one GPU: the question, and what needs no table."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from mypy_extensions import mypyc_attr

from kvsim.calibration.table import Row
from kvsim.hardware import GPU
from kvsim.models import Attention

KERNEL_FLOOR = 2.6e3
"""ns of the smallest kernel: median of layernorm, rotary and activation at 1 to 16 tokens in
LLMServingSim's profile of vLLM 0.19 (RTX PRO 6000, Llama-3.1-8B). Taken for every GPU."""
ATTENTION_FLOOR = 11.5e3
"""ns of the smallest attention kernel: decoding one short text takes 11.6 us on an H100 (the
shipped table, vLLM 0.24) and 8.4 to 9.3 on RTX cards (LLMServingSim, vLLM 0.19)."""
KERNELS_PER_LAYER = 5
"""Small kernels besides GEMMs and attention: two norms, rotary, activation, KV write."""
KERNEL_GAP = 1.0e3
"""ns between a kernel and the next one of a CUDA graph. Fitted: one request alone decodes in 11.49
ms in the RTX PRO 6000 run (vLLM 0.19, 87 tokens/s), whose 325 kernels take 11.15 ms. Tables that
were timed over repeated launches hold it already."""
STREAM_EFFICIENCY = 0.8
"""Share of HBM bandwidth that elementwise kernels reach (assumed: STREAM-like copies on HBM3)."""


class Gemms(NamedTuple):
    """y[m, n] = x[m, k] W; `groups` of them side by side, as experts are."""

    n: int
    k: int
    groups: int = 1


class Experts(NamedTuple):
    """Routed experts of a layer on one rank: up, gate and down of each, and what mixes them."""

    hidden: int
    width: int
    """Columns of an expert's up product on this rank."""
    active: int
    """Experts that a token visits."""
    experts: int


class Timed(NamedTuple):
    """A duration in ns, and whether it was looked up outside what was measured."""

    ns: float
    extrapolated: bool


class Prefill(NamedTuple):
    """Times of prompt attention up to a length, in ns."""

    floor: float
    """Launch and latency, once a kernel however many prompts it takes."""
    alone: float
    """One prompt, the floor included."""
    share: float
    """What one prompt adds where many fill the GPU."""
    extrapolated: bool


@mypyc_attr(allow_interpreted_subclasses=True)
class Operators(ABC):
    """Durations of one GPU's kernels. All in ns; pure."""

    def __init__(self, gpu: GPU, weight_bits: int, kv_bits: int) -> None:
        self.gpu = gpu
        self.weight_bits = weight_bits
        self.kv_bits = kv_bits

    @abstractmethod
    def gemm(self, shape: Gemms, m: int, bits: int) -> Timed:
        """Multiply `m` rows in all by `groups` matrices of k x n, stored with `bits`."""

    def experts(self, shape: Experts, tokens: int, bits: int) -> Timed | None:
        """A layer's experts for `tokens`; None where only their products are known."""
        return None

    @abstractmethod
    def decode(self, attention: Attention, batch: int, beside: int = 0) -> tuple[Row, int]:
        """One layer's attention of `batch` single tokens, by tokens read in all.

        `beside`: in a step that holds so many tokens of prompts too, one of `sizes`, whose time
        comes on top. Also the number of tokens in all beyond which it is extrapolated.
        """

    def sizes(self, attention: Attention) -> tuple[int, ...]:
        """Tokens of prompts beside which decoding was measured; none where it was alone only."""
        return ()

    @abstractmethod
    def prefill(self, attention: Attention, tokens: int) -> Prefill:
        """One layer's attention of a prompt of `tokens`, from its first token on."""

    def chunk(self, attention: Attention, tokens: int, history: int) -> Prefill:
        """One layer's attention of `tokens` that follow `history`: a difference of two prompts."""
        whole = self.prefill(attention, history + tokens)
        if not history:
            return whole
        before = self.prefill(attention, history)
        alone, share = whole.floor + whole.alone - before.alone, whole.share - before.share
        return Prefill(whole.floor, alone, max(share, 0.0), whole.extrapolated)

    @abstractmethod
    def all_reduce(self, size: int, gpus: int) -> Timed:
        """Sum `size` bytes over `gpus`."""

    def stream(self, size: int) -> float:
        """Move `size` bytes through HBM."""
        return size / (self.gpu.bandwidth * STREAM_EFFICIENCY) * 1e9

    def small(self, layers: int, size: int) -> float:
        """The kernels between products and attention, which move `size` bytes in all `layers`."""
        return layers * KERNELS_PER_LAYER * (KERNEL_FLOOR + KERNEL_GAP) + self.stream(size)

    def once(self, size: int) -> float:
        """The embedding and the last norm of a step whose hidden states take `size` bytes."""
        return 2 * KERNEL_FLOOR + self.stream(4 * size)

    def sampler(self, size: int) -> float | None:
        """From `size` bytes of logits to tokens; None where the engine's profile is to say."""
        return None
