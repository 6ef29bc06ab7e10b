"""Heads of prompts that many requests share: system prompts, few-shot examples, documents.

A block id names a block of tokens and all before it, so only whole blocks are shared: the block in
which a head ends also holds tokens of the request's own, and gets an id of the request's own.
"""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from kvsim.traces.generators.chance import stream
from kvsim.traces.generators.distributions import Extra
from kvsim.traces.generators.fields import Count, between
from kvsim.traces.generators.laws import weighted
from kvsim.traces.request import Runs


class Head(NamedTuple):
    """One shared head."""

    tokens: int
    run: Runs
    """Ids of its whole blocks; empty if it has none."""
    blocks: int


@dataclass(frozen=True)
class Prefix:
    """Requests come in groups; those of one group begin with the same tokens."""

    tokens: Extra
    """Length of each group's head: drawn once for a group."""
    groups: Count = 1
    skew: Annotated[float, between(0, 10)] = 0.0
    """Zipf's exponent: group k has a share in proportion to 1 / k^skew. 0: all alike."""

    def heads(self, seed: int, block_tokens: int) -> list[Head]:
        """The head of every group; ids count from 0."""
        heads, first = [], 0
        for tokens in self.tokens.draw(stream(seed, "prefix tokens"), self.groups).tolist():
            blocks = tokens // block_tokens
            heads.append(Head(tokens, (first, blocks) if blocks else (), blocks))
            first += blocks
        return heads

    @staticmethod
    def beyond(heads: list[Head]) -> int:
        """The first id free for the requests' own blocks.

        One id is left out: runs that touch would be one run, and are cut where nothing is.
        """
        return sum(head.blocks for head in heads) + 1

    def choose(self, rng: Generator, count: int) -> NDArray[np.int64]:
        """Groups of `count` requests."""
        weights = tuple(k**-self.skew for k in range(1, self.groups + 1))
        return weighted(rng, weights, count)
