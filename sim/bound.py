"""The most that a cache of this size could have found in a run: MIN on the run's own look-ups.

What it is. A tier of a run was asked for prompts, and was offered KV to keep, in some order. That
order is replayed without time: storing and loading take none, nothing is in use, and all of the
tier's memory is cache. `optimum` is what Belady's MIN with bypass then finds, knowing every later
look-up: no eviction, and no choice of what to keep, finds more. `replay` is what the tier's own
policy finds; what it lacks to MIN is the policy's, what the run lacks to it is time's: KV still on
its way, memory leased to running requests, stores refused.

What it is not. Not the best possible run: with better hits, requests would have come and gone in
another order and reached other replicas. Nor is it a law for the run itself, which may find blocks
that a running request still holds while MIN has only the cache.

MIN works on runs of blocks which the same look-ups ask for, so that it costs a look-up little,
however long its prompt. Belady, A study of replacement algorithms for a virtual-storage computer,
IBM Systems Journal 1966; of intervals that each need a place, dropping the one that ends last
leaves the most (Carlisle and Lloyd, On the k-coloring of intervals, 1995).
"""

from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from kvsim.sim.metrics import Facts
from kvsim.sim.policy import Eviction
from kvsim.sim.prefix import PrefixTree
from kvsim.sim.recorder import KEPT, LOOKUP, Recorder
from kvsim.sim.sequence import UNLABELLED
from kvsim.traces.request import Runs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

HBM = 0
"""Its place among the tiers."""


