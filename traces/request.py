"""What a trace says of one request, and the question a workload answers."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

from kvsim.units import Ns

Runs = tuple[int, ...]
"""Block ids, run-length coded and flat: first id, count, first id, count, …

An id names a block of tokens *and everything before it*, so equal leading ids are a reusable
prefix and every id has one predecessor only. Ids inside a run are consecutive integers, and a run
that the next one continues is one run with it.
"""


class Pause(NamedTuple):
    """A tool call in the middle of a request: generation stops and later goes on."""

    after: int
    """Generated tokens before the pause."""
    duration: Ns
    returned: int
    """Tokens that the tool's answer adds to the context."""


class Request(NamedTuple):
    """One request as the trace has it. Lengths in tokens, instants in ns from the trace's start."""

    id: int
    arrival: Ns
    prompt_tokens: int
    output_tokens: int
    blocks: Runs = ()
    """Labels of the tokens from the prompt's head on; they go on into the generated tokens where
    the trace or generator knows what the next turn calls them. Empty: nothing can be shared."""
    block_tokens: int = 0
    """Tokens a block id stands for; 0 without ids. The last block of a prompt may be partial."""
    session: int | None = None
    turn: int = 0
    client: str = ""
    kind: str = ""
    """The class of service it belongs to."""
    priority: int = 0
    deadline: Ns | None = None
    samples: int = 1
    """Answers wanted of the same prompt (`n` of the OpenAI API)."""
    pauses: tuple[Pause, ...] = ()


class Workload(ABC):
    """Where requests come from: known beforehand, or caused by what the machine finished."""

    total: int | None = None
    """How many requests there will be, if that is known; a progress bar wants it."""

    @abstractmethod
    def arrivals(self) -> Iterator[Request]:
        """Requests known beforehand, in order of arrival, streamed. A fresh iterator each call."""

    def next_turn(self, request: Request, finished: Ns) -> Request | None:
        """What the end of `request` causes: the session's next turn, with its arrival, or None."""
        del request, finished
        return None
