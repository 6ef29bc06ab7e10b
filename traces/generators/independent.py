"""Requests that know nothing of each other: their lengths, and the heads that groups of them share.

Lengths are drawn each by itself (`input_tokens`, `output_tokens`), or taken in pairs out of a file
(`lengths`), so that long prompts keep the answers they had.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kvsim.traces.generators.chance import stream
from kvsim.traces.generators.distributions import BLOCK, Tokens
from kvsim.traces.generators.fields import Count, FieldError, nested, one_of
from kvsim.traces.generators.lengths import Pairs, pairs
from kvsim.traces.generators.prefixes import Prefix
from kvsim.traces.request import Request, Runs, Workload
from kvsim.units import Ns

HOPELESS = 64
"""Blocks of draws without a single request that fits, after which none is expected."""


class Shape(NamedTuple):
    """A request without its instant."""

    prompt_tokens: int
    output_tokens: int
    blocks: Runs


@dataclass(kw_only=True)
class Independent(Workload):
    """Requests by themselves. How they come, `OpenLoop` and `ClosedLoop` say."""

    seed: int = 1
    requests: Count | None = None
    """How many; if left out, each row of the `lengths` file once."""
    input_tokens: Tokens | None = None
    """Tokens of the prompt behind the shared prefix."""
    output_tokens: Tokens | None = None
    lengths: Annotated[Pairs, pairs] | None = None
    """A file that has both, row by row; read again when its rows are used up."""
    order: Annotated[str, one_of("file", "shuffled")] = "file"
    """Order of the file's rows; shuffled anew each time the file is read."""
    max_context: Count | None = None
    """Requests whose prompt and answer together are longer are left out, and do not arrive: Azure
    conversation lengths cut to in + out <= 4096, for a model of that context, say."""
    prefix: Annotated[Prefix, nested(Prefix)] | None = None
    """Heads that requests share; they come before `input_tokens` and add to them."""
    block_tokens: Count = 16
    """Tokens a block id stands for."""

    def __post_init__(self) -> None:
        drawn = [name for name in ("input_tokens", "output_tokens") if getattr(self, name)]
        if self.lengths is not None and drawn:
            raise FieldError(drawn[0], "`lengths` says it already; leave out one of the two.")
        if self.lengths is None and len(drawn) < 2:
            missing = "output_tokens" if drawn == ["input_tokens"] else "input_tokens"
            raise FieldError(missing, "is missing; write it, or a file of `lengths`.")
        self._heads = self.prefix.heads(self.seed, self.block_tokens) if self.prefix else []
        if not any(self._block(index)[0].size for index in range(HOPELESS)):
            raise FieldError("max_context", f"no request fits into {self.max_context} tokens.")

    def rows(self) -> int | None:
        """Rows of the file that fit; None without a file."""
        return None if self.lengths is None else self._block(0)[0].size

    def shapes(self) -> Iterator[Shape]:
        """Lengths and blocks of one request after the other, without end."""
        first = Prefix.beyond(self._heads)
        for index in count():
            prompts, outputs, groups = (column.tolist() for column in self._block(index))
            if not self._heads:
                for prompt, output in zip(prompts, outputs, strict=True):
                    yield Shape(prompt, output, ())
                continue
            for prompt, output, group in zip(prompts, outputs, groups, strict=True):
                head = self._heads[group]
                own = -(prompt // -self.block_tokens) - head.blocks
                yield Shape(prompt, output, (*head.run, first, own))
                first += own

    def request(self, id: int, arrival: Ns, shape: Shape) -> Request:
        """The request of that shape, at its instant."""
        prompt, output, blocks = shape
        return Request(id, arrival, prompt, output, blocks, self.block_tokens if blocks else 0)

    def _block(self, index: int) -> tuple[NDArray[np.int64], ...]:
        """Prompts, outputs and groups of many requests: those of block `index` that fit."""
        prompts, outputs = self._lengths(index)
        groups = np.zeros_like(prompts)
        if self.prefix is not None:
            groups = self.prefix.choose(stream(self.seed, "prefix", index), prompts.size)
            prompts = prompts + np.array([head.tokens for head in self._heads])[groups]
        if self.max_context is None:
            return prompts, outputs, groups
        fits = prompts + outputs <= self.max_context
        return prompts[fits], outputs[fits], groups[fits]

    def _lengths(self, index: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Inputs and outputs, before any is left out. A file is one block each time it is read."""
        if self.lengths is None:
            assert self.input_tokens is not None
            assert self.output_tokens is not None
            inputs = self.input_tokens.draw(stream(self.seed, "input_tokens", index), BLOCK)
            return inputs, self.output_tokens.draw(stream(self.seed, "output_tokens", index), BLOCK)
        if self.order == "file":
            return self.lengths
        order = stream(self.seed, "order", index).permutation(self.lengths.inputs.size)
        return self.lengths.inputs[order], self.lengths.outputs[order]
