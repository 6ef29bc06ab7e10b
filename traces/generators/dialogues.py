"""What will be said in a session, drawn as a whole before it begins.

Sessions are drawn in blocks, each from streams named by the block's number. So a session is the
same whoever else is finished first, and can be drawn again from nothing but its number.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kvsim.traces.generators.chance import stream
from kvsim.traces.generators.distributions import Distribution
from kvsim.traces.generators.prefixes import Head, Prefix
from kvsim.traces.generators.tools import Tools
from kvsim.traces.request import Pause
from kvsim.units import Ns

BLOCK = 256
"""Sessions drawn at once."""


class Dialogue(NamedTuple):
    """One session. Lists have an entry for each turn."""

    head: Head
    """The system prompt."""
    inputs: list[int]
    """New tokens of the user."""
    outputs: list[int]
    pauses: list[tuple[Pause, ...]]
    """Tool calls."""
    thinks: list[Ns]
    """From the turn's end to the next turn."""
    contexts: list[int]
    """Tokens at the turn's end: everything before, its input, its answer, what tools returned."""


@dataclass(frozen=True, kw_only=True)
class Dialogues:
    """Draws sessions. The fields are those of `Sessions`."""

    seed: int
    turns: Distribution
    think_time: Distribution
    input_tokens: Distribution
    output_tokens: Distribution
    first_input_tokens: Distribution
    system: Prefix
    heads: list[Head]
    """Those of `system`."""
    tools: Tools | None
    max_context: int | None

    def block(self, index: int) -> list[Dialogue | None]:
        """Sessions `index` x BLOCK and following; None where not even the first turn fits."""
        turns = self.turns.draw(self._stream("turns", index), BLOCK)
        starts = np.cumsum(turns) - turns
        total = int(turns.sum())
        inputs = self.input_tokens.draw(self._stream("input_tokens", index), total)
        inputs[starts] = self.first_input_tokens.draw(self._stream("first_input", index), BLOCK)
        outputs = self.output_tokens.draw(self._stream("output_tokens", index), total)
        added = inputs + outputs
        pauses: list[tuple[Pause, ...]] = [()] * total
        if self.tools is not None:
            pauses, returned = self.tools.draw(self.seed, index, outputs)
            added += returned
        groups = self.system.choose(self._stream("systems", index), BLOCK)
        heads = np.array([head.tokens for head in self.heads])[groups]
        grown = np.cumsum(added)
        contexts = grown + np.repeat(heads + added[starts] - grown[starts], turns)
        if self.max_context is not None:
            turns = np.add.reduceat(contexts <= self.max_context, starts, dtype=np.int64)
        thinks = self.think_time.draw(self._stream("think_time", index), total)
        columns = [column.tolist() for column in (inputs, outputs, thinks, contexts)]
        drawn: list[Dialogue | None] = []
        for group, start, kept in np.stack([groups, starts, turns], axis=1).tolist():
            part = slice(start, start + kept)
            said, answered, thought, context = (column[part] for column in columns)
            dialogue = Dialogue(self.heads[group], said, answered, pauses[part], thought, context)
            drawn.append(dialogue if kept else None)
        return drawn

    def _stream(self, name: str, index: int) -> np.random.Generator:
        return stream(self.seed, name, index)