@dataclass(frozen=True)
class Labels:
    """The block ids of all requests of a run."""

    runs: "Ints"
    """First id and count of each run, one request after another, flat."""
    ends: "dict[int, tuple[int, int, int]]"
    """By request: where its ids begin and end in `runs`, and tokens of an id."""

    @classmethod
    def of(cls, recorder: Recorder) -> "Labels":
        """What `recorder` has heard."""
        ends = [0, *recorder.labelled[::2]]
        ids = recorder.requests[:: len(recorder.requests) // len(recorder.statuses) or 1]
        places = zip(pairwise(ends), recorder.labelled[1::2], strict=True)
        found = {id: (*place, tokens) for id, (place, tokens) in zip(ids, places, strict=True)}
        return cls(np.array(recorder.blocks, dtype=np.int64), found)

    def __getitem__(self, request: int) -> tuple[Runs, int]:
        """The ids of one request, those of its own behind them, and tokens of an id."""
        begin, end, tokens = self.ends[request]
        return (*self.runs[begin:end].tolist(), -(request + 1) * UNLABELLED, UNLABELLED), tokens


@dataclass(frozen=True)
class Asked:
    """All that one tier was asked for and offered, in order: columns as the recorder's."""

    rows: "dict[str, Ints]"
    labels: Labels
    block_tokens: int
    counts: "NDArray[np.bool_]"
    """Whether a row is a look-up whose hits count."""

    @property
    def tokens(self) -> int:
        """Tokens of the prompts that it was asked for."""
        wanted = self.rows["tokens"] - self.rows["start"]
        return int(wanted[self.counts].sum())

    def optimum(self, blocks: int) -> int:
        """Tokens that MIN finds with room for so many blocks."""
        begin, end, sizes = _intervals(self)
        return _most(begin.tolist(), end.tolist(), sizes.tolist(), blocks) * self.block_tokens

    def replay(self, policy: Eviction, blocks: int) -> int:
        """Tokens that `policy`, a fresh one, finds with room for so many blocks."""
        tree, found = PrefixTree(self.block_tokens, 1, policy), 0
        names = ("request", "tier", "kind", "start", "limit", "tokens", "at")
        columns = (self.rows[name].tolist() for name in names)
        for counts, request, tier, kind, start, limit, tokens, now in zip(
            self.counts.tolist(), *columns, strict=True
        ):
            labels, label_tokens = self.labels[request]
            leaf, hit = tree.match(labels, label_tokens, tokens if kind == KEPT else limit)
            if counts:
                found += max(0, hit - start)
            stores = kind == KEPT or tier == HBM
            if not stores and hit <= start:
                continue
            if hit < leaf.end:
                leaf = tree.split(leaf, hit, label_tokens)
            if kind == KEPT:
                tree.hold(leaf)
            else:
                tree.lock(leaf, now)
            if stores:
                whole = tokens - tokens % self.block_tokens
                leaf = tree.insert(leaf, labels, label_tokens, whole, now)
            tree.unlock(leaf, now)
            if tree.bytes > blocks:
                tree.evict(tree.bytes - blocks)
        return found


def asked(
    facts: Facts, labels: Labels, tier: int, place: int, block_tokens: int, measured: "Ints"
) -> Asked:
    """What one tier was asked for; hits count for the requests with ids `measured`."""
    rows = facts.lookups
    own = (rows["tier"] == tier) & (rows["place"] == place)
    rows = {name: column[own] for name, column in rows.items()}
    counts = (rows["kind"] == LOOKUP) & np.isin(rows["request"], measured)
    return Asked(rows, labels, block_tokens, counts)


def _intervals(asked: Asked) -> "tuple[Ints, Ints, Ints]":
    """From which row to which so many blocks have to be kept for a hit, in order of the first."""
    row, low, high, depth = _runs(asked)
    block = asked.block_tokens
    limit = asked.rows["limit"] // block
    start = -(asked.rows["start"] // -block)
    cuts = [low, high]
    for edge in (start[row], limit[row]):
        inside = (edge > depth) & (edge < depth + (high - low) // block)
        cuts.append((low + (edge - depth) * block)[inside])
    edges = np.unique(np.concatenate(cuts))
    first = np.searchsorted(edges, low)
    many = np.searchsorted(edges, high) - first
    run = np.repeat(np.arange(len(row)), many)
    piece = first[run] + np.arange(len(run)) - np.repeat(np.cumsum(many) - many, many)
    row, at = row[run], depth[run] + (edges[piece] - low[run]) // block
    wanted = asked.counts[row] & (at >= start[row]) & (at < limit[row])
    order = np.argsort(piece, kind="stable")
    piece, row, wanted = piece[order], row[order], wanted[order]
    ends = np.flatnonzero(wanted[1:] & (piece[1:] == piece[:-1]) & (row[1:] > row[:-1])) + 1
    size = (edges[piece[ends] + 1] - edges[piece[ends]]) // block
    rows = len(asked.counts)
    pairs, index = np.unique(row[ends - 1] * rows + row[ends], return_inverse=True)
    sizes = np.bincount(index, weights=size, minlength=len(pairs)).astype(np.int64)
    return pairs // max(rows, 1), pairs % max(rows, 1), sizes


def _runs(asked: Asked) -> "tuple[Ints, Ints, Ints, Ints]":
    """Runs of ids in whole blocks: the row, from where to where, and blocks before it.

    A token's place on the line of all ids is its id's number times the tokens of an id, and so
    on; an id has one predecessor, so a block has one place, whichever request it is in.
    """
    requests, rows = np.unique(asked.rows["request"], return_inverse=True)
    ends = np.array([asked.labels.ends[id] for id in requests.tolist()], np.int64).reshape(-1, 3)
    begin, end, tokens = ends[rows, 0] // 2, ends[rows, 1] // 2, ends[rows, 2]
    row = np.repeat(np.arange(len(rows)), end - begin)
    index = np.arange(len(row)) - np.repeat(np.cumsum(end - begin) - (end - begin), end - begin)
    index += begin[row]
    names, counts = asked.labels.runs[::2], asked.labels.runs[1::2]
    passed = np.concatenate(([0], np.cumsum(counts)))
    before = passed[index] - passed[begin[row]]
    block, size = asked.block_tokens, tokens[row]
    depth = before * size // block
    until = np.minimum((before + counts[index]) * size, asked.rows["tokens"][row]) // block
    some = until > depth
    row, depth, until = row[some], depth[some], until[some]
    low = ((names[index] - before) * size)[some] + depth * block
    return row, low, low + (until - depth) * block, depth


def _most(begin: list[int], end: list[int], sizes: list[int], room: int) -> int:
    """The most blocks that can be kept from `begin` to `end`, with `room` for so many at once."""
    kept = [0] * (max(end, default=0) + 1)
    """Blocks that are kept until each row."""
    ends, due = sorted(set(end)), 0
    far: list[int] = []
    held = found = 0
    for first, last, size in zip(begin, end, sizes, strict=True):
        while due < len(ends) and ends[due] <= first:
            found += kept[ends[due]]
            held -= kept[ends[due]]
            due += 1
        if not kept[last]:
            heappush(far, -last)
        kept[last] += size
        held += size
        while held > room:
            latest = -far[0]
            gone = min(kept[latest], held - room)
            kept[latest] -= gone
            held -= gone
            if not kept[latest]:
                heappop(far)
    return found + held
