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
    thinks: list[Ns]
    """From the turn's end to the next turn."""
    longest: int
    """Tokens of the context at the session's end."""


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
        groups = self.system.choose(self._stream("systems", index), BLOCK)
        ends = np.cumsum(self.turns.draw(self._stream("turns", index), BLOCK))
        starts = np.concatenate(([0], ends[:-1]))
        turns = int(ends[-1])
        inputs = self.input_tokens.draw(self._stream("input_tokens", index), turns)
        first = self.first_input_tokens.draw(self._stream("first_input_tokens", index), BLOCK)
        inputs[starts] = first
        outputs = self.output_tokens.draw(self._stream("output_tokens", index), turns)
        thinks = self.think_time.draw(self._stream("think_time", index), turns).tolist()
        added = inputs + outputs
        pauses: list[tuple[Pause, ...]] = [()] * turns
        if self.tools is not None:
            pauses, returned = self.tools.draw(self.seed, index, outputs)
            added += returned
        said, answered = inputs.tolist(), outputs.tolist()
        drawn: list[Dialogue | None] = []
        for group, start, end in zip(groups.tolist(), starts.tolist(), ends.tolist(), strict=True):
            head = self.heads[group]
            context = np.cumsum(added[start:end]) + head.tokens
            if self.max_context is not None:
                end = start + int(np.searchsorted(context, self.max_context, side="right"))
            if end == start:
                drawn.append(None)
                continue
            part = slice(start, end)
            longest = int(context[end - start - 1])
            drawn.append(
                Dialogue(head, said[part], answered[part], pauses[part], thinks[part], longest)
            )
        return drawn

    def _stream(self, name: str, index: int) -> np.random.Generator:
        return stream(self.seed, name, index)
