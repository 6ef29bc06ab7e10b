"""Do policies hit as often as the authors' own code on a stream of single blocks?

Counts of libCacheSim (PyPI `libcachesim` 0.3.5, objects of one byte, default parameters), run once
on the stream below. It makes room before it inserts, a replay here inserts first: policies that
mind are made to see the same. LFU alone does not, since the replay's own semantics say so: there
the newcomer is a candidate, and so it is asked here as libCacheSim asks.
"""

import pytest

from kvsim.policies import answers
from kvsim.sim.hitrate import Block, Lookups

CAPACITIES = (20, 50, 100)
HITS = {
    "lru": (2561, 6025, 10946),
    "fifo": (2474, 5803, 10213),
    "lfu": (3604, 7821, 12734),
    "clock": (2582, 6177, 11232),
    "sieve": (3606, 7714, 12867),
    "s3fifo": (3695, 7458, 12126),
    "arc": (3130, 6750, 11456),
    "2q": (3298, 6928, 11484),
    "gdsf": (2973, 7658, 12824),
}


def stream(count: int) -> list[int]:
    """Keys below 300, small ones oftener: a linear congruential generator (C99's example)."""
    state, keys = 1, []
    for _ in range(count):
        state = (1103515245 * state + 12345) % 2**31
        keys.append((state >> 8) % (1 + (state >> 16) % 300))
    return keys


KEYS = stream(20_000)


@pytest.mark.parametrize("name", sorted(set(HITS) - {"lfu"}))
def test_hits_as_libcachesim(name) -> None:
    trace, registry = Lookups((key,) for key in KEYS), answers("eviction")
    found = [trace.replay(registry.make(name), size).hit_blocks for size in CAPACITIES]
    assert tuple(found) == HITS[name]


def test_lfu_hits_as_libcachesim_if_it_is_asked_before_the_newcomer_is_in() -> None:
    found = []
    for size in CAPACITIES:
        policy, resident, hits = answers("eviction").make("lfu"), dict[int, Block](), 0
        for now, key in enumerate(KEYS):
            hits += key in resident
            if key not in resident and len(resident) == size:
                victim = policy.victim(lambda block: True)
                policy.removed(victim)
                del resident[victim.key]
            policy.touched(resident.setdefault(key, Block(key, 1, 0)), now)
        found.append(hits)
    assert tuple(found) == HITS["lfu"]
