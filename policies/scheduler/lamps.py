"""Scheduler: by the memory a request will hold, for how long."""

from dataclasses import dataclass

from kvsim.policies.scheduler.ranked import Rank, Ranked
from kvsim.sim.policy import EngineView, SequenceView, scheduler


@scheduler.register("lamps")
@dataclass(slots=True)
class Lamps(Ranked):
    """Least memory over time first: tokens held, summed over the answer (LAMPS).

    Shahout et al., Fast inference for augmented large language models (LAMPS), 2024, which ranks by
    predicted memory consumption over time. What becomes of KV during a tool call (preserve,
    discard, swap) is not decided here: it stays as long as nobody needs the room.
    """

    def rank(self, view: EngineView, sequence: SequenceView) -> Rank:
        """Prompt and growing answer, over the tokens it will take."""
        rest = max(view.predicted(sequence) - view.generated(sequence), 1.0)
        return ((sequence.prompt_tokens + view.generated(sequence) + rest / 2) * rest,)
