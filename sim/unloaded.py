"""What a request would take alone on an idle instance: the yardstick of scaled objectives."""

from typing import TYPE_CHECKING

import numpy as np

from kvsim.sim.batch import DecodeBatch
from kvsim.sim.sequence import Sequence
from kvsim.sim.timing import FRACTION, Chunk, Work
from kvsim.traces.request import Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from kvsim.sim.engine import Engine
    from kvsim.units import Ns

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

ENDLESS = 1 << 40
"""Tokens of an answer that does not end while anybody looks."""


class Unloaded:
    """Latencies of requests that meet nobody and find nothing cached.

    By the step times of one instance that makes prompts and one that decodes, which may be the
    same. KV that is handed from one to the other is not counted.
    """

    def __init__(self, prefill: "Engine", decode: "Engine", tokens: int, before: "Ns") -> None:
        self._prefill = prefill
        self._decode = decode
        self._tokens = tokens
        """Of a prompt that one step computes at most."""
        self._before = before
        """Host's work before the engine sees a request."""
        self._chunks = [0]
        """Time of so many whole chunks of a prompt, in 2**-FRACTION ns."""

    def ttft(self, prompts: "Ints") -> "Ints":
        """Time to the first token in ns, by length of the prompt."""
        return self._before + _whole(self._prompts(prompts))

    def e2e(self, prompts: "Ints", outputs: "Ints") -> "Ints":
        """Time to the last token in ns, by lengths of prompt and answer."""
        last = prompts + np.maximum(outputs - 1, 0)
        since = self._decodes(int(prompts.min(initial=1)), int(last.max(initial=1)))
        return self._before + _whole(self._prompts(prompts) + since(last) - since(prompts))

    def _prompts(self, prompts: "Ints") -> "Floats":
        """Time of the steps that prompts take, in 2**-FRACTION ns."""
        lengths, place = np.unique(prompts, return_inverse=True)
        found = np.array([self._prompt(length) for length in lengths.tolist()], dtype=np.float64)
        return found[place]

    def _prompt(self, tokens: int) -> int:
        """The step that ends a prompt, and those before it, in 2**-FRACTION ns."""
        whole, chunks = (tokens - 1) // self._tokens, self._chunks
        while len(chunks) <= whole:
            history = (len(chunks) - 1) * self._tokens
            chunks.append(chunks[-1] + self._step(Chunk(self._tokens, history), 0))
        history = whole * self._tokens
        return chunks[whole] + self._step(Chunk(tokens - history, history), 1)

    def _step(self, chunk: Chunk, sampled: int) -> int:
        engine = self._prefill
        idle = (0,) * len(engine.sights)
        return engine.timing.pace(Work(0, idle, idle, (chunk,), sampled)).first

    def _decodes(self, stored: int, last: int) -> "Callable[[Ints], Floats]":
        """Time in 2**-FRACTION ns until a batch of one with `stored` tokens has so many, to `last`.

        Asked by spans, as the engine asks; so it is exact.
        """
        engine, sequence = self._decode, Sequence(Request(0, 0, 1, ENDLESS), 0)
        batch = DecodeBatch(engine.memory.block_tokens, 0, engine.memory.windows)
        sequence.computed = stored
        batch.join(sequence)
        time, spans = 0, list[tuple[int, int, int, int]]()
        while stored < last or not spans:
            work = Work(1, batch.contexts(engine.sights), batch.growing(engine.sights), (), 1)
            first, growth, steps, _ = engine.timing.pace(work)
            steps = max(1, min(steps, batch.horizon(), last - stored))
            spans.append((stored, time, first, growth))
            stored, time = stored + steps, time + steps * first + steps * (steps - 1) // 2 * growth
            batch.advance(steps)
        starts, times, firsts, growths = np.array(spans, dtype=np.float64).T

        def since(tokens: "Ints") -> "Floats":
            span = np.searchsorted(starts, tokens, side="right") - 1
            steps = tokens - starts[span]
            found: Floats = times[span] + steps * (firsts[span] + (steps - 1) / 2 * growths[span])
            return found

        return since


def _whole(exact: "Floats") -> "Ints":
    return (exact // (1 << FRACTION)).astype(np.int64)
