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

import numpy as np
from numpy.typing import NDArray

from kvsim.sim.labels import Labels
from kvsim.sim.metrics import Facts
from kvsim.sim.policy import Eviction
from kvsim.sim.prefix import PrefixTree
from kvsim.sim.recorder import KEPT, LOOKUP

Ints = NDArray[np.int64]
HBM = 0
"""Its place among the tiers."""


@dataclass(frozen=True)
class Asked:
    """All that one tier was asked for and offered, in order: columns as the recorder's."""

    rows: "dict[str, Ints]"
    labels: Labels
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
        found = _most(begin.tolist(), end.tolist(), sizes.tolist(), blocks)
        return found * self.labels.block_tokens

    def replay(self, policy: Eviction, blocks: int) -> int:
        """Tokens that `policy`, a fresh one, finds with room for so many blocks."""
        block, found = self.labels.block_tokens, 0
        tree = PrefixTree(block, 1, policy)
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
                whole = tokens - tokens % block
                leaf = tree.insert(leaf, labels, label_tokens, whole, now)
            tree.unlock(leaf, now)
            if tree.bytes > blocks:
                tree.evict(tree.bytes - blocks)
        return found


def asked(facts: Facts, labels: Labels, tier: int, place: int, measured: "Ints") -> Asked:
    """What one tier was asked for; hits count for the requests with ids `measured`."""
    rows = facts.lookups
    own = (rows["tier"] == tier) & (rows["place"] == place)
    rows = {name: column[own] for name, column in rows.items()}
    counts = (rows["kind"] == LOOKUP) & np.isin(rows["request"], measured)
    return Asked(rows, labels, counts)


def _intervals(asked: Asked) -> "tuple[Ints, Ints, Ints]":
    """From which row to which so many blocks have to be kept for a hit, in order of the first."""
    whole, block = asked.rows["tokens"], asked.labels.block_tokens
    found = asked.labels.stretches(asked.rows["request"], np.zeros_like(whole), whole)
    row, low, high, depth = found
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
