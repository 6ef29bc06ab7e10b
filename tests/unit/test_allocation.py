"""Is KV space claimed as each allocation says, and does a wrong combination say why?"""

import pytest
from machine import Machine
from scenarios import document, refused

from kvsim.policies.allocation.block_groups import BlockGroups
from kvsim.policies.allocation.paged import Paged
from kvsim.policies.allocation.reserve_max import ReserveMax
from kvsim.policies.allocation.reserve_oracle import ReserveOracle
from kvsim.policies.allocation.reserve_pow2 import ReservePow2
from kvsim.policies.allocation.state_slots import StateSlots
from kvsim.policies.allocation.virtual_memory import VirtualMemory
from kvsim.scenario import load
from kvsim.scenario.build import build
from kvsim.scenario.load import parse
from kvsim.scenario.run import run
from kvsim.sim.policy import Allocation

# Reserves. A token is a byte, a step takes 10 ms.


def reserved(allocation: Allocation, blocks: int = 16) -> Machine:
    return Machine(blocks=blocks, allocation=allocation, max_context=128, caching=False)


def test_how_much_is_reserved() -> None:
    assert ReserveMax().reserve(100, 2048, None) == 2048
    assert ReservePow2().reserve(100, 2048, 25) == 100 + 32
    assert ReservePow2().reserve(100, 2048, 32) == 100 + 32
    assert ReservePow2().reserve(1900, 2048, 140) == 2048
    assert ReserveOracle().reserve(100, 2048, 25) == 125


@pytest.mark.parametrize(
    ("allocation", "together"),
    [(ReserveMax(), 2), (ReservePow2(), 4), (ReserveOracle(), 8), (Paged(), 8)],
)
def test_as_many_run_as_have_a_piece(allocation: Allocation, together: int) -> None:
    """256 tokens of room. Each has 15 + 17 tokens: pieces of 128; 15 + 32 in 64; 32; 2 blocks."""
    machine = reserved(allocation)
    for _ in range(8):
        machine.send(prompt=15, output=17)
    outcome = machine.run()
    first = outcome.ms("admitted")[0]
    assert outcome.ms("admitted").count(first) == together
    assert outcome["preemptions"] == [0] * 8  # nobody outgrows what he has
    assert outcome.simulation.cluster.engines[0].memory.private == 0


def test_room_that_lies_apart_is_of_no_use() -> None:
    """Pieces of 64, 64, 64, 64 fill 256 tokens. The first and the third go: 128 tokens are free,
    and a text of 100 waits all the same, until the second has gone too."""
    machine = reserved(ReserveOracle())
    for output in (10, 20, 10, 24):
        machine.send(prompt=40, output=output)
    machine.send(prompt=60, output=40, at="5 ms")
    outcome = machine.run()
    assert outcome.ms("finish")[:4] == [100, 200, 100, 240]
    assert outcome.ms("admitted")[4] == 200


def test_what_no_piece_can_hold_is_rejected() -> None:
    """200 tokens are 128 + 64 + 8 in pieces."""
    machine = Machine(blocks=12, allocation=ReserveOracle(), caching=False)
    machine.send(prompt=100, output=40)  # 140 of 192 tokens, and no piece is larger than 128
    machine.send(prompt=100, output=28)
    outcome = machine.run()
    assert outcome.status == ["rejected", "finished"]
    assert outcome.simulation.recorder.reasons == {
        0: "its piece of 140 tokens is more than the replica's largest, 128"
    }


def test_nobody_shares_a_piece() -> None:
    machine = Machine(blocks=64, allocation=ReserveOracle())
    for at in ("0 ms", "500 ms"):
        machine.send(prompt=64, output=2, at=at, blocks=(7, 4), block_tokens=16)
    assert machine.run()["hit_hbm"] == [0, 0]


def test_an_oracle_is_called_one() -> None:
    knowing = {"predictor": "oracle", "allocation": "reserve_oracle"}
    told = [run(parse(document(policies=chosen), "x")).summary for chosen in ({}, knowing)]
    assert "oracle" not in told[0]
    assert told[1]["oracle"] == ["predictor oracle", "allocation reserve_oracle"]


# Groups, pages, slots


def test_a_group_is_claimed_at_once() -> None:
    """10 blocks are two groups of four, and two blocks that nobody can claim."""
    machine = Machine(blocks=10, allocation=BlockGroups(4), caching=False)
    for _ in range(3):
        machine.send(prompt=10, output=20)
    assert machine.run().ms("admitted") == [0, 0, 200]


def test_what_is_shared_of_a_group_is_shared_by_the_block() -> None:
    machine = Machine(blocks=20, allocation=BlockGroups(4))
    for at in ("0 ms", "100 ms"):
        machine.send(prompt=40, output=2, at=at, blocks=(7, 3), block_tokens=16)
    assert machine.run()["hit_hbm"] == [0, 32]


