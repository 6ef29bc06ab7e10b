"""Do policies hit as often as the authors' own code on a stream of single blocks?

Counts of libCacheSim (PyPI `libcachesim` 0.3.5, objects of one byte, default parameters), run once
on the stream below. It makes room before it inserts, a replay here inserts first: policies that
mind are made to see the same. `tests/crosscheck` asks it anew, on longer streams.
"""

import pytest

from kvsim.policies import answers
from kvsim.sim.hitrate import Lookups

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


@pytest.mark.parametrize("name", sorted(HITS))
def test_hits_as_libcachesim(name) -> None:
    trace, registry = Lookups((key,) for key in KEYS), answers("eviction")
    found = [trace.replay(registry.make(name), size).hit_blocks for size in CAPACITIES]
    assert tuple(found) == HITS[name]
