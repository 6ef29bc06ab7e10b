"""Sessions between two turns, and requests between a tool's call and its answer.

Their KV may be copied closer before they come back, when the prefetch answer says.
"""

from typing import TYPE_CHECKING

from kvsim.sim.clock import LANDED, Clock, ring
from kvsim.sim.policy import Absence, Prefetch
from kvsim.sim.sequence import Sequence

if TYPE_CHECKING:
    from kvsim.sim.engine import Engine


class Returning:
    """All who are away. Whose KV is to be copied is asked where it was served last."""

    def __init__(self, clock: Clock, prefetch: Prefetch) -> None:
        self.clock = clock
        self.prefetch = prefetch
        self._away: dict[tuple[Absence, int], Sequence] = {}

    def left(self, sequence: Sequence, why: Absence, engine: "Engine") -> None:
        """`sequence`, which `engine` has served, is away from now on."""
        key = _key(sequence, why)
        if key is None or engine.hierarchy is None:
            return
        self._away[key] = sequence
        after = self.prefetch.left(sequence, why, self.clock.now)
        if after is None:
            return

        def due() -> None:
            if self._away.get(key) is sequence and engine.is_up and engine.hierarchy is not None:
                engine.catch_up()
                engine.hierarchy.ahead.bring(sequence)

        ring(self.clock, self.clock.now + after, LANDED + 1 + engine.index, due)

    def came_back(self, sequence: Sequence, why: Absence) -> None:
        """It is `sequence` that goes on; copies that have not begun are off."""
        key = _key(sequence, why)
        if key is not None and self._away.pop(key, None) is not None:
            self.prefetch.came_back(sequence, why, self.clock.now)


def _key(sequence: Sequence, why: Absence) -> tuple[Absence, int] | None:
    """Sessions are known by their number, tools' answers by who waits for them."""
    number = sequence.id if why == "tool" else sequence.session
    return None if number is None else (why, number)
