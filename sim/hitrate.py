"""Hit rates without time: a trace's look-ups replayed against one cache of so many blocks.

Requests come in order of arrival, those of one instant in the trace's order. The blocks of a
prompt that are found are its leading run of resident ones. Then all its blocks are touched or
inserted, the last one first, and then the cache is cut to its capacity. A partial last block
counts as a block. Nothing is ever locked, and a block may leave before those that follow it.

On the second half of the Mooncake conversation trace, LRU and Belady hit exactly as often as `lru`
and `optimal` of kvcache-simulator 0.1.3, FIFO 0.4 % less often at 10,000 blocks: there blocks are
inserted from the first on. Caches that make room before they insert (libCacheSim) never choose the
newcomer; see LFU.
"""

from collections.abc import Iterable, Sequence
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

    @property
    def hit_rate(self) -> float:
        """Share of the blocks asked for that were found; 0 if none was asked for."""
        return self.hit_blocks / self.total_blocks if self.total_blocks else 0.0


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

    def replay(self, policy: Eviction, capacity: int, name: str = "") -> HitRate:
        """Blocks found in a cache of `capacity` blocks under `policy`, a fresh one."""
        if capacity < 0:
            raise InputError(f"a cache of {capacity} blocks: the capacity cannot be negative.")
        touched, victim, removed = policy.touched, policy.victim, policy.removed
        foreseen = self._foreseen() if "future" in policy.needs else None
        resident: dict[int, Block] = {}
        hits = 0
        for number, (now, blocks, tokens) in enumerate(self._lookups):
            for key in blocks:
                if key not in resident:
                    break
                hits += 1
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
        return HitRate(name or type(policy).__name__, capacity, hits, self.total)

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
        return Lookup(number, tuple(request), 1)
    wanted = -(-request.prompt_tokens // request.block_tokens) if request.block_tokens else 0
    blocks: list[int] = []
    for first, count in zip(request.blocks[::2], request.blocks[1::2], strict=True):
        blocks.extend(range(first, first + count))
        if len(blocks) >= wanted:
            break
    return Lookup(request.arrival, tuple(blocks[:wanted]), request.block_tokens)


def _anything(block: SegmentView) -> bool:
    return True