@pytest.mark.parametrize(
    ("model", "tensor", "tokens"),
    [("llama-3.1-8b", 1, 1024), ("llama-3.1-8b", 4, 4096), ("opt-13b", 1, 204)],
)
def test_tokens_of_a_page(model: str, tensor: int, tokens: int) -> None:
    """8 KV heads of 128 elements of two bytes are 2 KiB a token, 512 bytes on each of four GPUs;
    OPT-13B's 5,120 elements are 10 KiB."""
    changes = [f"model={model}", "policies.allocation=virtual_memory",
               f"cluster.pools.0.parallel.tensor={tensor}"]  # fmt: skip
    memory = build(load("multiturn", changes)).simulation.cluster.engines[0].memory
    assert memory.block_tokens == tokens


def test_prefixes_are_shared_by_the_page() -> None:
    """A page holds 64 tokens here."""
    machine = Machine(blocks=60, allocation=VirtualMemory())
    for at in ("0 ms", "100 ms"):
        machine.send(prompt=150, output=2, at=at, blocks=(7, 10), block_tokens=16)
    assert machine.run()["hit_hbm"] == [0, 128]


def test_blocks_that_are_given_are_the_scenarios() -> None:
    changes = ["model=llama-3.1-8b", "cluster.memory.blocks=1000", "cluster.pools.0.replicas=1",
               "policies.allocation=virtual_memory"]  # fmt: skip
    (part,) = build(load("multiturn", changes)).pools
    assert part.capacity.tokens == 3 * 4096  # of 16,000


def test_a_slot_that_another_has_is_no_room_for_a_text() -> None:
    """256 bytes less four slots of 20 are 11 blocks; with the first one's slot they are 12."""
    machine = Machine(blocks=16, allocation=StateSlots(4), state=20, caching=False)
    machine.send(prompt=10, output=50)
    machine.send(prompt=180, output=12, at="35 ms")
    assert machine.run().status == ["finished", "rejected"]


def test_slots_are_as_many_as_requests_and_their_room_is_nobody_elses() -> None:
    """160 bytes: two slots of 40, and five blocks for what grows. A request takes two blocks."""
    machine = Machine(blocks=10, allocation=StateSlots(2), state=40, caching=False)
    for _ in range(4):
        machine.send(prompt=17, output=5)
    assert machine.run().ms("admitted") == [0, 0, 50, 50]
    machine.allocation = StateSlots(3)  # 120 bytes for three slots: two blocks are left
    assert machine.run().ms("admitted") == [0, 50, 100, 150]


# What cannot be together

RESERVED = "policies.allocation=reserve_oracle"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["policies.allocation=pages"], "there is no allocation 'pages'. Did you mean 'paged'?"),
        ([RESERVED, "policies.preemption=swap"],
         "policies.allocation: reserve_oracle claims all that a request may need at once"),
        ([RESERVED, "policies.preemption=migrate"], "policies.preemption migrate goes with paged"),
        ([RESERVED, "cluster.tiers.dram.capacity=64 GiB"], "cluster.tiers would stay empty"),
        ([RESERVED, "policies.residency=flexgen"], "policies.residency divides KV"),
        ([RESERVED, "model=mamba2-2.7b"], "reserves room to grow, and mamba2-2.7b has recurrent"),
        (["policies.allocation=reserve_max", "cluster.memory.blocks=1000"],
         "reserve_max reserves 131072 tokens for each request; a replica has room for 16000, and "
         "for one piece of 8192. Lower cluster.memory.max_model_len."),
        (["policies.allocation=state_slots"], "recurrent layers, and llama-3.1-70b has none"),
        (["policies.allocation=state_slots", "model=mamba2-2.7b", "policies.preemption=swap"],
         "state_slots does not say where a state goes that is swapped"),
        (["policies.allocation={state_slots: {slots: 100000}}", "model=mamba2-2.7b"],
         "state_slots sets 100000 slots of"),
        (["policies.allocation={state_slots: {slots: 0}}"], "slots is 0; write 1 at least"),
        (["policies.allocation={block_groups: {blocks: 0}}"], "blocks is 0; write 1 at least"),
        (["policies.allocation=virtual_memory", "cluster.tiers.dram.capacity=64 GiB"],
         "a page of virtual_memory holds 4096 tokens, and cluster.tiers keep blocks of 16"),
        (["policies.allocation=virtual_memory", "model=llama-3.1-8b",
          "cluster.pools=[{parallel: {tensor: 1}}, {parallel: {tensor: 2}}]"],
         "pages of virtual_memory hold 1024 and 2048 tokens"),
    ],
)  # fmt: skip
def test_what_cannot_be_together_is_told(changes: list[str], words: str) -> None:
    said = refused(*changes)
    assert words in said
    assert "\n" not in said
