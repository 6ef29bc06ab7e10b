"""What tiers give back of a request's KV, and of which ranges of its text the GPU makes the rest.

A restore answer divides each stretch that a tier holds. What comes first in one way is waited for.
The rest is a gap: it comes while what is before it is computed, all of it at once, or from its end
on until computing meets it.
"""

from collections.abc import Callable

from kvsim.sim.hierarchy import Hierarchy
from kvsim.sim.sequence import Gap, Sequence
from kvsim.sim.tier import Piece


class Restoring:
    """The gaps of one replica's requests, from their beginning until all has landed."""

    def __init__(self, hierarchy: Hierarchy, filled: Callable[[Sequence], None]) -> None:
        self.hierarchy = hierarchy
        self.filled = filled
        """Called when all of a gap has landed."""
        self.is_closed = False
        """The requests have gone elsewhere: what lands is let go."""
        self._flowing: dict[Sequence, None] = {}
        self.gaps: dict[Sequence, list[Piece]] = {}
        """Who has a gap of which something is still to come, and what of it, in order."""
        block = hierarchy.memory.block_tokens
        self.piece = -(hierarchy.restore.piece // -block) * block
        """Tokens that are loaded at a time until computing meets them; 0: no meeting."""

    def divided(self, pieces: list[Piece], start: int) -> tuple[list[Piece], list[Piece]]:
        """What a request whose first `start` tokens are here waits for, and what fills its gap."""
        if self.piece or pieces[0].start > start:
            return [], pieces
        first = [piece for piece in pieces if piece.form != pieces[0].form]
        count = pieces.index(first[0]) if first else len(pieces)
        return pieces[:count], pieces[count:]

    def open(self, sequence: Sequence, pieces: list[Piece], counts: bool) -> None:
        """`pieces` are the gap of `sequence`; nothing of it flows yet."""
        start, end = pieces[0].start, pieces[-1].end
        hidden = sum(one.end - one.start for one in pieces if one.form == "hidden")
        sequence.gap = Gap(end if self.piece else start, end, self.piece, counts, hidden)
        self.gaps[sequence] = pieces

    def fill(self, sequence: Sequence) -> None:
        """The gap of `sequence` begins to flow."""
        pieces = self.gaps[sequence]
        self._flowing[sequence] = None
        if self.piece:
            self._claim(sequence)
            return
        left = len(pieces)

        def landed(piece: Piece) -> Callable[[], None]:
            def done() -> None:
                nonlocal left
                left -= 1
                self.hierarchy.carrier.on_land[0]()
                self.hierarchy.let_go(piece)
                if not left and not self.is_closed:
                    self._fill(sequence)
                self.hierarchy.carrier.on_land[1]()

            return done

        for piece in pieces:
            self._fetch(sequence, piece, landed(piece))

    def close(self) -> None:
        """Nothing more is to come; what flows lands in vain."""
        self.is_closed = True
        for sequence in [one for one in self.gaps if one not in self._flowing]:
            self._let_go(sequence)

    def _let_go(self, sequence: Sequence) -> None:
        for piece in self.gaps.pop(sequence):
            self.hierarchy.let_go(piece)

    def _claim(self, sequence: Sequence, goes_on: bool = False) -> None:
        """The next piece from the end flows, unless computing has come there."""
        if self.is_closed:
            self._let_go(sequence)
            return
        gap, block = sequence.gap, self.hierarchy.memory.block_tokens
        assert gap is not None
        front = -(max(sequence.computed, gap.front) // -block) * block
        pieces = self.gaps[sequence]
        while pieces and pieces[-1].start >= gap.start:
            self.hierarchy.let_go(pieces.pop())
            goes_on = False
        start = max(front, gap.start - self.piece, pieces[-1].start if pieces else gap.start)
        if start >= gap.start:
            for piece in pieces:
                piece.stretch.start = min(gap.start, piece.end)
                self.hierarchy.let_go(piece)
            self._fill(sequence)
            return
        claimed = pieces[-1]._replace(start=start, end=gap.start)
        gap.start = start

        def landed() -> None:
            self.hierarchy.carrier.on_land[0]()
            self._claim(sequence, goes_on=True)
            self.hierarchy.carrier.on_land[1]()

        self._fetch(sequence, claimed, landed, goes_on)

    def _fetch(
        self, sequence: Sequence, piece: Piece, landed: Callable[[], None], goes_on: bool = False
    ) -> None:
        assert sequence.gap is not None
        if sequence.gap.counts:
            sequence.credit(piece.stretch.reach.tier.name, piece.end - piece.start)
        self.hierarchy.carrier.fetch(sequence, piece, landed, goes_on)

    def _fill(self, sequence: Sequence) -> None:
        """All has landed that is loaded of `sequence`'s gap."""
        assert sequence.gap is not None
        del self.gaps[sequence], self._flowing[sequence]
        sequence.gap.is_open = False
        sequence.close()
        self.filled(sequence)
