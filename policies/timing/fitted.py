"""Timing: kernels measured on the GPU."""

from dataclasses import dataclass

from kvsim.calibration.engine import EngineProfile
from kvsim.calibration.measured import Measured
from kvsim.calibration.steps import OperatorTimes
from kvsim.calibration.table import load
from kvsim.hardware import GPU
from kvsim.models import Model
from kvsim.sim.policy import Timing, timing


@timing.register("fitted")
@dataclass(slots=True)
class Fitted(Timing):
    """Measured kernel times, interpolated; the roofline, marked, where there are none."""

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
        """Raises InputError for a GPU without a calibration."""
        operators = Measured(load(gpu.name, engine.name), gpu, weight_bits, kv_bits)
        return OperatorTimes(model, operators, tensor, pipeline, engine)
