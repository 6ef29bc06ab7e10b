"""Tool calls inside an answer: the model stops, the tool works, its result joins the context."""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kvsim.traces.generators.chance import stream
from kvsim.traces.generators.distributions import ONE, Durations, Extra
from kvsim.traces.generators.fields import between
from kvsim.traces.request import Pause


class Calls(NamedTuple):
    """The tool calls of many requests."""

    pauses: list[tuple[Pause, ...]]
    returned: NDArray[np.int64]
    """Tokens that the tools of each request add in all."""


@dataclass(frozen=True)
class Tools:
    """Whether a request calls tools, how often, for how long, and what comes back.

    Calls cut an answer into parts of equal length, each at least a token long.
    """

    duration: Durations
    returned: Extra
    """Tokens a call adds to the context."""
    calls: Extra = ONE
    """Calls in a request that makes any."""
    probability: Annotated[float, between(0, 1)] = 1.0
    """Chance that a request makes calls."""

    def draw(self, seed: int, block: int, outputs: NDArray[np.int64]) -> Calls:
        """The calls of requests with these answers."""
        rng = stream(seed, "tools.calls", block)
        calls = self.calls.draw(rng, outputs.size)
        calls = np.minimum(calls, outputs - 1) * (rng.random(outputs.size) < self.probability)
        total = int(calls.sum())
        durations = self.duration.draw(stream(seed, "tools.duration", block), total)
        returned = self.returned.draw(stream(seed, "tools.returned", block), total)
        each = zip(durations.tolist(), returned.tolist(), strict=True)
        pauses = [
            tuple(Pause(output * part // (count + 1), *next(each)) for part in range(1, count + 1))
            for output, count in zip(outputs.tolist(), calls.tolist(), strict=True)
        ]
        ends = np.concatenate(([0], np.cumsum(returned)))[np.cumsum(calls)]
        return Calls(pauses, np.diff(ends, prepend=0))
