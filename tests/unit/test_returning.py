"""Is the KV of a session closer when its next turn comes, if its return was foreseen?"""

from machine import Affine, Below, Machine

from kvsim.policies.placement.write_through import WriteThrough
from kvsim.policies.prefetch.session_return import SessionReturn
from kvsim.sim.policy import Prefetch
from kvsim.sim.sequence import Sequence
from kvsim.units import MS

END = WriteThrough(prefill=False)


def two_turns(prefetch: Prefetch | None, think: int, pause_first: int = 200) -> tuple[list, list]:
    """Tokens that the second turn of session 1 finds in DRAM and SSD.

    DRAM holds one prompt at a time, HBM too; another request, of session 2, throws both out.
    Session 0 has come back after `pause_first` ms before that.
    """
    tiers = (
        Below("dram", 11, 1e6, placement=END),
        Below("ssd", 1000, 16_000.0, placement=END),
    )
    timing = Affine(base=10 * MS, per_token=MS // 10)
    made = Machine(blocks=11, timing=timing, tiers=tiers, prefetch=prefetch)
    made.send(32, 1, "0 ms", blocks=(500, 2), block_tokens=16, session=0)
    made.send(32, 1, f"{pause_first + 14} ms", blocks=(500, 2), block_tokens=16, session=0, turn=1)
    made.send(160, 1, "1000 ms", blocks=(0, 10), block_tokens=16, session=1)
    made.send(176, 1, "1050 ms", blocks=(100, 11), block_tokens=16, session=2)
    made.send(160, 1, f"{1026 + think} ms", blocks=(0, 10), block_tokens=16, session=1, turn=1)
    outcome = made.run()
    return outcome["hit_dram"][-1], outcome["hit_ssd"][-1]


def test_without_foresight_it_comes_from_the_drive() -> None:
    assert two_turns(None, think=300) == (0, 144)


def test_it_is_copied_to_dram_when_the_earliest_of_its_kind_came_back() -> None:
    """Session 0 thought for 200 ms; the copy begins then, and takes 9 ms for its 9 blocks."""
    assert two_turns(SessionReturn(), think=300) == (144, 0)


def test_who_comes_back_sooner_than_expected_is_not_copied_for() -> None:
    assert two_turns(SessionReturn(), think=190) == (0, 144)


def test_before_the_first_return_nothing_is_known() -> None:
    assert two_turns(SessionReturn(), think=300, pause_first=2000) == (0, 144)


def test_a_tools_answer_is_foreseen_as_a_turn_is() -> None:
    """Each call takes 50 ms: the first one teaches that."""
    asked, waits = SessionReturn(), Sequence(Machine().send(16, 4), 0)
    expected = []
    for call in range(3):
        expected.append(asked.left(waits, "tool", call * 80 * MS))
        asked.came_back(waits, "tool", call * 80 * MS + 50 * MS)
    assert expected == [None, 50 * MS, 50 * MS]


def test_only_the_latest_returns_count() -> None:
    asked, waits = SessionReturn(early=0.5, remembered=2), Sequence(Machine().send(16, 4), 0)
    for at, gap in ((0, 900), (1000, 30), (2000, 40)):
        asked.left(waits, "tool", at * MS)
        asked.came_back(waits, "tool", (at + gap) * MS)
    assert asked.left(waits, "tool", 3000 * MS) == 40 * MS
