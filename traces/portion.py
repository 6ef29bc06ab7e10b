"""Which part of a trace is wanted: how dense, from when to when, and how long a request may be."""

from dataclasses import dataclass
from math import inf
from typing import Literal

from kvsim.errors import InputError
from kvsim.traces.request import Request
from kvsim.traces.runs import head
from kvsim.units import Ns

Overflow = Literal["drop", "cut"]
"""What happens to a request that is too long: it is left out, or shortened."""


@dataclass(frozen=True)
class Portion:
    """The part of a trace that is replayed. Instants count from the trace's own start."""

    rate_scale: float = 1.0
    """How many times denser than recorded arrivals are."""
    limit: int | None = None
    """Requests taken, without those that are dropped."""
    begin: Ns = 0
    end: Ns | None = None
    """The first instant that is out again."""
    max_context: int | None = None
    """Most tokens of prompt and answer together."""
    overflow: Overflow = "drop"
    seed: int = 1

    def __post_init__(self) -> None:
        """Raises InputError for values that no trace can satisfy."""
        scale = self.rate_scale
        if type(scale) not in (int, float) or not 0 < scale < inf:
            raise InputError(f"rate_scale is {scale!r}; it has to be a number above 0.")
        for field, value, least in (("limit", self.limit, 1), ("max_context", self.max_context, 2)):
            if value is not None and (type(value) is not int or value < least):
                raise InputError(f"{field} is {value!r}; it has to be an integer from {least} on.")
        if self.begin < 0 or (self.end is not None and self.end <= self.begin):
            raise InputError(f"begin {self.begin} ns and end {self.end} ns hold no time.")
        if self.overflow not in ("drop", "cut"):
            raise InputError(f"overflow is {self.overflow!r}. Allowed: drop, cut.")

    def fit(self, request: Request) -> Request | None:
        """`request` as it can be served, or None if it is too long and to be dropped.

        Prompt and answer have at least one token: even a request that was broken off yields one.
        A cut keeps the answer, if that leaves a token for the prompt, and the head of the prompt.
        """
        prompt, output = request.prompt_tokens or 1, request.output_tokens or 1
        if self.max_context is not None and prompt + output > self.max_context:
            if self.overflow == "drop":
                return None
            output = min(output, self.max_context - 1)
            prompt = min(prompt, self.max_context - output)
        if prompt == request.prompt_tokens and output == request.output_tokens:
            return request
        size = request.block_tokens
        blocks = head(request.blocks, -(-prompt // size)) if size else ()
        return request._replace(prompt_tokens=prompt, output_tokens=output, blocks=blocks)
