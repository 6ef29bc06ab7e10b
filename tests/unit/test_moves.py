"""Is every byte that moved accounted for: when, over what, why, and of what use it was?"""

import numpy as np
import pytest
from machine import BLOCK, Affine, Below, Machine, Outcome

from kvsim.sim.labels import Labels
from kvsim.sim.lifetime import Lifetimes
from kvsim.sim.moves import flowing, loaded, reasons, rewritten
from kvsim.sim.recorder import NEVER, WHY
from kvsim.sim.timeline import timeline
from kvsim.units import MS, SECOND

STEP = Affine(base=10 * MS, per_token=MS // 10)
"""A prompt of 160 tokens takes 26 ms, one of 176 takes 27.6 ms."""
SLOW = Below("dram", 1000, bandwidth=16_000.0)
"""A block of 16 bytes takes 1 ms."""


def talk(*tiers: Below, blocks: int = 11) -> Machine:
    """A prompt of 10 blocks, one of 11 that takes all HBM, and the first again."""
    made = Machine(blocks=blocks, timing=STEP, tiers=tiers)
    made.send(160, 1, "0 ms", blocks=(0, 10), block_tokens=16)
    made.send(176, 1, "100 ms", blocks=(100, 11), block_tokens=16)
    made.send(160, 1, "200 ms", blocks=(0, 10), block_tokens=16)
    return made


def moved(outcome: Outcome, *columns: str) -> list[tuple[object, ...]]:
    """Rows of the transfers; instants in ms."""
    rows = outcome.facts.transfers
    shown = []
    for name in columns:
        values = rows[name].tolist()
        if name == "why":
            values = [WHY[value] for value in values]
        elif name in ("sent", "began", "landed"):
            values = [None if value == NEVER else value / MS for value in values]
        shown.append(values)
    return list(zip(*shown, strict=True))


def test_each_transfer_is_a_row() -> None:
    outcome = talk(SLOW).run()
    # stores when prompts are complete; at the end of a request nothing is new; one load of 9 blocks
    assert moved(outcome, "request", "why", "head", "tokens", "bytes", "sent", "landed") == [
        (0, "prefill", 0, 160, 160, 26, 36),
        (1, "prefill", 0, 176, 176, 127.6, 138.6),
        (2, "load", 0, 144, 144, 200, 209),
    ]
    assert outcome.facts.paths == (("dram 0 up",), ("dram 0 down",))
    assert outcome.facts.transfers["path"].tolist() == [1, 1, 0]


def test_a_transfer_begins_after_its_latency() -> None:
    outcome = talk(Below("dram", 1000, 16_000.0, latency=2 * MS)).run()
    assert moved(outcome, "sent", "began", "landed")[0] == (26, 28, 38)


def test_a_refused_store_is_a_row_that_goes_nowhere() -> None:
    outcome = talk(Below("dram", 1000, 800.0, backlog=100), blocks=40).run()
    # the first store is on its way meanwhile; the others are offered when a prompt is complete and
    # again at the end: 176 tokens, and the 144 that the third request found
    kept, *refused = moved(outcome, "why", "bytes", "landed")
    assert kept[:2] == ("prefill", 160)
    assert refused == [("backlog", size, None) for size in (176, 176, 144, 144)]
    assert reasons(outcome.facts, 1) == {
        "stored": {"prefill": 160, "every": 0, "end": 0, "leaving": 0, "ahead": 0},
        "refused": {"backlog": 640, "room": 0},
    }


def test_a_tier_whose_content_is_on_its_way_has_no_room() -> None:
    outcome = talk(Below("dram", 12, 160.0), blocks=100).run()  # 100 ms a block
    assert moved(outcome, "request", "why", "tokens")[:2] == [(0, "prefill", 160), (1, "room", 176)]


def test_what_is_evicted_and_comes_again_is_written_again() -> None:
    made = talk(Below("dram", 11, 16_000_000.0))
    outcome = made.run()
    tier = made.below["dram", 0][0]
    labels = Labels(outcome.simulation.recorder, BLOCK)
    # the second prompt fills the tier; the third request computes all anew and writes 10 blocks
    assert tier.written == (10 + 11 + 10) * 16
    assert rewritten(outcome.facts, labels, 1) == pytest.approx((10 + 11 + 10) / (10 + 11))
    assert rewritten(outcome.facts, labels, 2) is None
    assert loaded(outcome.facts, 1) == 0


def test_bytes_over_time_are_bytes_of_links_and_tiers() -> None:
    tiers = Below("dram", 15, 20_000.0, backlog=170), Below("ssd", 40, 9_000.0, latency=MS)
    made = talk(*tiers)
    made.send(128, 33, "300 ms", blocks=(300, 8), block_tokens=16)
    outcome = made.run()
    facts, rows = outcome.facts, outcome.facts.transfers
    end = int(max(rows["landed"].max(), facts.spans["end"].max()))
    columns = timeline(facts, end, 1)
    assert {WHY[why] for why in rows["why"].tolist()} == {"load", "prefill", "end"}
    for tier, up, down in made.below.values():
        done = (rows["tier"] == tier.rank) & (rows["landed"] != NEVER)
        is_load = rows["why"] == WHY.index("load")
        assert rows["bytes"][done & ~is_load].sum() == tier.written == down.bytes
        assert rows["bytes"][done & is_load].sum() == loaded(facts, tier.rank) == up.bytes
        assert sum(reasons(facts, tier.rank)["stored"].values()) == tier.written
        assert sum(reasons(facts, tier.rank)["refused"].values()) == tier.refused
        for link in (up, down):
            assert columns[f"bytes:{link.name}"].sum() == pytest.approx(link.bytes)
            busy = columns[f"busy:{link.name}"]
            assert (busy * columns["width"]).sum() == pytest.approx(link.busy)
        assert facts.levels["held"][facts.levels["tier"] == tier.rank][-1] == tier.tree.bytes
        assert tier.written - tier.tree.evicted == tier.tree.bytes


def test_what_a_tier_held_is_averaged_over_time() -> None:
    outcome = talk(SLOW).run()
    # 160 bytes from 36 ms on, 336 from 138.6 ms on
    columns = timeline(outcome.facts, 200 * MS, 1)
    area = (columns["held_dram"] * columns["width"]).sum()
    assert area == pytest.approx(160 * 102.6 * MS + 336 * 61.4 * MS)
    assert columns["held_ssd"].sum() == 0


def test_flows_that_overlap_are_busy_once() -> None:
    rows = {
        "began": np.array([40, 0, 10, 90]),
        "landed": np.array([60, 20, 30, NEVER]),
    }
    begun, until = flowing(rows, 100)
    assert list(zip(begun.tolist(), until.tolist(), strict=True)) == [(0, 30), (40, 60), (90, 100)]
    begun, until = flowing({name: column[:0] for name, column in rows.items()}, 100)
    assert (len(begun), len(until)) == (0, 0)


def test_lifetimes_are_classes_of_age_and_reuses() -> None:
    made = Lifetimes()
    made.add(5, 5, 0, 100)
    made.add(0, SECOND // 2, 1, 10)
    made.add(0, 4 * SECOND, 2, 20)
    made.add(SECOND, 6 * SECOND, 2, 30)
    assert made.rows() == [(0, 0, 100), (1, 1, 10), (3 * SECOND, 2, 50)]


def test_what_left_and_what_stays_had_its_use() -> None:
    made = Machine(blocks=11, timing=STEP)
    made.send(160, 1, "0 ms", blocks=(0, 10), block_tokens=16)
    made.send(80, 1, "2 s", blocks=(0, 5), block_tokens=16)
    made.send(176, 1, "3 s", blocks=(100, 11), block_tokens=16)
    outcome = made.run()
    tree = outcome.simulation.cluster.engines[0].memory.tree
    # 4 whole blocks were found after 2 s; the other 6, and the 11, never
    assert tree.left.rows() == [(0, 0, 6 * 16), (SECOND, 1, 4 * 16)]
    assert tree.staying().rows() == [(0, 0, 11 * 16)]
