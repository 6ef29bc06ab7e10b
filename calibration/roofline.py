"""Operator times from the data sheet and stated efficiencies: for every GPU, measured or not."""

from dataclasses import dataclass

from kvsim.calibration.operators import ATTENTION_FLOOR, Gemms, Operators, Prefill, Timed
from kvsim.calibration.table import Row
from kvsim.hardware import GPU
from kvsim.models import Attention

GEMM_FLOOR = 4e3
"""ns that a GEMM takes over its roofline, fitted with the efficiencies; fp8 ones also quantise
their input, which takes as long again. An H100 takes 4.0 us for n = k = 1024, m <= 16."""
REDUCE_FLOOR = 5e3
"""ns of launching a collective: NCCL's smallest all-reduces take 5.9, 9.3 and 15.6 us on 2, 4 and
8 H100, of which each of the 2 (g - 1) steps over NVLink takes some 0.6 us."""


@dataclass(frozen=True, slots=True)
class Efficiency:
    """Shares of the data sheet's peaks that kernels reach.

    Fitted to the shipped H100 table by `python -m kvsim.calibration.efficiency`, which prints
    how far the roofline is off with them.
    """

    gemm_flops: float = 0.80
    gemm_flops_8bit: float = 0.55
    gemm_bytes: float = 0.90
    prefill_flops: float = 0.50
    decode_bytes: float = 0.85


class Roofline(Operators):
    """max(FLOPs / FLOP/s, bytes / bandwidth) per operator, each with its efficiency."""

    def __init__(
        self, gpu: GPU, weight_bits: int, kv_bits: int, efficiency: Efficiency | None = None
    ) -> None:
        super().__init__(gpu, weight_bits, kv_bits)
        self.efficiency = efficiency or Efficiency()

    def gemm(self, shape: Gemms, m: int, bits: int) -> Timed:
        """The larger of arithmetic and reading the weights and activations."""
        efficiency = self.efficiency
        flops = 2.0 * m * shape.n * shape.k
        moved = shape.groups * shape.n * shape.k * bits / 8
        moved += m * (shape.n + shape.k) * 2
        wide = bits >= 16 or self.gpu.peak(bits) == self.gpu.peak(16)
        share = efficiency.gemm_flops if wide else efficiency.gemm_flops_8bit
        ns = max(
            flops / (self.gpu.peak(bits) * share),
            moved / (self.gpu.bandwidth * efficiency.gemm_bytes),
        )
        return Timed(ns * 1e9 + GEMM_FLOOR * (1 if wide else 2), False)

    def decode(self, attention: Attention, batch: int, beside: int = 0) -> tuple[Row, int]:
        """Reading the KV, or the arithmetic on it where many query heads share a KV head."""
        per_token = attention.read_bytes(self.kv_bits) / attention.layers
        flops = attention.pair_flops(prefill=False) / attention.layers
        ns = batch * 1e9 * max(
            per_token / (self.gpu.bandwidth * self.efficiency.decode_bytes),
            flops / (self.gpu.peak(16) * self.efficiency.prefill_flops),
        )  # fmt: skip
        far = 1 << 20
        row = Row((0, far * batch), (ATTENTION_FLOOR, ATTENTION_FLOOR + ns * far))
        return row, 1 << 60

    def prefill(self, attention: Attention, tokens: int) -> Prefill:
        """Half of all pairs, or those inside the window."""
        window = min(attention.window or tokens, tokens)
        pairs = window * (window + 1) // 2 + (tokens - window) * window
        flops = pairs * attention.pair_flops(prefill=True) / attention.layers
        ns = flops / (self.gpu.peak(16) * self.efficiency.prefill_flops) * 1e9
        return Prefill(ATTENTION_FLOOR, ns + ATTENTION_FLOOR, ns, False)

    def all_reduce(self, size: int, gpus: int) -> Timed:
        """A ring: each GPU sends 2 (g - 1) / g of the bytes; over PCIe without a peer link."""
        link = self.gpu.peer or self.gpu.host
        sent = 2 * (gpus - 1) / gpus * size
        ns = sent / (link.payload) * 1e9
        return Timed(ns + 2 * (gpus - 1) * link.latency + REDUCE_FLOOR, False)
