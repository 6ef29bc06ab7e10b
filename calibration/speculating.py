"""Step times per token where several are drafted and verified at once."""

from kvsim.errors import InputError
from kvsim.sim.timing import Pace, StepTime, Work

PARTS = 1 << 16
"""Accepted tokens per step are a fraction over this, so that paces stay integers."""


class Speculating(StepTime):
    """A token's share of a step that drafts `drafts` tokens and verifies them.

    Verifying k drafts of n sequences is a step of n (k + 1) rows on the same contexts; drafting is
    k steps of the draft model, or a layer's share of the model's own step each.
    """

    def __init__(
        self, verify: StepTime, draft: StepTime | None, layers: int, drafts: int, acceptance: float
    ) -> None:
        if drafts < 1 or not 0 <= acceptance < 1:
            raise InputError(
                f"speculative: drafts {drafts} and acceptance {acceptance:g}; they are 1 at least, "
                "and a chance below 1."
            )
        self.verify = verify
        self.draft = draft
        self.layers = layers
        self.drafts = drafts
        self.peak_flops, self.bandwidth = verify.peak_flops, verify.bandwidth
        self.classes = verify.classes
        accepted = (1 - acceptance ** (drafts + 1)) / (1 - acceptance)
        self.per_token = round(PARTS / accepted)
        """Share of a step that a token takes, in 1/PARTS."""

    def pace(self, work: Work) -> Pace:
        """Prompts take what they take; decodes share the steps that give several tokens."""
        if not work.decodes or work.chunks:
            return self.verify.pace(work)
        whole = self.verify.pace(self._verified(work))
        own = self.verify.pace(work) if self.draft is None else self.draft.pace(self._drafted(work))
        parts = self.layers if self.draft is None else 1
        first = whole.first + self.drafts * own.first // parts
        growth = whole.growth + self.drafts * own.growth // parts
        share = self.per_token
        # rounded once per pace: within one, boundaries follow this arithmetic exactly
        return Pace(first * share // PARTS, growth * share // PARTS, 1, whole.extrapolated)

    def flops(self, work: Work) -> tuple[int, int]:
        """A token's share, the rejected ones' included."""
        return self._share(*self.verify.flops(self._verified(work)), work)

    def bytes_moved(self, work: Work) -> tuple[int, int]:
        """A token's share."""
        return self._share(*self.verify.bytes_moved(self._verified(work)), work)

    def _share(self, amount: int, more: int, work: Work) -> tuple[int, int]:
        if not work.decodes or work.chunks:
            return amount, more
        return amount * self.per_token // PARTS, more * self.per_token // PARTS

    def _verified(self, work: Work) -> Work:
        """Every sequence brings its drafts along; they read the same context once."""
        if not work.decodes or work.chunks:
            return work
        rows = self.drafts + 1
        return work._replace(decodes=work.decodes * rows, sampled=work.sampled * rows)

    def _drafted(self, work: Work) -> Work:
        classes = len(self.draft.classes) if self.draft is not None else 0
        context, grows = work.contexts[0], work.growing[0]
        return work._replace(
            contexts=(context,) * classes, growing=(grows,) * classes, shared=0, spread=0
        )
