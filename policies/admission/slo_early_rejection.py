"""Admission: who would be late anyway is turned away at once."""

from dataclasses import dataclass

from kvsim.sim.policy import Admission, EngineView, SequenceView, admission
from kvsim.units import MS, SECOND, Ns


@admission.register("slo_early_rejection")
@dataclass(slots=True)
class EarlyRejection(Admission):
    """Refuses requests whose first token is predicted to be late (Mooncake's early rejection).

    Qin et al., Mooncake, FAST 2025, section 7. TTFT is predicted as the time to compute what waits
    before it and itself, less what is cached; decoding counts as the share of a step that it takes
    from prompts.
    """

    ttft: int = 2 * SECOND
    """Objective."""
    slack: float = 1.0
    """Times the objective up to which requests are taken."""

    def refuses(self, sequence: SequenceView, view: EngineView, now: Ns) -> str | None:
        """By the prompts ahead of it."""
        ahead = sum(one.missing for one in view.prefilling)
        ahead += sum(max(0, one.missing - view.cached(one)) for one in view.waiting)
        own = max(1, sequence.prompt_tokens - view.cached(sequence))
        predicted = view.prefill_time(ahead + own) + view.decoding * MS // 100
        return "it would be late" if predicted > self.slack * self.ttft else None
