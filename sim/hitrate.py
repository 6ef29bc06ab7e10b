"""Hit rates without time: a trace's look-ups replayed against one cache of so many blocks.

Requests come in order of arrival, those of one instant in the trace's order. The blocks of a
prompt that are found are its leading run of resident ones. Then all its blocks are touched or
inserted, the last one first, and then the cache is cut to its capacity. A partial last block
counts as one block, but only as many tokens as it holds. Nothing is ever locked, and a block may
leave before those that follow it.

Caches that make room before they insert (libCacheSim) never choose the newcomer; where that makes
a difference, policies here spare what has come since room was last made.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from kvsim.errors import InputError
from kvsim.sim.policy import Eviction, SegmentView
from kvsim.traces.request import Request
from kvsim.units import Ns

NEVER = 1 << 60
"""Above the number of any request."""


class HitRate(NamedTuple):
    """A point of a policy's hit-rate curve."""

    policy: str
    capacity_blocks: int
    hit_blocks: int
    total_blocks: int
    hit_tokens: int
    total_tokens: int

    @property
    def hit_rate(self) -> float:
        """Share of the blocks asked for that were found; 0 if none was asked for."""
        return self.hit_blocks / self.total_blocks if self.total_blocks else 0.0

    @property
    def token_hit_rate(self) -> float:
        """Share of the tokens asked for that were found; 0 if none was asked for."""
        return self.hit_tokens / self.total_tokens if self.total_tokens else 0.0


class Block:
    """A resident block as policies see it (`SegmentView`, and `Foretold` for oracles)."""

    __slots__ = ("depth", "key", "next_use", "reuses", "tokens")
    parent = None

    def __init__(self, key: int, tokens: int, depth: int) -> None:
        self.key = key
        self.tokens = tokens
        self.depth = depth
        self.reuses = 0
        self.next_use = NEVER


class Lookup(NamedTuple):
    """What one request asks for: block ids of its prompt, each of so many tokens."""

    now: Ns
    blocks: tuple[int, ...]
    block_tokens: int
    tokens: int
    """Of all its blocks together: the last one may be partial."""


class Lookups:
    """All look-ups of a trace, in order, to be replayed any number of times."""

    def __init__(self, requests: Iterable[Request | Sequence[int]]) -> None:
        """Requests of a trace, or plain block ids of one request after another."""
        lookups = [_lookup(number, request) for number, request in enumerate(requests)]
        self._lookups = sorted(lookups, key=lambda lookup: lookup.now)
        self._next_uses: list[list[int]] | None = None
        self.total = sum(len(lookup.blocks) for lookup in lookups)
        """Blocks asked for."""
        self.block_tokens = max((lookup.block_tokens for lookup in lookups), default=0)
        """Tokens of a block, of the largest if they differ; 1 for plain ids."""

    def replay(
        self, policy: Eviction, capacity: int, name: str = "", warmup: float = 0.0
    ) -> HitRate:
        """What is found in a cache of `capacity` blocks under `policy`, a fresh one.

        The first requests, the share `warmup` of all, rounded down, fill the cache and are not
        counted. With `warmup` 0.5, `token_hit_rate` on the Mooncake conversation trace is to the
        token the hit rate of KVCache.AI's `kvcache-simulator` 0.1.3 for "lru" and for "optimal"
        (here "belady"). Its "fifo" differs by 0.02 % at most: it inserts a prompt's first block
        first. It leaves out capacities that its warm-up does not fill.
        """
        if capacity < 0:
            raise InputError(f"a cache of {capacity} blocks: the capacity cannot be negative.")
        if not 0 <= warmup < 1:
            raise InputError(f"warm-up: found {warmup:g}; allowed: from 0 to below 1.")
        first = int(warmup * len(self._lookups))
        counted = self._lookups[first:]
        found = list(self._found(policy, capacity))[first:]
        return HitRate(
            name or type(policy).__name__,
            capacity,
            sum(found),
            sum(len(lookup.blocks) for lookup in counted),
            sum(
                min(blocks * lookup.block_tokens, lookup.tokens)
                for blocks, lookup in zip(found, counted, strict=True)
            ),
            sum(lookup.tokens for lookup in counted),
        )

    def _found(self, policy: Eviction, capacity: int) -> Iterator[int]:
        """Blocks that each look-up finds."""
        touched, victim, removed = policy.touched, policy.victim, policy.removed
        foreseen = self._foreseen() if "future" in policy.needs else None
        resident: dict[int, Block] = {}
        for number, (now, blocks, tokens, _) in enumerate(self._lookups):
            found = 0
            for key in blocks:
                if key not in resident:
                    break
                found += 1
            yield found
            for place in range(len(blocks) - 1, -1, -1):
                key = blocks[place]
                block = resident.get(key)
                if block is None:
                    block = resident[key] = Block(key, tokens, place * tokens)
                else:
                    block.reuses += 1
                if foreseen is not None:
                    block.next_use = foreseen[number][place]
                touched(block, now)
            while len(resident) > capacity:
                gone = victim(_anything)
                assert gone is not None
                removed(gone)
                del resident[gone.key]

    def _foreseen(self) -> list[list[int]]:
        """For each block of each look-up, the number of the look-up that asks for it next."""
        if self._next_uses is None:
            after: dict[int, int] = {}
            uses: list[list[int]] = []
            for number in range(len(self._lookups) - 1, -1, -1):
                blocks = self._lookups[number].blocks
                uses.append([after.get(key, NEVER) for key in blocks])
                after.update(dict.fromkeys(blocks, number))
            self._next_uses = uses[::-1]
        return self._next_uses


def hit_curve(
    requests: Iterable[Request | Sequence[int]], policy: Eviction, capacity: int, name: str = ""
) -> HitRate:
    """One point of a curve. For several, make `Lookups` once and replay them."""
    return Lookups(requests).replay(policy, capacity, name)


def _lookup(number: int, request: Request | Sequence[int]) -> Lookup:
    if not isinstance(request, Request):
        return Lookup(number, tuple(request), 1, len(request))
    wanted = -(-request.prompt_tokens // request.block_tokens) if request.block_tokens else 0
    blocks: list[int] = []
    for first, count in zip(request.blocks[::2], request.blocks[1::2], strict=True):
        blocks.extend(range(first, first + count))
        if len(blocks) >= wanted:
            break
    tokens = min(len(blocks) * request.block_tokens, request.prompt_tokens)
    return Lookup(request.arrival, tuple(blocks[:wanted]), request.block_tokens, tokens)


def _anything(block: SegmentView) -> bool:
    return True
