"""The block ids of all requests of a run, to replay look-ups and to tell new content from old."""

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kvsim.sim.recorder import REQUEST_COLUMNS, Recorder
from kvsim.sim.sequence import UNLABELLED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kvsim.traces.request import Runs

    Ints = NDArray[np.int64]


class Stretches(NamedTuple):
    """Runs of whole blocks on the line of all ids. Columns, a row a run.

    A token's place on that line is its id times the tokens of an id, and so on. An id has one
    predecessor, so a block has one place, whichever request it is in.
    """

    asked: "Ints"
    """Number of the question it belongs to."""
    low: "Ints"
    high: "Ints"
    depth: "Ints"
    """Blocks of the prompt before it."""


class Labels:
    """What the tokens of each request are called, its own that no trace names included."""

    def __init__(self, recorder: Recorder, block_tokens: int) -> None:
        table = np.array(recorder.requests, dtype=np.int64).reshape(-1, len(REQUEST_COLUMNS))
        labelled = np.array(recorder.labelled, dtype=np.int64).reshape(-1, 2)
        runs = np.array(recorder.blocks, dtype=np.int64).reshape(-1, 2)
        ids, ends = table[:, 0], labelled[:, 0] // 2
        own = np.stack((-(ids + 1) * UNLABELLED, np.full(len(ids), UNLABELLED)), axis=1)
        self.block_tokens = block_tokens
        """Tokens of the blocks that memory is made of."""
        self._runs = np.insert(runs, ends, own, axis=0)
        self._ends = ends + np.arange(1, len(ids) + 1)
        self._begins = np.append(0, self._ends[:-1])[: len(ids)]
        self._tokens = np.where(labelled[:, 1] > 0, labelled[:, 1], block_tokens)
        self._order = np.argsort(ids, kind="stable")
        self._ids = ids[self._order]

    def stretches(self, requests: "Ints", head: "Ints", tail: "Ints") -> Stretches:
        """Where tokens [head, tail) of `requests` are, in whole blocks."""
        block, row = self.block_tokens, self._order[np.searchsorted(self._ids, requests)]
        many = self._ends[row] - self._begins[row]
        asked = np.repeat(np.arange(len(row)), many)
        row = row[asked]
        run = self._begins[row] + np.arange(len(row)) - np.repeat(np.cumsum(many) - many, many)
        passed = np.concatenate(([0], np.cumsum(self._runs[:, 1])))
        before, size = passed[run] - passed[self._begins[row]], self._tokens[row]
        line = (self._runs[run, 0] - before) * size
        depth = np.maximum(before * size // block, head[asked] // block)
        until = np.minimum((before + self._runs[run, 1]) * size, tail[asked]) // block
        low, high = line + depth * block, line + until * block
        some = high > low
        return Stretches(asked[some], low[some], high[some], depth[some])

    def __getitem__(self, request: int) -> "tuple[Runs, int]":
        """The names of a request's tokens as the prefix tree wants them, and tokens of an id."""
        return self._by_request[request]

    @cached_property
    def _by_request(self) -> "dict[int, tuple[Runs, int]]":
        flat = self._runs.ravel().tolist()
        begins, ends = (2 * self._begins).tolist(), (2 * self._ends).tolist()
        tokens, ids = self._tokens[self._order].tolist(), self._ids.tolist()
        return {
            id: (tuple(flat[begins[row] : ends[row]]), size)
            for id, row, size in zip(ids, self._order.tolist(), tokens, strict=True)
        }


def distinct(stretches: Stretches) -> int:
    """Tokens of whole blocks in `stretches`, each counted once."""
    order = np.argsort(stretches.low, kind="stable")
    low, high = stretches.low[order], stretches.high[order]
    seen = np.maximum.accumulate(np.append(low[:1], high[:-1]))
    return int(np.maximum(high - np.maximum(low, seen), 0).sum())
