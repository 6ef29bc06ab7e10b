"""Is KV space claimed as each allocation says, and does a wrong combination say why?"""

import pytest
from machine import Machine
from scenarios import document, refused

from kvsim.policies.allocation.paged import Paged
from kvsim.policies.allocation.reserve_max import ReserveMax
from kvsim.policies.allocation.reserve_oracle import ReserveOracle
from kvsim.policies.allocation.reserve_pow2 import ReservePow2
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
    ],
)  # fmt: skip
def test_what_cannot_be_together_is_told(changes: list[str], words: str) -> None:
    said = refused(*changes)
    assert words in said
    assert "\n" not in said
