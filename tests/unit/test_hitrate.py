"""Does a replay without time count hits as it says?"""

import pytest

from kvsim.errors import InputError
from kvsim.policies import answers
from kvsim.sim.hitrate import NEVER, HitRate, Lookups, hit_curve
from kvsim.sim.policy import Eviction, SegmentView
from kvsim.traces.request import Request

REGISTRY = answers("eviction")


def hits(asked: list[tuple[int, ...]], policy: str, capacity: int) -> int:
    return hit_curve(asked, REGISTRY.make(policy), capacity).hit_blocks


def request(arrival: int, tokens: int, *runs: int) -> Request:
    return Request(0, arrival, tokens, 1, runs, 16)


def test_a_hit_is_a_leading_run() -> None:
    """Block 1 has left; 2 and 3 are there and help nobody."""
    assert hits([(1, 2, 3), (4,), (1, 2, 3)], "fifo", 4) == 3
    assert hits([(3, 2, 1), (4,), (1, 2, 3)], "fifo", 3) == 0


def test_blocks_are_inserted_from_last_to_first() -> None:
    """So of three blocks the first is the most recent, and the last leaves first."""
    assert hits([(1, 2, 3), (1, 2)], "lru", 2) == 2
    assert hits([(1, 2, 3), (1, 2)], "fifo", 2) == 2
    assert hits([(1, 2, 3), (4,), (1,)], "lru", 2) == 1


def test_room_is_made_when_all_are_in() -> None:
    """The request's own blocks may leave at once; a hit in the same request is none."""
    assert hits([(1, 2, 3, 4), (1, 2, 3, 4)], "lru", 3) == 3
    assert hits([(1, 2), (3, 4), (1, 2)], "lfu", 0) == 0


def test_lfu_counts_end_with_residence() -> None:
    """1 leaves for 2, which is spared as it comes, and 1's two uses are forgotten with it."""
    assert hits([(1,), (1,), (2,), (2,), (2,), (1,)], "lfu", 1) == 3
    assert hits([(1,), (1,), (2,), (3,), (1,), (2,)], "lfu", 2) == 2


def test_a_partial_last_block_counts_as_one() -> None:
    asked = [request(0, 33, 7, 3), request(1, 33, 7, 3)]
    assert hit_curve(asked, REGISTRY.make("lru"), 9, "lru") == HitRate("lru", 9, 3, 6, 33, 66)


def test_only_the_prompt_is_looked_up() -> None:
    """Ids go on into the answer where the trace knows what the next turn calls it."""
    trace = Lookups([request(0, 20, 7, 1, 50, 4), request(1, 16, 7, 1)])
    assert trace.total == 3
    assert trace.replay(REGISTRY.make("lru"), 9).hit_blocks == 1


def test_requests_without_ids_ask_for_nothing() -> None:
    none = hit_curve([Request(0, 0, 100, 1)], REGISTRY.make("lru"), 9)
    assert (none.total_blocks, none.hit_rate) == (0, 0.0)
    assert hit_curve([], REGISTRY.make("lru"), 9).total_blocks == 0


def test_requests_come_in_order_of_arrival_and_then_of_the_trace() -> None:
    late, early = request(5, 16, 1, 1), request(0, 16, 2, 1)
    tied = request(5, 16, 2, 1)
    trace = Lookups([late, early, tied])
    assert trace.replay(REGISTRY.make("lru"), 1).hit_blocks == 0  # 2, 1, 2
    assert Lookups([tied, early, late]).replay(REGISTRY.make("lru"), 1).hit_blocks == 1  # 2, 2, 1


def test_a_trace_can_be_replayed_any_number_of_times() -> None:
    trace = Lookups(iter([(1, 2), (3,), (1, 2)]))
    found = [trace.replay(REGISTRY.make("belady"), 2, "belady") for _ in range(2)]
    assert found == [HitRate("belady", 2, 2, 5, 2, 5)] * 2


def test_belady_keeps_the_shallower_of_blocks_needed_together() -> None:
    assert hits([(1, 2, 3), (4,), (1, 2, 3)], "belady", 2) == 2


def test_a_negative_capacity_is_refused() -> None:
    with pytest.raises(InputError, match="-1 blocks"):
        hits([(1,)], "lru", -1)


class Witness(Eviction):
    """Writes down what it is shown."""

    def __init__(self, needs: frozenset[str]) -> None:
        self.needs = needs  # type: ignore[misc]
        self.seen: list[tuple[int, ...]] = []

    def touched(self, segment: SegmentView, now: int) -> None:
        next_use = segment.next_use  # type: ignore[attr-defined]
        row = (now, segment.key, segment.depth, segment.tokens, segment.reuses, next_use)
        self.seen.append(row)
        assert segment.parent is None

    def removed(self, segment: SegmentView) -> None:
        raise AssertionError

    def victim(self, evictable: object) -> None:
        raise AssertionError


@pytest.mark.parametrize("oracle", [True, False])
def test_what_policies_see(oracle) -> None:
    witness = Witness(frozenset({"future"}) if oracle else frozenset())
    hit_curve([request(10, 32, 7, 2), request(20, 16, 7, 1)], witness, 9)
    assert witness.seen == [
        (10, 8, 16, 16, 0, NEVER),
        (10, 7, 0, 16, 0, 1 if oracle else NEVER),
        (20, 7, 0, 16, 1, NEVER),
    ]
