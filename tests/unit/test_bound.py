"""Is the optimum what a person finds by hand, and the replay what the tier's policy would do?"""

from machine import BLOCK, Affine, Below, Machine, Outcome

from kvsim.policies.eviction.lru import LRU
from kvsim.policies.placement.selective import Selective
from kvsim.sim.bound import Asked, asked
from kvsim.sim.labels import Labels, distinct
from kvsim.units import MS

STEP = Affine(base=10 * MS, per_token=MS // 10)


def of_tier(outcome: Outcome, tier: int, place: int = 0, measured: slice = slice(None)) -> Asked:
    labels = Labels(outcome.simulation.recorder, BLOCK)
    return asked(outcome.facts, labels, tier, place, outcome.facts.requests["id"][measured])


def talk(**more) -> Machine:
    """A prompt of 10 blocks, one of 11 others, and the first again."""
    made = Machine(blocks=11, timing=STEP, **more)
    made.send(160, 1, "0 ms", blocks=(0, 10), block_tokens=16)
    made.send(176, 1, "100 ms", blocks=(100, 11), block_tokens=16)
    made.send(160, 1, "200 ms", blocks=(0, 10), block_tokens=16)
    return made


def test_lru_keeps_the_newcomer_and_the_optimum_what_comes_again() -> None:
    hbm = of_tier(talk().run(), 0)
    assert hbm.tokens == 160 + 176 + 160
    # 9 whole blocks before the last token are asked for again; MIN lets the second prompt pass by
    assert hbm.optimum(11) == 144
    assert hbm.replay(LRU(), 11) == 0


def test_what_fits_of_it_is_found() -> None:
    hbm = of_tier(talk().run(), 0)
    assert [hbm.optimum(blocks) for blocks in (0, 1, 5, 9, 100)] == [0, 16, 80, 144, 144]
    # LRU needs room for both prompts; with 15 blocks 4 of the first are left of its head
    assert [hbm.replay(LRU(), blocks) for blocks in (0, 15, 20, 21)] == [0, 64, 144, 144]


def test_a_tier_below_is_asked_for_what_hbm_lacks() -> None:
    outcome = talk(tiers=(Below("dram", 12, 16_000_000.0),)).run()
    dram = of_tier(outcome, 1)
    assert dram.tokens == 160 + 176 + 160
    # as in the run: the second prompt's 11 blocks leave one of the first
    assert outcome["hit_dram"] == [0, 0, 16]
    assert dram.replay(LRU(), 12) == 16
    assert dram.optimum(12) == 144


def test_what_hbm_has_is_not_asked_for() -> None:
    made = Machine(blocks=100, timing=STEP, tiers=(Below("dram", 100, 16e6),))
    made.send(160, 1, "0 ms", blocks=(0, 10), block_tokens=16)
    made.send(320, 1, "100 ms", blocks=(0, 20), block_tokens=16)
    dram = of_tier(made.run(), 1)
    # 10 blocks are in HBM; the last 10 have never been anywhere
    assert dram.tokens == 160 + 160
    assert dram.optimum(100) == dram.replay(LRU(), 100) == 0


def test_answers_can_be_found_too() -> None:
    made = Machine(blocks=100, timing=STEP)
    made.send(160, 33, "0 ms", blocks=(0, 12), block_tokens=16)
    made.send(224, 1, "2 s", blocks=(0, 14), block_tokens=16)
    outcome = made.run()
    # a prompt of 10 blocks and 32 stored tokens of its answer, known to the next turn
    assert outcome["hit_hbm"] == [0, 192]
    hbm = of_tier(outcome, 0)
    assert hbm.optimum(100) == hbm.replay(LRU(), 100) == 192
    assert hbm.optimum(11) == 176


def test_placement_is_part_of_the_optimum() -> None:
    below = (Below("dram", 100, 16e6, placement=Selective(9)),)
    dram = of_tier(talk(tiers=below).run(), 1)
    assert dram.replay(LRU(), 100) == 0  # nothing was offered
    assert dram.optimum(100) == 144


def test_warm_up_counts_for_what_is_there_and_not_for_what_is_found() -> None:
    outcome = talk().run()
    assert of_tier(outcome, 0, measured=slice(2, 3)).optimum(11) == 144
    assert of_tier(outcome, 0, measured=slice(2, 3)).tokens == 160
    assert of_tier(outcome, 0, measured=slice(0, 2)).optimum(11) == 0


def test_replicas_are_asked_for_themselves() -> None:
    made = talk(replicas=2)  # the second request goes to the other replica
    outcome = made.run()
    assert [of_tier(outcome, 0, place).tokens for place in (0, 1)] == [320, 176]
    assert of_tier(outcome, 0).replay(LRU(), 11) == 144


def test_labels_of_other_lengths_than_blocks() -> None:
    made = Machine(blocks=100, timing=STEP)
    made.send(100, 1, "0 ms", blocks=(7, 1, 3, 1), block_tokens=64)
    made.send(150, 1, "100 ms", blocks=(7, 1, 3, 1, 50, 1), block_tokens=64)
    outcome = made.run()
    # the first stored 6 whole blocks, 4 in id 7 and 2 in id 3
    assert outcome["hit_hbm"] == [0, 96]
    hbm = of_tier(outcome, 0)
    assert hbm.optimum(100) == hbm.replay(LRU(), 100) == 96


def test_without_labels_nothing_is_asked() -> None:
    made = Machine(blocks=100, timing=STEP)
    made.send(100, 5)
    hbm = of_tier(made.run(), 0)
    assert (hbm.tokens, hbm.optimum(10), hbm.replay(LRU(), 10)) == (0, 0, 0)


def test_content_is_counted_once() -> None:
    outcome = talk().run()
    labels = Labels(outcome.simulation.recorder, BLOCK)
    ids = outcome.facts.requests["id"]
    whole = outcome.facts.requests["prompt_tokens"]
    assert distinct(labels.stretches(ids, 0 * whole, whole)) == (10 + 11) * 16
    assert distinct(labels.stretches(ids, 0 * whole + 128, whole)) == (2 + 3) * 16
