"""Timing: a handful of coefficients."""

from dataclasses import dataclass
from typing import Any

from kvsim.calibration.coefficients import coefficients
from kvsim.calibration.linear import Linear as LinearTimes
from kvsim.calibration.linear import Terms
from kvsim.errors import InputError
from kvsim.hardware import GPU
from kvsim.models import Model
from kvsim.sim.policy import Timing, timing


@timing.register("linear")
@dataclass(slots=True)
class Linear(Timing):
    """Linear in tokens, squared lengths, contexts and sequences: DistServe's simulator.

    Zhong et al., DistServe, OSDI 2024, appendix A; coefficients as fitted by its authors.
    """

    file: str = "a100-80gb-distserve"
    """Shipped: a100-80gb-distserve, a100-80gb-vllm; or a file of the same form."""

    def step_time(
        self,
        model: Model,
        gpu: GPU,
        tensor: int,
        pipeline: int,
        weight_bits: int,
        kv_bits: int,
        engine: Any,
    ) -> LinearTimes:
        """Raises InputError for a model or a number of GPUs that was not fitted."""
        models = {name.rsplit("/", 1)[-1]: part for name, part in coefficients(self.file).items()}
        found = models.get(model.name, {}).get(str(tensor))
        if found is None:
            raise InputError(f"{self.file} has no coefficients of {model.name} on {tensor} GPUs.")
        prefill, few, many = (
            Terms.of(found[part]) for part in ("prefill", "decoding_smallbs", "decoding_largebs")
        )
        threshold = found["decoding_large_small_bs_threshold"]
        return LinearTimes(model, tensor, pipeline, prefill, few, many, threshold)
