"""Placement: what is likely to be wanted again."""

from collections import defaultdict
from dataclasses import dataclass, field

from kvsim.sim.policy import Placement, Stored, placement


@placement.register("predicted")
@dataclass(slots=True)
class Predicted(Placement):
    """Sessions that are likely to come back, judged by how many of their class did.

    Of those that came as far as this turn: the share that came to the next, one more on each side
    of the odds. Learnt from what the tier has been offered so far; sessions that still think count
    as gone, so it errs towards keeping less. That turns predict returns is what CachedAttention
    and Pensieve build on (recalled); the estimate is kvsim's own.
    """

    likely: float = 0.5
    """Least share of comparable sessions that came back."""

    _reached: dict[int, int] = field(init=False, repr=False, default_factory=dict)
    """The latest turn of each session."""
    _seen: defaultdict[tuple[str, int], int] = field(
        init=False, repr=False, default_factory=lambda: defaultdict(int)
    )
    """Sessions of a class that have come to a turn."""

    def keeps(self, stored: Stored) -> bool:
        """If enough came back; what belongs to no session is kept when it has been used again."""
        if stored.session is None:
            return stored.reuses > 1
        self._learn(stored.session, stored.kind, stored.turn)
        came = self._seen.get((stored.kind, stored.turn + 1), 0)
        return (came + 1) / (self._seen[stored.kind, stored.turn] + 2) >= self.likely

    def _learn(self, session: int, kind: str, turn: int) -> None:
        """A session has come to a turn; told again, it is no news."""
        if self._reached.get(session, -1) < turn:
            self._reached[session] = turn
            self._seen[kind, turn] += 1
