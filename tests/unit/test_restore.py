"""Does KV come back as its restore answer says, in the time that arithmetic gives?

The same 160 tokens are asked for twice; in between they leave HBM. 9 blocks of 16 tokens come back
(the last token is computed in any case), 16 tokens are computed behind them in 1.6 ms.
"""

import pytest
from machine import Affine, Below, Machine, Outcome

from kvsim.errors import InputError
from kvsim.models import model
from kvsim.policies.restore.cake import Cake
from kvsim.policies.restore.hcache import HCache
from kvsim.policies.restore.kvpr import KVPR
from kvsim.policies.restore.load import Load
from kvsim.policies.restore.pensieve import Pensieve
from kvsim.policies.restore.recompute import Recompute
from kvsim.scenario import load
from kvsim.scenario.build import build
from kvsim.sim.policy import Range, Restore, RestoreView
from kvsim.units import MS

STEP = Affine(base=0, per_token=MS // 10, per_projected=MS // 20)
"""16 tokens are computed in 1.6 ms, and projected in 0.8 ms."""
DRAM = Below("dram", 1000, bandwidth=10_000.0)
"""16 bytes, the KV of a block, take 1.6 ms; its hidden states 0.8 ms."""


def back(restore: Restore, tier: Below = DRAM, layers: int = 1, more: int = 0) -> Outcome:
    """The prompt, another that takes all of HBM, and the prompt again at 500 ms; `more` of it."""
    machine = Machine(blocks=30, timing=STEP, tiers=(tier,), restore=restore, layers=layers)
    machine.send(160, 1, "0 ms", blocks=(0, 10), block_tokens=16)
    machine.send(480, 1, "200 ms", blocks=(100, 30), block_tokens=16)
    machine.send(160, 1, "500 ms", blocks=(0, 10), block_tokens=16)
    for _ in range(more):
        machine.send(160, 1, "503 ms", blocks=(0, 10), block_tokens=16)
    outcome = machine.run()
    outcome.tier, outcome.up, outcome.down = machine.below["dram", 0]  # type: ignore[attr-defined]
    return outcome


def ttft(outcome: Outcome) -> float:
    """Of the third request, in ms."""
    return outcome.ms("first_token")[2] - 500


def test_one_end_alone_takes_as_long_as_all_of_it() -> None:
    assert ttft(back(Load())) == pytest.approx(9 * 1.6 + 1.6)
    assert ttft(back(Recompute())) == pytest.approx(9 * 1.6 + 1.6)


def test_cake_computes_from_the_front_and_loads_from_the_back_until_they_meet() -> None:
    found = back(Cake(piece=16))
    # four blocks from each end in 6.4 ms; the link is asked first and takes the one in the middle
    assert ttft(found) == pytest.approx(5 * 1.6 + 1.6)
    assert found["hit_dram"][2] == 5 * 16
    assert found.up.bytes == 5 * 16


def test_cake_leaves_more_to_a_faster_link() -> None:
    found = back(Cake(piece=16), Below("dram", 1000, bandwidth=20_000.0))
    # 0.8 ms a block: two while one is computed, so 6 and 3
    assert found["hit_dram"][2] == 6 * 16
    assert ttft(found) == pytest.approx(3 * 1.6 + 1.6)


def test_cake_leaves_all_to_the_link_while_the_gpu_is_busy() -> None:
    machine = Machine(blocks=60, timing=STEP, tiers=(DRAM,), restore=Cake(piece=16))
    machine.send(160, 1, "0 ms", blocks=(0, 10), block_tokens=16)
    machine.send(960, 1, "200 ms", blocks=(100, 60), block_tokens=16)
    machine.send(480, 1, "500 ms", blocks=(500, 30), block_tokens=16)
    machine.send(160, 1, "500 ms", blocks=(0, 10), block_tokens=16)
    machine.scheduler.tokens = 480
    outcome = machine.run()
    # the third request's step takes 48 ms; the fourth is loaded meanwhile, in 14.4 ms
    assert outcome["hit_dram"][3] == 9 * 16
    assert outcome.ms("first_token")[3] == pytest.approx(500 + 48 + 1.6)


def test_pensieve_computes_the_head_and_loads_the_rest() -> None:
    found = back(Pensieve())
    # half of 144 tokens each, in whole blocks: 64 in 6.4 ms, and the other 80 in 8 ms
    assert found["hit_dram"][2] == 80
    assert ttft(found) == pytest.approx(8 + 1.6)


def test_hcache_moves_half_the_bytes_and_projects_them() -> None:
    found = back(HCache())
    assert found.down.bytes == found.tier.written == (10 + 30) * 8
    assert found.up.bytes == 9 * 8
    # 72 bytes in 7.2 ms, then 144 tokens projected in 7.2 ms
    assert ttft(found) == pytest.approx(7.2 + 7.2 + 1.6)


def test_hcache_projects_a_layer_while_the_next_ones_load() -> None:
    found = back(HCache(), layers=4)
    # the first layer after 1.8 ms, then 8.8 ms of arithmetic; all layers are there after 7.2 ms,
    # and the last one's arithmetic takes 2.2 ms
    assert found.ms("load")[2] == pytest.approx(1.8)
    assert ttft(found) == pytest.approx(max(1.8 + 8.8, 7.2 + 2.2))
    slow = back(HCache(), Below("dram", 1000, bandwidth=2_000.0), layers=4)
    assert ttft(slow) == pytest.approx(max(9 + 8.8, 36 + 2.2))


def test_kvpr_splits_where_both_take_equally_long() -> None:
    found = back(KVPR())
    # l * 0.05 ms = (144 - l) * 0.1 ms: l = 96, whose 48 bytes take 4.8 ms; then 4.8 ms of each
    assert found.up.bytes == 48 + 48
    assert ttft(found) == pytest.approx(4.8 + 4.8 + 1.6)
    assert found.tier.written == (10 + 30) * (16 + 8)


def test_kvpr_splits_nothing_where_hidden_states_are_larger_than_kv() -> None:
    view = RestoreView(144, 0, "dram", load=100, compute=900, ahead=0, hidden=200, project=10)
    assert [part for part in KVPR().ways(view) if part.tokens] == [Range(144, "kv")]


@pytest.mark.parametrize("restore", [Cake(piece=16), Pensieve(), KVPR(), HCache()])
def test_what_is_on_its_way_is_not_read_by_others(restore: Restore) -> None:
    outcome = back(restore, more=1)
    # by 503.2 ms, when the fourth request is looked up, steps of 16 tokens have computed 2 blocks
    # under Cake; Pensieve's head of 64 tokens is one step that has not ended but has been planned
    computed = {Cake: 32, Pensieve: 64, KVPR: 0, HCache: 0}[type(restore)]
    assert outcome["hit_hbm"][3] == computed


def test_hidden_states_of_a_model_are_a_width_a_layer() -> None:
    # Llama 2 7B: 32 layers of 4,096 in bf16, K and V of as many: twice that
    one = model("llama-2-7b")
    assert one.hidden_bytes() == 32 * 4096 * 2
    assert one.layout.bytes_per_token() == 2 * one.hidden_bytes()
    # 8 KV heads of 128 instead of 32: K and V are half a width
    few = model("llama-3.1-8b")
    assert few.layout.bytes_per_token() == few.hidden_bytes() // 2
    # K and V projections: 2 * 4096 * (2 * 4096) FLOPs a layer and token
    assert sum(one.flops(1) for one in one.projections()) == 32 * 2 * 4096 * 2 * 4096


def test_what_steps_cannot_tell_is_an_error() -> None:
    changes = ["policies.restore=hcache", "policies.timing=linear", "model=opt-13b"]
    with pytest.raises(InputError, match=r"policies\.restore: 'hcache' makes KV of hidden states"):
        build(load("dram", changes))
