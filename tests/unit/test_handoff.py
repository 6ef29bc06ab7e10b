"""What does it take to hand a request from a prefill to a decode instance?"""

from machine import Affine, Machine

from kvsim.sim.recorder import NEVER
from kvsim.units import MS

STEP = 10 * MS


def pools(**more) -> Machine:
    return Machine(
        replicas=2, roles=("prefill", "decode"), timing=Affine(base=STEP), wire=1e6, **more
    )


def handed(outcome) -> list[tuple[float, float, float]]:
    rows = outcome.facts.handoffs
    return [
        (offered / MS, began / MS, landed / MS)
        for offered, began, landed in zip(
            rows["offered"].tolist(), rows["began"].tolist(), rows["landed"].tolist(), strict=True
        )
    ]


def test_on_an_idle_network_it_takes_bytes_by_bandwidth_and_latency() -> None:
    """100 tokens of a byte at 10^6 bytes/s take 0.1 ms; the wire's latency is 2 ms."""
    machine = pools(wire_latency=2 * MS)
    machine.send(100, 5)
    outcome = machine.run()
    assert handed(outcome) == [(10.0, 10.0, 12.1)]
    # four more tokens, a step each, from when the KV has landed
    assert outcome.ms("first_token") == [10.0]
    assert outcome.ms("finish") == [52.1]


def test_two_at_once_share_the_wire() -> None:
    """Both prompts end with the first step; 2 x 3,000 bytes over the same wire take 6 ms."""
    machine = pools()
    machine.send(3000, 5)
    machine.send(3000, 5)
    assert handed(machine.run()) == [(10.0, 10.0, 16.0), (10.0, 10.0, 16.0)]


def test_layer_by_layer_the_last_layer_is_left() -> None:
    """9 of 10 layers could go in the 10 ms of the step, at 10^6 bytes/s: 7,200 of 8,000 bytes."""
    machine = pools(push="layerwise", layers=10)
    machine.send(8000, 5)
    assert handed(machine.run()) == [(10.0, 10.0, 10.8)]


def test_a_slow_wire_is_left_with_more_than_the_last_layer() -> None:
    """20,000 bytes: 18,000 could have gone by the end of the step, 10,000 did."""
    machine = pools(push="layerwise", layers=10, blocks=2000)
    machine.send(20_000, 5)
    ((_, _, landed),) = handed(machine.run())
    # the budget of 8,192 tokens cuts the prompt into three steps; the last has 3,616 tokens
    assert 30 + 20_000 * 0.1 / 1000 <= landed <= 30 + 20_000 / 1000


def test_the_decode_side_takes_room_first() -> None:
    """13 blocks hold one sequence of 100 tokens and its answer, not two: the second one waits."""
    machine = pools(blocks=13)
    machine.send(100, 11)
    machine.send(100, 11)
    outcome = machine.run()
    first, second = handed(outcome)
    assert first == (10.0, 10.0, 10.1)
    assert second[1] >= outcome.ms("finish")[0]
    assert outcome.status == ["finished"] * 2


def test_who_serves_what_is_recorded() -> None:
    machine = pools()
    machine.send(100, 5)
    machine.send(10, 1)
    outcome = machine.run()
    assert outcome["replica_prefill"] == [0, 0]
    assert outcome["replica_decode"] == [1, 0], "one token needs no decoding"


def test_when_an_instance_dies_everybody_is_served_elsewhere() -> None:
    machine = Machine(
        replicas=3, roles=("prefill", "decode", "decode"), timing=Affine(base=STEP),
        incidents=((25 * MS, 1, "fail"), (95 * MS, 0, "fail"), (140 * MS, 0, "recover")),
    )  # fmt: skip
    for number in range(8):
        machine.send(100, 12, f"{number * 15} ms")
    outcome = machine.run()
    assert outcome.status == ["finished"] * 8
    assert set(outcome["replica_decode"]) == {2}
    landed = outcome.facts.handoffs["landed"]
    assert (landed != NEVER).sum() >= 8
    for engine in outcome.simulation.cluster.engines[1:]:
        assert engine.memory.private == 0
        assert engine.memory.tree.locked == 0


def test_what_is_there_already_decodes_at_once() -> None:
    """All 32 tokens of the second prompt came with the first one: nothing has to be sent."""
    machine = pools()
    for at in ("0 ms", "100 ms"):
        machine.send(32, 3, at, blocks=(100, 2), block_tokens=16)
    outcome = machine.run()
    assert outcome.status == ["finished", "finished"]
    assert handed(outcome)[1] == (110.0, 110.0, 110.0)
    assert outcome.ms("finish")[1] == 130.0


def test_what_is_offered_to_a_replica_that_is_down_waits_for_it_once() -> None:
    machine = pools(incidents=((0, 1, "fail"), (50 * MS, 1, "recover")))
    machine.send(100, 2)
    outcome = machine.run()
    assert handed(outcome) == [(10.0, 50.0, 50.1)]
    assert outcome.simulation.cluster.engines[1].memory.private == 0


def test_what_was_on_its_way_from_a_replica_that_fails_leaves_no_room_taken() -> None:
    """1,000 bytes take 100 ms at 10^4 bytes/s; half way the source fails, and all is done again."""
    machine = pools(incidents=((60 * MS, 0, "fail"), (110 * MS, 0, "recover")))
    machine.wire = 1e4
    machine.send(1000, 3)
    outcome = machine.run()
    assert [one[:2] for one in handed(outcome)] == [(10.0, 10.0), (120.0, 120.0)]
    assert outcome.ms("finish") == [230.1]  # with the first token, 1,001 are sent anew
    assert outcome.simulation.cluster.engines[1].memory.private == 0
