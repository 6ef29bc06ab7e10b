"""Does one replica do what vLLM would, at the instants it would?"""

import pytest
from machine import Affine, Machine

from kvsim.policies.router.least_loaded import LeastLoaded
from kvsim.policies.scheduler.chunked_prefill import ChunkedPrefill
from kvsim.traces.request import Pause, Request
from kvsim.units import MS, Ns


def test_a_lone_request_takes_one_step_for_its_prompt_and_one_for_each_further_token():
    machine = Machine()  # a step takes 10 ms
    machine.send(prompt=100, output=50)
    outcome = machine.run()
    assert outcome.ms("first_token") == [10]
    assert outcome.ms("finish") == [10 + 49 * 10]
    assert outcome.boundaries == [10, 500]  # the decode is one span


def test_an_arrival_cuts_the_span_at_the_next_boundary():
    machine = Machine()
    machine.send(prompt=100, output=50)
    machine.send(prompt=10, output=1, at="25 ms")
    outcome = machine.run()
    assert outcome.ms("admitted") == [0, 30]
    assert outcome.ms("first_token") == [10, 40]
    assert outcome.ms("finish") == [500, 40]
    assert outcome.boundaries == [10, 30, 40, 500]


def test_an_arrival_on_a_boundary_is_planned_there():
    machine = Machine()
    machine.send(prompt=100, output=50)
    machine.send(prompt=10, output=1, at="30 ms")
    assert machine.run().ms("admitted") == [0, 30]


def test_steps_grow_with_the_context_that_is_read():
    machine = Machine(timing=Affine(base=0, per_token=1000, per_context=10))
    machine.send(prompt=100, output=4)
    outcome = machine.run()
    prefill = 100 * 1000
    decode = sum(1000 + 10 * (100 + taken) for taken in (1, 2, 3))  # its own token is read too
    assert outcome["first_token"] == [prefill]
    assert outcome["finish"] == [prefill + decode]


def test_a_long_prompt_is_computed_in_chunks_of_the_budget():
    machine = Machine(blocks=2000, scheduler=ChunkedPrefill(tokens=8192))
    machine.send(prompt=20_000, output=1)
    outcome = machine.run()
    assert outcome.boundaries == [10, 20, 30]  # 8192 + 8192 + 3616
    assert outcome.ms("finish") == [30]


def test_decodes_come_first_in_the_budget():
    machine = Machine(scheduler=ChunkedPrefill(tokens=64))
    machine.send(prompt=64, output=100)
    machine.send(prompt=127, output=1, at="5 ms")  # 63 + 63 + 1 beside one decode each step
    assert machine.run().ms("first_token") == [10, 40]


def test_no_more_sequences_run_than_allowed():
    machine = Machine(scheduler=ChunkedPrefill(sequences=2))
    for _ in range(3):
        machine.send(prompt=10, output=5)
    assert machine.run().ms("admitted") == [0, 0, 50]


def test_a_prefix_hit_is_whole_blocks_and_leaves_one_token_to_compute():
    machine = Machine()
    for at in ("0 s", "1 s"):
        machine.send(prompt=48, output=2, at=at, blocks=(7, 3), block_tokens=16)
    assert machine.run()["hit_hbm"] == [0, 32]  # not 48: the last token is computed anew


def test_requests_of_one_step_share_what_is_being_computed_in_it():
    machine = Machine()
    for _ in range(2):
        machine.send(prompt=100, output=2, blocks=(7, 7), block_tokens=16)
    assert machine.run()["hit_hbm"] == [0, 96]


def test_generated_tokens_are_found_by_the_next_turn():
    def follow(request: Request, finished: int) -> Request | None:
        return (
            request._replace(id=1, arrival=finished + MS, prompt_tokens=200, blocks=(7, 13), turn=1)
            if request.id == 0
            else None
        )

    machine = Machine(follow=follow)
    machine.send(prompt=100, output=60, blocks=(7, 10), block_tokens=16)
    # 100 + 59 tokens are stored (the last is never read back): 9 full blocks
    assert machine.run()["hit_hbm"] == [0, 144]


def test_least_recently_released_blocks_leave_first_and_tail_first():
    machine = Machine(blocks=12)
    machine.send(prompt=81, output=1, at="0 s", blocks=(0, 6), block_tokens=16)  # 5 blocks stay
    machine.send(prompt=81, output=1, at="1 s", blocks=(10, 6), block_tokens=16)  # 5 blocks stay
    machine.send(prompt=65, output=1, at="2 s", blocks=(20, 5), block_tokens=16)  # 5: 3 must go
    machine.send(prompt=81, output=1, at="3 s", blocks=(0, 6), block_tokens=16)
    # It found 2 blocks and took 4; with 2 + 5 + 4 there, 3 of the second one's had to go.
    machine.send(prompt=81, output=1, at="4 s", blocks=(10, 6), block_tokens=16)
    assert machine.run()["hit_hbm"][3:] == [32, 32]


