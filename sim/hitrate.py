"""Hit rates without time: a trace's look-ups against one cache of blocks.

Requests come in order of arrival. A request hits the leading run of its blocks that are resident;
then its blocks are touched or inserted, the last one first, and the cache is trimmed to its
capacity. A partial last block counts as one.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kvsim.sim.policy import Eviction, SegmentView
from kvsim.traces.request import Request

NEVER = 1 << 60


class HitRate(NamedTuple):
    """What one policy made of one capacity."""

    hits: int
    """Blocks found."""
    blocks: int
    """Blocks asked for."""

    @property
    def rate(self) -> float:
        """Share of the blocks that were found; 0 of none."""
        return self.hits / self.blocks if self.blocks else 0.0


class Block:
    """One block of the cache, as a policy sees it."""

    __slots__ = ("depth", "next_use", "reuses", "tokens")

    def __init__(self, depth: int, tokens: int) -> None:
        self.depth = depth
        self.tokens = tokens
        self.reuses = 0
        self.next_use = NEVER


def accesses(requests: Iterable[Request]) -> list[list[int]]:
    """The block ids that each request asks for, its own prompt's only, in order of arrival."""
    found = []
    for request in sorted(requests, key=lambda request: request.arrival):
        if not request.blocks:
            continue
        wanted = -(request.prompt_tokens // -request.block_tokens)
        ids: list[int] = []
        for first, count in zip(request.blocks[::2], request.blocks[1::2], strict=True):
            ids.extend(range(first, first + min(count, wanted - len(ids))))
            if len(ids) == wanted:
                break
        found.append(ids)
    return found


def future(lookups: Sequence[Sequence[int]]) -> list[list[int]]:
    """For each look-up of each block: the number of the next request that asks for it."""
    upcoming: dict[int, int] = {}
    found: list[list[int]] = []
    for index in range(len(lookups) - 1, -1, -1):
        ids = lookups[index]
        found.append([upcoming.get(id, NEVER) for id in ids])
        upcoming.update(dict.fromkeys(ids, index))
    found.reverse()
    return found


def replay(
    lookups: Sequence[Sequence[int]],
    policy: Eviction,
    capacity: int,
    block_tokens: int,
    foretold: Sequence[Sequence[int]] | None = None,
) -> HitRate:
    """Hits of `policy` with `capacity` blocks; `foretold` is the `future`, for oracles."""
    resident: dict[int, Block] = {}
    names: dict[SegmentView, int] = {}
    hits = asked = 0
    for now, ids in enumerate(lookups):
        asked += len(ids)
        for id in ids:
            if id not in resident:
                break
            hits += 1
        for depth in range(len(ids) - 1, -1, -1):
            id = ids[depth]
            block = resident.get(id)
            if block is None:
                block = resident[id] = Block(depth * block_tokens, block_tokens)
                names[block] = id
            else:
                block.reuses += 1
            if foretold is not None:
                block.next_use = foretold[now][depth]
            policy.touched(block, now)
        while len(resident) > capacity:
            victim = policy.victim(_any)
            assert victim is not None
            policy.removed(victim)
            del resident[names.pop(victim)]
    return HitRate(hits, asked)


def _any(block: SegmentView) -> bool:
    return True
