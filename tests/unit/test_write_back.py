"""What leaves a store goes down first: when, how much, what is lost, and what comes back?"""

from machine import Affine, Below, Machine

from kvsim.policies.placement.write_back import WriteBack
from kvsim.policies.placement.write_through import WriteThrough
from kvsim.sim.moves import reasons
from kvsim.sim.recorder import WHY
from kvsim.units import MS

STEP = Affine(base=10 * MS, per_token=MS // 10)
"""A prompt of 160 tokens takes 26 ms, a decode 10.1 ms."""


def back(blocks: int = 1000, name: str = "dram", bandwidth: float = 16_000.0, **more) -> Below:
    """A tier that is written back to; a block of 16 bytes takes 1 ms."""
    return Below(name, blocks, bandwidth, placement=WriteBack(0.5, **more))


def talk(*tiers: Below, blocks: int = 20) -> Machine:
    """The same prompt twice, with another one between them."""
    made = Machine(blocks=blocks, timing=STEP, tiers=tiers)
    made.send(160, 1, "0 ms", blocks=(0, 10), block_tokens=16)
    made.send(160, 1, "100 ms", blocks=(100, 10), block_tokens=16)
    made.send(160, 1, "200 ms", blocks=(0, 10), block_tokens=16)
    return made


def test_nothing_is_written_while_enough_is_free() -> None:
    made = talk(back(), blocks=60)
    outcome = made.run()
    assert made.below["dram", 0][0].written == 0
    assert outcome["hit_hbm"] == [0, 0, 144]


def test_what_is_next_to_leave_goes_down_before_its_room_is_needed() -> None:
    made = talk(back())
    outcome = made.run()
    moved = outcome.facts.transfers
    why = [WHY[index] for index in moved["why"].tolist()]
    # 10 of 20 blocks are to be free. The first prompt leaves them so; when the second one is
    # complete, at 126 ms, none is: the first one's 10 blocks go down, 1 ms each
    assert (why[0], moved["sent"][0] / MS, moved["landed"][0] / MS) == ("leaving", 126, 136)
    assert int(moved["bytes"][0]) == 160
    # nine whole blocks before the last token come back in 9 ms
    assert outcome["hit_dram"] == [0, 0, 144]
    assert outcome["load"] == [0, 0, 9 * MS]
    assert made.below["dram", 0][0].missed == 0


def test_what_a_burst_pushes_out_is_missed() -> None:
    made = Machine(
        blocks=11, timing=STEP, tiers=(Below("dram", 100, 16e6, placement=WriteBack(0.01)),)
    )
    made.send(160, 1, "0 ms", blocks=(0, 10), block_tokens=16)
    made.send(160, 1, "100 ms", blocks=(100, 10), block_tokens=16)
    made.run()
    # 1 of 11 blocks is free, more than a hundredth; the second prompt needs 9 more. Then none is
    # free, and the first one's last block goes down
    assert made.below["dram", 0][0].missed == 9 * 16
    assert made.below["dram", 0][0].written == 16


def test_a_refused_copy_is_dropped_and_booked() -> None:
    made = talk(back(blocks=5))
    outcome = made.run()
    tier = made.below["dram", 0][0]
    assert reasons(outcome.facts, tier.rank)["refused"]["room"] == tier.refused >= 160
    assert tier.written == 0
    assert outcome["hit_hbm"] == [0, 0, 0]


def test_what_has_been_loaded_leaves_an_exclusive_tier() -> None:
    held = []
    for exclusive in (False, True):
        made = talk(back(exclusive=exclusive))
        made.requests[2] = made.requests[2]._replace(prompt_tokens=176, blocks=(0, 11))
        assert made.run()["hit_dram"] == [0, 0, 160]
        held.append(made.below["dram", 0][0].tree.bytes)
    # the first prompt went down and came back. That took the last block of the second one, which
    # had not been copied; its other nine went down later
    assert held == [160 + 144, 144]


def test_what_leaves_dram_goes_to_the_drive() -> None:
    made = talk(back(blocks=12), back(name="ssd", bandwidth=4_000.0))
    made.run()
    dram, ssd = (made.below[name, 0][0] for name in ("dram", "ssd"))
    # 6 of 12 blocks are to be free: what has landed goes on at once
    assert dram.written >= 160
    assert ssd.written >= 160
    assert ssd.missed == dram.tree.evicted - dram.tree.demoted == 0


def test_an_answer_is_copied_every_so_many_blocks() -> None:
    below = Below("dram", 1000, 16e9, placement=WriteThrough(end=False, every=2))
    made = Machine(blocks=100, timing=STEP, tiers=(below,))
    made.send(16, 81, "0 ms", blocks=(0, 1), block_tokens=16)
    outcome = made.run()
    moved = outcome.facts.transfers
    columns = (moved[name].tolist() for name in ("why", "head", "tokens"))
    told = [(WHY[why], head, tokens) for why, head, tokens in zip(*columns, strict=True)]
    # 80 tokens are stored after the prompt's 16: the text has 2, 4 and 6 whole blocks in turn, the
    # last when the last token but one has been stored, at the end
    assert told[:3] == [("prefill", 0, 16), ("every", 16, 16), ("every", 32, 32)]
    # the 16th token is stored by the 16th decode of 10.1 ms, behind 11.6 ms of prompt
    assert moved["sent"].tolist()[1] == round((11.6 + 16 * 10.1) * MS)