def test_when_memory_runs_out_the_last_to_come_is_recomputed():
    machine = Machine(blocks=8, caching=False)
    machine.send(prompt=48, output=50)  # 3 blocks, grows to 7
    machine.send(prompt=48, output=50)
    outcome = machine.run()
    assert outcome["preemptions"] == [0, 1]
    assert outcome.status == ["finished", "finished"]
    # Both hold 4 blocks from token 49 to 64; the 17th decode step wants a block each. 16 decode
    # steps are done at 170 ms; the first one finishes at 500 ms, then the second is recomputed.
    assert outcome.ms("finish") == [500, 500 + 10 + 32 * 10]
    assert outcome["recomputed"] == [0, 64]


def test_a_request_that_can_never_fit_is_rejected_with_its_reason():
    machine = Machine(blocks=4, max_context=1000)
    machine.send(prompt=100, output=10)
    machine.send(prompt=1000, output=1)
    machine.send(prompt=10, output=10)
    outcome = machine.run()
    assert outcome.status == ["rejected", "rejected", "finished"]
    assert list(outcome.simulation.recorder.reasons.values()) == [
        "its KV of 112 bytes is more than the replica's 64",
        "1001 tokens are more than max_model_len 1000",
    ]


def test_a_tool_call_stops_generation_and_its_answer_is_read():
    machine = Machine(timing=Affine(base=0, per_token=MS))
    machine.send(prompt=32, output=10, pauses=(Pause(after=4, duration=1000 * MS, returned=20),))
    outcome = machine.run()
    # 32 ms prefill, 3 decodes; pause; 35 tokens are stored, 32 of them found again; 24 to compute
    # (3 tail + the fourth token + 20 returned), which gives the fifth token; then 5 decodes.
    assert outcome.ms("finish") == [32 + 3 + 1000 + 24 + 5]
    assert outcome.ms("paused") == [1000]


def test_round_robin_and_least_loaded_share_the_work():
    for router in (None, LeastLoaded()):
        machine = Machine(replicas=2, **({"router": router} if router else {}))
        for _ in range(4):
            machine.send(prompt=10, output=5)
        assert machine.run()["replica_prefill"] == [0, 1, 0, 1]


def test_two_simulations_in_one_process_do_not_notice_each_other():
    machines = [Machine(timing=Affine(base=base)) for base in (10 * MS, 7 * MS)]
    for machine in machines:
        for index in range(5):
            machine.send(prompt=50, output=20, at=f"{index * 3} ms")
    alone = [machine.run()["finish"] for machine in machines]
    left, right = (machine.build() for machine in machines)
    while left.env.peek() != float("inf") or right.env.peek() != float("inf"):
        for simulation in (left, right):
            if simulation.env.peek() != float("inf"):
                simulation.env.step()
    together = [
        [int(row[11]) for row in _rows(simulation.recorder.requests)]
        for simulation in (left, right)
    ]
    assert [sorted(finish) for finish in together] == [sorted(finish) for finish in alone]


def _rows(flat):
    from kvsim.sim.recorder import REQUEST_COLUMNS

    width = len(REQUEST_COLUMNS)
    return [flat[start : start + width] for start in range(0, len(flat), width)]


@pytest.mark.parametrize("cut", ["37 ms", "100 ms"])
def test_what_is_unfinished_at_the_horizon_is_booked(cut):
    from kvsim.units import duration

    machine = Machine(scheduler=ChunkedPrefill(sequences=1))
    machine.send(prompt=10, output=50)
    machine.send(prompt=10, output=50)
    simulation = machine.build()
    simulation.run(horizon=duration(cut))
    assert sorted(simulation.recorder.statuses) == ["running", "waiting"]


def test_a_turn_that_comes_before_one_already_awaited_is_not_late() -> None:
    """Both requests are over before their next turns come: the later one is known first."""
    machine = Machine(blocks=100)
    machine.send(16, 1, "0 ms")
    machine.send(16, 2, "0 ms")
    think = {0: 500 * MS, 1: 100 * MS}

    def follow(request: Request, finished: Ns) -> Request | None:
        if request.turn:
            return None
        at = finished + think[request.id]
        return request._replace(id=request.id + 2, turn=1, arrival=at)

    machine.follow = follow
    outcome = machine.run()
    assert outcome.ms("arrival") == [0, 0, 510, 120]
    assert outcome.ms("admitted") == [0, 0, 510, 120]
