"""Has a prompt that finds no room its first token all the same, and what does it wait for then?"""

import pytest
from machine import Affine, Machine
from scenarios import refused

from kvsim.policies.admission.allowance import Allowance
from kvsim.policies.allocation.paged import Paged
from kvsim.policies.allocation.per_layer import PerLayer
from kvsim.sim.policy import Allocation
from kvsim.sim.recorder import WHY
from kvsim.units import MS


def crowded(allocation: Allocation, wire: float = 1e4, **more: object) -> Machine:
    """The first takes 8 of 10 blocks and decodes until 300 ms; the second needs 4.

    A step takes 10 ms. A byte, which is a token, takes 0.1 ms on the wire.
    """
    machine = Machine(
        blocks=10, timing=Affine(base=10 * MS), allocation=allocation, caching=False, wire=wire,
        **more,
    )  # fmt: skip
    machine.send(120, 30)
    machine.send(60, 10)
    return machine


def test_it_has_its_first_token_and_goes_on_when_there_is_room() -> None:
    """Its 64 bytes go down in 6.4 ms, beside the step that computes them, and come up in 6.4."""
    outcome = crowded(PerLayer(1000)).run()
    assert outcome.ms("first_token") == [10, 10]
    assert outcome.ms("finish") == [300, 300 + 6.4 + 9 * 10]
    moved = outcome.facts.transfers
    assert [WHY[why] for why in moved["why"]] == ["swap_out", "swap_in"]
    assert moved["bytes"].tolist() == [64, 64]
    assert [at / MS for at in moved["landed"].tolist()] == [6.4, 306.4]
    spill = outcome.simulation.cluster.engines[0].spill
    assert spill is not None
    assert (spill.swap.used, len(spill.outside)) == (0, 0)


@pytest.mark.parametrize(
    ("allocation", "wire"),
    [(Paged(), 1e4), (PerLayer(63), 1e4), (PerLayer(1000), 6e3)],
    ids=["paged", "no room in DRAM", "copying takes longer than computing"],
)
def test_otherwise_it_waits_in_the_queue(allocation: Allocation, wire: float) -> None:
    outcome = crowded(allocation, wire).run()
    assert outcome.ms("first_token") == [10, 310]
    assert outcome.ms("finish") == [300, 400]


def test_nobody_overtakes_who_is_outside() -> None:
    """A block is free for the third, and it goes out too. Both share the wire up: after 3.2 ms the
    third decodes, and the second joins it a step later."""
    machine = crowded(PerLayer(1000))
    machine.send(16, 10, at="50 ms")
    outcome = machine.run()
    assert outcome.ms("first_token") == [10, 10, 60]
    assert outcome.ms("finish")[1:] == [303.2 + 10 + 9 * 10, 303.2 + 9 * 10]


def test_one_that_needs_no_second_token_does_not_wait() -> None:
    machine = crowded(PerLayer(1000))
    machine.send(40, 1)
    outcome = machine.run()
    assert outcome.ms("finish")[2] == 10
    assert outcome.simulation.cluster.engines[0].spill.swap.used == 0  # type: ignore[union-attr]


def test_a_replica_that_fails_on_the_way_back_has_its_dram_again() -> None:
    """At 302 ms the second is on its way. It begins again, and a third needs all of the DRAM."""
    incidents = ((302 * MS, 0, "fail"), (310 * MS, 0, "recover"))
    machine = crowded(PerLayer(128), wire=2e4, incidents=incidents)
    machine.send(120, 2, at="305 ms")
    outcome = machine.run()
    assert outcome.ms("first_token")[2] == 320
    assert outcome.simulation.cluster.engines[0].spill.swap.used == 0  # type: ignore[union-attr]


def test_a_replica_that_fails_loses_who_is_outside() -> None:
    """At 60 ms one has had six tokens, the other one; both are computed again at 100."""
    machine = crowded(PerLayer(1000), incidents=((55 * MS, 0, "fail"), (100 * MS, 0, "recover")))
    outcome = machine.run()
    assert outcome.ms("finish") == [100 + 24 * 10, 340 + 6.4 + 8 * 10]
    assert outcome.simulation.cluster.engines[0].spill.swap.used == 0  # type: ignore[union-attr]


def decoding(admission: Allowance | None) -> Machine:
    """One decodes at 11 ms a token from 11 ms on; another's prompt comes at 15 and takes 70."""
    machine = Machine(timing=Affine(base=10 * MS, per_token=MS), admission=admission)
    machine.send(1, 40)
    machine.send(60, 2, at="15 ms")
    return machine


def test_a_prompt_begins_when_the_others_can_spare_the_time() -> None:
    """At 20 ms a token, each token of 11 wins 9: eight of them make 70, at 11 + 88 = 99 ms."""
    assert decoding(None).run().ms("admitted")[1] == 22
    outcome = decoding(Allowance(tpot=20 * MS)).run()
    assert outcome.ms("admitted")[1] == 99
    assert outcome.ms("first_token")[1] == 99 + 71


def test_who_has_missed_the_objective_keeps_nobody_waiting() -> None:
    assert decoding(Allowance(tpot=5 * MS)).run().ms("admitted")[1] == 22


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("cluster.tiers.dram.capacity=64 GiB", "cluster.tiers would stay empty"),
        ("policies.preemption=swap", "goes with paged"),
        ("policies.residency=neo", "divides KV too"),
        ("policies.allocation={per_layer: {capacity: 0}}", "capacity is 0; write 1 at least"),
        (
            "policies.allocation={per_layer: {capacity: 1000000000000000}}",
            "of a node's memory",
        ),
    ],
)
def test_what_it_cannot_be_together_with_is_said(change: str, sentence: str) -> None:
    assert sentence in refused("policies.allocation=per_layer", change)


def test_it_is_for_replicas_that_decode_what_they_compute() -> None:
    said = refused("policies.allocation=per_layer", name="disaggregated")
    assert "role unified" in said
