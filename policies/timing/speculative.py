"""Timing: tokens drafted ahead and verified together."""

from dataclasses import dataclass
from typing import Any

from kvsim.calibration.speculating import Speculating
from kvsim.hardware import GPU
from kvsim.models import Model
from kvsim.models import model as known
from kvsim.policies import answers
from kvsim.sim.policy import Timing, timing
from kvsim.sim.timing import StepTime


@timing.register("speculative")
@dataclass(slots=True)
class Speculative(Timing):
    """Speculative decoding: a draft of some tokens, verified in one step of the model.

    Leviathan, Kalman & Matias, Fast inference from transformers via speculative decoding, ICML
    2023. If each drafted token is accepted with chance a, a step of k drafts gives (1 - a^(k+1)) /
    (1 - a) tokens on average (their equation 1). Every token here takes its share of such a step:
    TPOT comes out, the bursts of accepted tokens do not, so ITL is smoother than in reality. The
    draft's own KV is not counted.
    """

    drafts: int = 4
    """Tokens drafted per step."""
    acceptance: float = 0.7
    """Chance that a drafted token is accepted: 0.5 to 0.9 by task and draft in that paper."""
    draft: str | None = None
    """A smaller model of the catalogue; a head that costs one layer (MTP) if left out."""
    inner: str = "fitted"
    """Where the times of the models' own steps come from."""

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
        """Of both models on the same GPUs."""
        made = answers("timing").make(self.inner)

        def times(one: Model) -> StepTime:
            found: StepTime = made.step_time(
                one, gpu, tensor, pipeline, weight_bits, kv_bits, engine
            )
            return found

        verify = times(model)
        drafting = times(known(self.draft)) if self.draft is not None else None
        return Speculating(verify, drafting, len(model.layers), self.drafts, self.acceptance)
