"""When decoding sequences have stored a whole number of rounds of tokens: a limit of spans."""

from heapq import heappop, heappush

from kvsim.sim.sequence import Sequence, Stay

Turn = tuple[int, int, int, Stay]
"""At which step, whose, the step at which it joined, and its time in the batch."""


class Rounds:
    """The next step of a batch after which each sequence has stored a multiple of `tokens`."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self._turns: list[Turn] = []

    def enter(self, sequence: Sequence, steps: int) -> None:
        """`sequence` has just joined a batch that has taken `steps` steps."""
        assert sequence._stay is not None
        ahead = self.tokens - sequence.computed % self.tokens
        heappush(self._turns, (steps + ahead, sequence.id, steps, sequence._stay))

    def steps(self, steps: int, most: int) -> int:
        """Steps to the next turn of a batch that has taken `steps`, or `most` if that is sooner."""
        turns = self._turns
        while turns and not self._decodes(turns[0]):
            heappop(turns)
        return min(most, turns[0][0] - steps) if turns else most

    def due(self, steps: int) -> list[tuple[Sequence, int]]:
        """Whose turn it is after `steps`, and the tokens each has stored; in order of id."""
        turns, found = self._turns, []
        while turns and turns[0][0] <= steps:
            turn = heappop(turns)
            if self._decodes(turn):
                at, _, joined, stay = turn
                sequence = stay.sequence
                found.append((sequence, sequence.computed + at - joined))
                heappush(turns, (at + self.tokens, *turn[1:]))
        return found

    def _decodes(self, turn: Turn) -> bool:
        """It has not left the batch since."""
        stay = turn[3]
        return stay.sequence._stay is stay
