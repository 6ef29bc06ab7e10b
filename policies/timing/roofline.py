"""Timing: the data sheet and stated efficiencies."""

from dataclasses import dataclass

from kvsim.calibration.engine import EngineProfile
from kvsim.calibration.roofline import Efficiency
from kvsim.calibration.roofline import Roofline as Operators
from kvsim.calibration.steps import OperatorTimes
from kvsim.hardware import GPU
from kvsim.models import Model
from kvsim.sim.policy import Timing, timing

STATED = Efficiency()


@timing.register("roofline")
@dataclass(slots=True)
class Roofline(Timing):
    """max(FLOPs / peak, bytes / bandwidth) per operator, with stated efficiencies."""

    gemm_flops: float = STATED.gemm_flops
    gemm_flops_8bit: float = STATED.gemm_flops_8bit
    gemm_bytes: float = STATED.gemm_bytes
    prefill_flops: float = STATED.prefill_flops
    decode_bytes: float = STATED.decode_bytes

    def step_time(
        self,
        model: Model,
        gpu: GPU,
        tensor: int,
        pipeline: int,
        weight_bits: int,
        kv_bits: int,
        engine: EngineProfile,
    ) -> OperatorTimes:
        """For every GPU."""
        efficiency = Efficiency(
            self.gemm_flops,
            self.gemm_flops_8bit,
            self.gemm_bytes,
            self.prefill_flops,
            self.decode_bytes,
        )
        operators = Operators(gpu, weight_bits, kv_bits, efficiency)
        return OperatorTimes(model, operators, tensor, pipeline, engine)
