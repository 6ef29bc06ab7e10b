"""The question where step times come from."""

from abc import ABC, abstractmethod
from typing import Any

from kvsim.hardware import GPU
from kvsim.models import Model
from kvsim.sim.timing import StepTime


class Timing(ABC):
    """Where a replica's step times come from. Asked once, before the run."""

    @abstractmethod
    def step_time(
        self,
        model: Model,
        gpu: GPU,
        tensor: int,
        pipeline: int,
        weight_bits: int,
        kv_bits: int,
        engine: Any,
    ) -> StepTime:
        """Step times of `model` on `tensor` x `pipeline` GPUs under an engine's overheads."""
