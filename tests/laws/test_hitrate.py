"""Laws of hit rates without time, on small traces where an id stands for all before it too."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvsim.policies import answers
from kvsim.sim.hitrate import Lookups

REGISTRY = answers("eviction")
PATHS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=40)


def lookups(paths: list[list[int]]) -> Lookups:
    """Paths of choices, whose every prefix has an id of its own."""
    ids: dict[tuple[int, ...], int] = {}
    return Lookups(
        [ids.setdefault(tuple(path[:end]), len(ids)) for end in range(1, len(path) + 1)]
        for path in paths
    )


def hits(trace: Lookups, name: str, capacity: int) -> int:
    return trace.replay(REGISTRY.make(name), capacity).hit_blocks


@given(PATHS)
def test_a_larger_lru_never_hits_less(paths) -> None:
    trace = lookups(paths)
    curve = [hits(trace, "lru", capacity) for capacity in range(30)]
    assert curve == sorted(curve)


@given(PATHS)
def test_a_larger_belady_never_hits_less(paths) -> None:
    trace = lookups(paths)
    curve = [hits(trace, "belady", capacity) for capacity in range(30)]
    assert curve == sorted(curve)


@pytest.mark.parametrize("name", REGISTRY.names())
@settings(max_examples=60)
@given(PATHS, st.integers(0, 25))
def test_belady_is_never_beaten(name, paths, capacity) -> None:
    trace = lookups(paths)
    assert hits(trace, name, capacity) <= hits(trace, "belady", capacity)


@pytest.mark.parametrize("name", REGISTRY.names())
@settings(max_examples=20)
@given(PATHS)
def test_with_room_for_all_only_first_uses_miss(name, paths) -> None:
    trace = lookups(paths)
    distinct = {tuple(path[:end]) for path in paths for end in range(1, len(path) + 1)}
    assert hits(trace, name, len(distinct)) == trace.total - len(distinct)
    assert hits(trace, name, 0) == 0


def exhaustive(paths: list[list[int]], capacity: int) -> int:
    """The most hits that any choice of what to keep could have had, by trying all of them."""
    best: dict[frozenset[tuple[int, ...]], int] = {frozenset(): 0}
    for path in paths:
        asked = [tuple(path[:end]) for end in range(1, len(path) + 1)]
        after: dict[frozenset[tuple[int, ...]], int] = {}
        for kept, hits in best.items():
            found = next((n for n, one in enumerate(asked) if one not in kept), len(asked))
            held = kept | set(asked)
            for choice in map(frozenset, combinations(held, min(capacity, len(held)))):
                after[choice] = max(after.get(choice, 0), hits + found)
        best = after
    return max(best.values())


SMALL = st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=3), min_size=1, max_size=7)


@settings(max_examples=60)
@given(SMALL, st.integers(0, 3))
def test_belady_is_the_optimum(paths, capacity) -> None:
    assert hits(lookups(paths), "belady", capacity) == exhaustive(paths, capacity)
