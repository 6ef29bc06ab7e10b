"""The decode batch: sequences that take one token each step, kept as running sums.

A step costs nothing per sequence. What depends on a sequence's length is written as an offset to
the batch's own step count, which does not change while it decodes.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from math import isqrt
from typing import NamedTuple

from kvsim.sim.rounds import Rounds
from kvsim.sim.sequence import Sequence, Stay
from kvsim.sim.sharing import Sharing


class Windowed(NamedTuple):
    """Layers that see part of the past: how much, and what a block of it takes in memory."""

    tokens: int
    block_bytes: int
    restarts: bool
    """A chunk, which starts anew when full; otherwise a window that slides."""

    @property
    def kept(self) -> int:
        """Stored tokens after which it takes no more memory."""
        return self.tokens if self.restarts else self.tokens - 1

    def seen(self, stored: int) -> int:
        """Tokens read by a decode with `stored` tokens before its own."""
        return stored % self.tokens + 1 if self.restarts else min(stored + 1, self.tokens)


class _Sight:
    """What layers with one window read, summed over the batch, and who still takes blocks."""

    def __init__(self, rule: Windowed, block_tokens: int) -> None:
        self.rule = rule
        self.read = 0
        """Tokens read in the next step."""
        self.blocks = [0] * block_tokens
        """Sequences that still take blocks, by the step at which they do."""
        self.turns: list[tuple[int, int, bool]] = []
        """Heap of (step, sequence id, first): when a window is full or a chunk starts anew."""
        self.next_turn: dict[int, int] = {}
        """Growing sequences, and the step of their turn."""

    def enter(self, key: int, stored: int, steps: int) -> None:
        """A sequence joins at step `steps`."""
        rule = self.rule
        self.read += rule.seen(stored)
        if rule.restarts:
            self._await(key, steps + rule.tokens - stored % rule.tokens, stored < rule.kept)
        elif stored < rule.kept:
            self._await(key, steps + rule.kept - stored, True)
        if stored < rule.kept:
            self.blocks[(steps - stored) % len(self.blocks)] += 1

    def exit(self, key: int, stored: int, steps: int) -> None:
        """A sequence leaves at step `steps`."""
        self.read -= self.rule.seen(stored)
        self.next_turn.pop(key, None)
        if stored < self.rule.kept:
            self.blocks[(steps - stored) % len(self.blocks)] -= 1

    def advance(self, taken: int, steps: int) -> None:
        """`taken` steps were taken, up to step `steps`; no turn lies between."""
        rule = self.rule
        self.read += taken * len(self.next_turn)
        while self.nearest() == steps:
            _, key, first = heappop(self.turns)
            del self.next_turn[key]
            if first:
                self.blocks[(steps - rule.kept) % len(self.blocks)] -= 1
            if rule.restarts:
                self.read -= rule.tokens
                self._await(key, steps + rule.tokens, False)

    def nearest(self) -> int | None:
        """The step of the next turn."""
        turns = self.turns
        while turns and self.next_turn.get(turns[0][1]) != turns[0][0]:
            heappop(turns)
        return turns[0][0] if turns else None

    def _await(self, key: int, step: int, first: bool) -> None:
        self.next_turn[key] = step
        heappush(self.turns, (step, key, first))


class DecodeBatch:
    """Sequences in decode. `join` and `leave` cost O(log n); `advance` costs O(1)."""

    def __init__(self, block_tokens: int, block_bytes: int, windows: tuple[Windowed, ...]) -> None:
        self.block_tokens = block_tokens
        self.block_bytes = block_bytes
        self.size = 0
        self.steps = 0
        """Steps taken since the beginning."""
        self.stored = 0
        """Tokens stored before the next step, summed over the batch."""
        self._offsets = self._squares = 0
        """Sums of stored tokens less steps, which do not change while a sequence decodes."""
        self._blocks = [0] * block_tokens
        self._ends: list[Stay] = []
        self._sights = [_Sight(rule, block_tokens) for rule in windows]
        self.sharing: Sharing | None = None
        """What its sequences share, where the attention kernel makes use of that."""
        self.rounds: Rounds | None = None
        """When answers are stored as they go on; None: they are not."""
        self.left: Callable[[Sequence, int], None] | None = None
        """Hears who leaves, and after which step; None: nobody wants to know."""

    def join(self, sequence: Sequence) -> None:
        """From the next step on `sequence` takes a token each step."""
        stored, steps = sequence.computed, self.steps
        sequence._joined = steps
        sequence._stay = stay = Stay(steps + sequence.stretch, sequence.id, sequence)
        self.size += 1
        self.stored += stored
        offset = stored - steps
        self._offsets += offset
        self._squares += offset * offset
        self._blocks[(steps - stored) % self.block_tokens] += 1
        heappush(self._ends, stay)
        for sight in self._sights:
            sight.enter(sequence.id, stored, steps)
        if self.sharing is not None:
            self.sharing.enter(sequence)
        if self.rounds is not None:
            self.rounds.enter(sequence, steps)

    def leave(self, sequence: Sequence) -> None:
        """`sequence` stops decoding; its own counters are brought up to date."""
        steps = self.steps
        taken = steps - sequence._joined
        sequence.computed += taken
        sequence.generated += taken
        sequence.target += taken
        sequence._remaining -= taken
        sequence._stay = None
        stored = sequence.computed
        self.size -= 1
        self.stored -= stored
        offset = stored - steps
        self._offsets -= offset
        self._squares -= offset * offset
        self._blocks[(steps - stored) % self.block_tokens] -= 1
        for sight in self._sights:
            sight.exit(sequence.id, stored, steps)
        if self.sharing is not None:
            self.sharing.exit(sequence)
        if self.left is not None:
            self.left(sequence, steps)

    def advance(self, steps: int) -> None:
        """`steps` steps were taken; at most `horizon()`."""
        self.steps += steps
        self.stored += self.size * steps
        for sight in self._sights:
            sight.advance(steps, self.steps)

    def finished(self) -> list[Sequence]:
        """Sequences that in the last step took their last token, or the one before a pause.

        In order of id. They have left the batch.
        """
        done: list[Sequence] = []
        ends = self._ends
        while ends and ends[0].end <= self.steps:
            stay = heappop(ends)
            sequence = stay.sequence
            if sequence._stay is stay:
                self.leave(sequence)
                done.append(sequence)
        return done

    def horizon(self) -> int:
        """Steps until the first sequence finishes or a window changes its growth."""
        ends = self._ends
        while ends[0].sequence._stay is not ends[0]:
            heappop(ends)
        nearest = ends[0].end
        for sight in self._sights:
            turn = sight.nearest()
            if turn is not None and turn < nearest:
                nearest = turn
        return nearest - self.steps

    @property
    def spread(self) -> int:
        """Standard deviation of the stored tokens, times the number of sequences."""
        return isqrt(self.size * self._squares - self._offsets * self._offsets)

    def contexts(self, restrictions: tuple[int | None, ...]) -> tuple[int, ...]:
        """Tokens read in the next step per attention class; its sight's index, None for all."""
        everything = self.stored + self.size
        return tuple(
            everything if index is None else self._sights[index].read for index in restrictions
        )

    def growing(self, restrictions: tuple[int | None, ...]) -> tuple[int, ...]:
        """How much each of `contexts` grows by a step."""
        return tuple(
            self.size if index is None else len(self._sights[index].next_turn)
            for index in restrictions
        )

    def demand(self, steps: int) -> int:
        """Bytes of new blocks that the next `steps` steps will take; `steps` within `horizon`."""
        bytes_wanted = self.block_bytes * self._crossings(self._blocks, self.size, steps)
        for sight in self._sights:
            crossed = self._crossings(sight.blocks, sum(sight.blocks), steps)
            bytes_wanted += sight.rule.block_bytes * crossed
        return bytes_wanted

    def affordable(self, room: int, steps: int) -> int:
        """The most steps, up to `steps`, whose new blocks fit into `room` bytes."""
        if self.demand(steps) <= room:
            return steps
        low, high = 0, steps
        while high - low > 1:
            middle = (low + high) // 2
            if self.demand(middle) <= room:
                low = middle
            else:
                high = middle
        return low

    def _crossings(self, buckets: list[int], size: int, steps: int) -> int:
        """New blocks in the next `steps` steps: a sequence takes one every `block_tokens` steps."""
        rounds, rest = divmod(steps, self.block_tokens)
        crossings = size * rounds
        if rest:
            start = self.steps % self.block_tokens
            end = start + rest
            crossings += sum(buckets[start:end])
            if end > self.block_tokens:
                crossings += sum(buckets[: end - self.block_tokens])
        return crossings
