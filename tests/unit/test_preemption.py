"""What becomes of a request that has to leave: is its KV computed again, swapped, or migrated?"""

import pytest
from machine import Affine, Machine

from kvsim.errors import InputError
from kvsim.policies.allocation.block_groups import BlockGroups
from kvsim.policies.allocation.paged import Paged
from kvsim.policies.preemption.migrate import Migrate
from kvsim.policies.preemption.recompute import Recompute
from kvsim.policies.preemption.swap import Swap
from kvsim.policies.scheduler.fastserve import FastServe
from kvsim.scenario import load
from kvsim.scenario.build import build
from kvsim.sim.policy import Allocation, Preemption
from kvsim.sim.recorder import WHY
from kvsim.units import MS


def crowded(preemption: Preemption, **more) -> Machine:
    """Two requests of 60 tokens and answers of 60, in 10 blocks: both fit up to 80 tokens each.

    A prompt gives a token after 10 ms, then one comes every 10 ms; after the step that ends at
    210 ms each has stored 80 tokens, and needs a sixth block. A byte takes 0.1 ms on every wire.
    """
    machine = Machine(
        blocks=10, timing=Affine(base=10 * MS), preemption=preemption, caching=False, wire=1e4,
        **more,
    )  # fmt: skip
    machine.send(60, 60)
    machine.send(60, 60)
    return machine


def test_what_is_recomputed_takes_a_step_when_there_is_room() -> None:
    """The first ends at 600 ms; the step to 610 ms computes 80 + 1 tokens and gives the 22nd."""
    outcome = crowded(Recompute()).run()
    assert outcome["preemptions"] == [0, 1]
    assert outcome["recomputed"] == [0, 80]
    assert outcome.ms("finish") == [600.0, 600.0 + 10 + 38 * 10]


def test_what_is_swapped_goes_over_the_wire_and_comes_back() -> None:
    """80 bytes take 8 ms each way. All wait for the first 8 ms; 39 tokens are left at 616 ms."""
    outcome = crowded(Swap()).run()
    assert outcome["recomputed"] == [0, 0]
    assert outcome.ms("finish") == [608.0, 608.0 + 8 + 39 * 10]
    moved = outcome.facts.transfers
    assert [WHY[why] for why in moved["why"]] == ["swap_out", "swap_in"]
    assert moved["bytes"].tolist() == [80, 80]
    assert [at / MS for at in moved["landed"].tolist()] == [218.0, 616.0]
    links = outcome.simulation.cluster.engines[0].refuge.fabric.links  # type: ignore[union-attr]
    assert {link.bytes for link in links.values()} == {80}


@pytest.mark.parametrize(("space", "moved"), [(79, 0), (80, 2)])
def test_where_the_host_has_no_room_it_is_recomputed(space: int, moved: int) -> None:
    outcome = crowded(Swap(space=space)).run()
    assert len(outcome.facts.transfers["why"]) == moved
    assert outcome["recomputed"] == [0, 0 if moved else 80]


@pytest.mark.parametrize(("allocation", "copies"), [(Paged(), 5), (BlockGroups(5), 1)])
def test_each_copy_takes_its_time(allocation: Allocation, copies: int) -> None:
    """80 tokens are five blocks, or one group, and 8 ms of the wire; a copy takes 1 ms on top."""
    outcome = crowded(Swap(copy=MS), allocation=allocation).run()
    once = 8 + copies
    assert outcome.facts.transfers["bytes"].tolist() == [80, 80]
    assert outcome.ms("finish") == pytest.approx([600 + once, 600 + 2 * once + 39 * 10])


def test_what_hbm_still_has_is_not_brought_back() -> None:
    """80 of 80 tokens are in full blocks that are cached, until the first takes blocks 6, 7, 8."""
    machine = crowded(Swap())
    machine.caching = True
    outcome = machine.run()
    assert outcome.facts.transfers["bytes"].tolist() == [80, 3 * 16]


def test_what_migrates_goes_on_elsewhere() -> None:
    """Asking takes a nanosecond where wires have no latency; 80 bytes take 8 ms."""
    machine = crowded(Migrate(), replicas=2)
    machine.requests.insert(1, machine.requests.pop()._replace(id=2))
    machine.send(10, 1)
    machine.requests[-1] = machine.requests[-1]._replace(id=1)
    outcome = machine.run()
    assert outcome["replica_decode"] == [0, 1, 1]
    assert outcome["replica_prefill"] == [0, 1, 0]
    # the first waits from 210 ms on until the other has gone, and then both have 39 to take
    assert outcome.ms("finish") == [218.000001 + 39 * 10, 10.0, 218.000001 + 39 * 10]
    assert outcome.facts.handoffs["bytes"].tolist() == [80]


def test_where_no_replica_has_room_it_is_recomputed() -> None:
    machine = crowded(Migrate(), replicas=2)
    machine.send(60, 60)
    machine.send(60, 60)
    outcome = machine.run()
    assert outcome["preemptions"] == [0, 0, 1, 1]
    assert outcome["recomputed"] == [0, 0, 80, 80]
    assert not len(outcome.facts.handoffs["bytes"])


@pytest.mark.parametrize(
    ("by", "left"),
    [("arrival", 2), ("priority", 1), ("cost", 0)],
)
def test_who_leaves_is_chosen(by: str, left: int) -> None:
    """Prompts of 40, 60 and 60 in 10 blocks: at the 6th token of the answers, nobody has a block.

    3 + 4 + 4 blocks of 16 would be 11: the prompts are 30, 60 and 60, and 2 + 4 + 4 blocks.
    """
    machine = Machine(blocks=10, preemption=Recompute(by), caching=False)  # type: ignore[arg-type]
    for prompt, priority in ((30, 1), (60, 0), (60, 1)):
        machine.send(prompt, 10, priority=priority)
    preemptions = machine.run()["preemptions"]
    assert preemptions[left] > 0
    assert sum(preemptions) == preemptions[left]


def test_a_scheduler_that_switches_swaps_too() -> None:
    """The long answer has sunk when the short one comes; it gets its memory, and gives it back."""
    machine = Machine(
        blocks=10, scheduler=FastServe(quantum=4, sequences=1), preemption=Swap(), caching=False,
        wire=1e4,
    )  # fmt: skip
    machine.send(100, 40)
    machine.send(60, 3, "95 ms")
    outcome = machine.run()
    assert outcome["preemptions"] == [1, 0]
    assert outcome["recomputed"] == [0, 0]
    # 10 tokens taken at 100 ms, 109 stored in 7 blocks: 11.2 ms out, three steps, and back
    assert outcome.ms("finish") == [100 + 11.2 + 30 + 11.2 + 30 * 10, 100 + 11.2 + 30]


def test_the_hosts_memory_must_be_large_enough() -> None:
    scenario = load("multiturn", ("policies.preemption={swap: {space: 1 TiB}}",))
    with pytest.raises(InputError, match=r"policies.preemption: swap needs .* dgx-h100 has"):
        build(scenario)


def test_a_replica_that_fails_loses_what_it_has_swapped() -> None:
    """Half way out, at rest, and half way back: everybody is served by the other replica."""
    for at in (214, 400, 612):
        machine = crowded(Swap(), replicas=2, incidents=((at * MS, 0, "fail"),))
        machine.requests[1] = machine.requests[1]._replace(id=2)
        machine.send(10, 1)
        machine.requests[-1] = machine.requests[-1]._replace(id=1)
        outcome = machine.run()
        assert outcome.status == ["finished"] * 3
        assert outcome["replica_decode"] == ([0, 1, 1] if at > 608 else [1, 1, 1])
