"""Timing: the kernel tables of the installed aiconfigurator-core."""

from dataclasses import dataclass

from kvsim.calibration.baked import baked
from kvsim.calibration.engine import EngineProfile
from kvsim.calibration.measured import Measured
from kvsim.calibration.steps import OperatorTimes
from kvsim.hardware import GPU
from kvsim.models import Model
from kvsim.sim.policy import Timing, timing


@timing.register("silicon")
@dataclass(slots=True)
class Silicon(Timing):
    """Kernels that aiconfigurator-core 0.12.0 measured, each engine's own; needs kvsim[silicon].

    Tables are made on first use and kept in the user's cache folder.
    """

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
        """Raises InputError for a GPU that was not measured, and without the package."""
        operators = Measured(baked(gpu.name, engine.name), gpu, weight_bits, kv_bits)
        return OperatorTimes(model, operators, tensor, pipeline, engine)
