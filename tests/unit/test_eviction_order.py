"""Who leaves next? Small examples worked out by hand, the order of leaving as a word.

A letter is a block. Blocks come one by one; whoever has to go goes after the newcomer is in.
"""

import pytest

from kvsim.policies import answers
from kvsim.sim.hitrate import Block, Lookups
from kvsim.sim.policy import Eviction

REGISTRY = answers("eviction")


def leaving(policy: object, stream: str, capacity: int) -> str:
    """The letters that leave a cache of `capacity` blocks, in order."""
    asked: Eviction = REGISTRY.make(policy)
    resident: dict[str, Block] = {}
    gone = ""
    for now, letter in enumerate(stream):
        block = resident.setdefault(letter, Block(ord(letter), 1, 0))
        asked.touched(block, now)
        while len(resident) > capacity:
            victim = asked.victim(lambda block: True)
            assert victim is not None
            asked.removed(victim)
            gone += chr(victim.key)
            del resident[chr(victim.key)]
    return gone


# fmt: off
ORDERS = [
    # a was used last, b and c were not
    ("lru", "abcade", 3, "bc"),
    ("fifo", "abcade", 3, "ab"),
    # a and c were used twice; of b and d, used once, the less recent; then of d and e
    ("lfu", "aabccded", 3, "bde"),
    # counts are forgotten: c comes twice and is the least used each time
    ("lfu", "aabbcc", 2, "a"),
    # the hand spares a and puts it behind c; after b and c it is a's turn
    ("clock", "abcadef", 3, "bca"),
    # where all are marked, the hand goes round once and takes the first, not the newcomer
    ("clock", "abcabcd", 3, "a"),
    # used twice, a outlasts b if it can have two marks, and only then
    ("clock", "aaabbcd", 2, "ab"),
    ({"clock": {"marks": 2}}, "aaabbcd", 2, "ba"),
    # the hand spares a, which keeps its place behind the hand: d goes before it
    ("sieve", "abcadef", 3, "bcd"),
    ("sieve", "abcabcd", 3, "a"),
    # behind the newest the hand starts again with the oldest, here a, spared once
    ("sieve", "abacd", 2, "ba"),
    # a fills the small queue and leaves it unused; remembered, it comes back into the main one;
    # e passes through the small queue; with that empty, the main queue's first goes; then f
    ({"s3fifo": {"small": 0.25}}, "abcdeafg", 4, "aebf"),
    # used once in the small queue is not enough, used twice is: b is then the main queue's first
    ({"s3fifo": {"small": 0.25}}, "abcdae", 4, "a"),
    ({"s3fifo": {"small": 0.25}}, "abcdaae", 4, "b"),
    # a use in the main queue buys a round: c instead of b
    ({"s3fifo": {"small": 0.25}}, "abcdaabe", 4, "c"),
    # b leaves T1 (target 0); it comes back, the target is 1, T1 = {c} may stay, a leaves T2;
    # a comes back, the target is 0 again, c has to go
    ("arc", "aabcba", 2, "bac"),
    # newcomers above a quarter leave first; a, remembered, comes back into the main queue
    ("2q", "abcdeaf", 4, "abc"),
    ("2q", "abcdeafgh", 4, "abcde"),
    # a, b and c are protected, one too many when room is wanted: a is on probation again, behind e
    ({"slru": {"protected": 0.5}}, "abcdabcefg", 4, "dea"),
    # HIR a leaves, and comes back too late; d comes back in time, takes the place of b, which is
    # LIR no longer and leaves after a
    ({"lirs": {"lir": 0.7}}, "abcdade", 3, "adab"),
    # priorities a 2, b 1, c 1; b leaves at age 1, c; then d has 2 as a has, which came before
    ("gdsf", "aabcde", 2, "bca"),
    # two that are used stay, five that pass go, where LRU would send the two away
    ("tinylfu", "abababvwxyz", 3, "vwxy"),
    # v and w lose against a, used twice, until v was used three times, here and before
    ("tinylfu", "aabbvwvwvw", 3, "vwvwa"),
    # letters are at depth 0 and nobody waits: nothing to tell them apart but recency
    ("length_aware", "abcade", 3, "bc"),
    ("look_ahead", "abcade", 3, "bc"),
    ("leaf_first", "abcade", 3, "bc"),
    ("cost_aware", "abcade", 3, "bc"),
    ("retention", "abcade", 3, "bc"),
    # used 2 times in 5, 1 in 3, 1 in 2 and 1 in 1: b; then a 2 in 6, c 1 in 4, d 1 in 2: c
    ("hyperbolic", "abcad", 3, "b"),
    ("hyperbolic", "abcade", 3, "bc"),
]
# fmt: on


@pytest.mark.parametrize(("policy", "stream", "capacity", "gone"), ORDERS)
def test_order_of_leaving(policy, stream, capacity, gone) -> None:
    assert leaving(policy, stream, capacity) == gone


def everything(block: object) -> bool:
    return True


def named(policy: Eviction) -> int:
    victim = policy.victim(everything)
    assert victim is not None
    return victim.key


def test_lru_order_is_order_of_release() -> None:
    policy = REGISTRY.make("lru")
    first, second = Block(1, 16, 0), Block(2, 16, 16)
    for block in (first, second):
        policy.touched(block, 0)
        policy.locked(block)
    assert policy.victim(everything) is None
    for block in (second, first):  # deepest first, as vLLM frees a sequence's blocks
        policy.released(block, 1)
    assert named(policy) == 2


@pytest.mark.parametrize("name", ["leaf_first", "length_aware", "belady"])
def test_of_what_was_used_together_the_deeper_goes_first(name) -> None:
    policy = REGISTRY.make(name)
    for block in (Block(1, 16, 0), Block(3, 16, 32), Block(2, 16, 16)):
        policy.touched(block, 0)
    assert named(policy) == 3


def test_belady_sends_away_what_is_needed_last() -> None:
    policy = REGISTRY.make("belady")
    blocks = [Block(key, 1, 0) for key in range(3)]
    for block, next_use in zip(blocks, (5, 9, 7), strict=True):
        block.next_use = next_use
        policy.touched(block, 0)
    assert named(policy) == 1
    blocks[1].next_use = 6
    policy.touched(blocks[1], 5)
    assert named(policy) == 2


def test_length_aware_goes_by_depth_before_use() -> None:
    policy = REGISTRY.make("length_aware")
    deep, shallow = Block(1, 16, 160), Block(2, 16, 0)
    for block in (deep, deep, deep, shallow):
        policy.touched(block, 0)
    assert named(policy) == 1


def test_cost_aware_keeps_what_is_dear_to_compute_again() -> None:
    """At a depth of 60,000 tokens and a crossover of 30,000 a token costs three times as much."""
    policy = REGISTRY.make("cost_aware")
    policy.touched(Block(1, 16, 60_000), 0)
    policy.touched(Block(2, 16, 0), 1)
    assert named(policy) == 2


def test_cost_aware_forgets_in_the_end() -> None:
    """Each shallow segment that leaves ages the rest by about 1: three of them outweigh a 3."""
    policy, gone = REGISTRY.make("cost_aware"), []
    policy.touched(Block(0, 16, 60_000), 0)
    for number in range(1, 6):
        policy.touched(Block(number, 16, 0), number)
        victim = policy.victim(everything)
        assert victim is not None
        policy.removed(victim)
        gone.append(victim.key)
    assert gone == [1, 2, 0, 3, 4]


@pytest.mark.parametrize(("idle_since", "victim"), [(0, 1), (6, 2)])
def test_retention_weighs_cost_against_idle_time(idle_since, victim) -> None:
    """At 10: cost 1 / 11 against 2 / 11; or, the first used at 6, 1 / 5 against 2 / 11."""
    policy = REGISTRY.make("retention")
    policy.touched(Block(2, 16, 30_000), 0)
    policy.touched(Block(1, 16, 0), idle_since)
    policy.touched(Block(3, 16, 10**9), 10)
    assert named(policy) == victim


@pytest.mark.parametrize(("ttl", "victim"), [("50 ns", 1), ("100 ns", 2)])
def test_ttl_sends_away_what_is_out_of_date_although_in_use(ttl, victim) -> None:
    policy = REGISTRY.make({"ttl": {"ttl": ttl}})
    used, unused = Block(1, 16, 0), Block(2, 16, 0)
    policy.touched(used, 0)
    policy.touched(unused, 10)
    policy.touched(used, 55)
    assert named(policy) == victim


def test_look_ahead_keeps_what_the_queue_will_read() -> None:
    policy = REGISTRY.make("look_ahead")
    blocks = [Block(key, 16, 0) for key in range(4)]
    for now, block in enumerate(blocks):
        policy.touched(block, now)
    for key, place in ((0, 7), (1, 8), (2, 9)):
        policy.awaited(blocks[key], place)
    assert named(policy) == 3  # nobody waits for it
    policy.removed(blocks[3])
    assert named(policy) == 2  # its reader is last in the queue
    policy.awaited(blocks[1], None)
    assert named(policy) == 1


def test_lecar_learns_that_lfu_does_better() -> None:
    """Two blocks used again and again between scans that are longer than the cache."""
    scans = iter(range(100, 10_000))
    stream = [(key,) for _ in range(150) for key in (1, 2, 1, 2, *(next(scans) for _ in range(6)))]
    trace = Lookups(stream)
    found = {name: trace.replay(REGISTRY.make(name), 4).hit_blocks for name in ("lru", "lecar")}
    assert found["lru"] == 300  # each scan washes both away; they hit once in each round
    assert found["lecar"] > 1.5 * found["lru"]
