"""Are the numbers what a person would compute from what happened?"""

from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from machine import Affine, Machine, Outcome
from scenarios import document

from kvsim.policies.scheduler.chunked_prefill import ChunkedPrefill
from kvsim.scenario.load import parse
from kvsim.scenario.run import run
from kvsim.sim.metrics import Facts, distribution, summarize, ttft_parts
from kvsim.sim.objectives import Objectives, Targets
from kvsim.sim.physics import Peak, check
from kvsim.units import MS, SECOND, Ns

INSTANT = Affine(base=0, per_token=MS)
"""A step takes 1 ms for each token it computes."""

NONE = Targets()


def summary(
    outcome: Outcome,
    targets: Targets = NONE,
    start: Ns = 0,
    end: Ns | None = None,
) -> dict[str, Any]:
    return summarize(outcome.facts, Objectives([targets]), start, end, outcome.simulation.env.now)


def until(machine: Machine, horizon: Ns, targets: Targets = NONE) -> dict[str, Any]:
    """The summary of a run that is cut at `horizon`."""
    simulation = machine.build()
    simulation.run(horizon)
    facts = Facts.of(simulation.recorder)
    check(facts, simulation.recorder, [Peak(np.inf, np.inf)] * machine.replicas)
    return summarize(facts, Objectives([targets]), 0, horizon, horizon)


def two_requests() -> Machine:
    """A's prompt is done at 100 ms; B comes at 102 ms and its prompt makes one of A's tokens late.

    A: tokens at 100, 101, 102, 153, 154 ms. B: its only token at 153 ms.
    """
    machine = Machine(timing=INSTANT)
    machine.send(prompt=100, output=5)
    machine.send(prompt=50, output=1, at="102 ms")
    return machine


# Latencies


def test_times_of_two_requests_by_hand():
    found = summary(two_requests().run())
    assert found["ttft_s"]["mean"] == pytest.approx((0.100 + 0.051) / 2)
    assert found["ttft_s"]["max"] == pytest.approx(0.100)
    assert found["e2e_s"]["mean"] == pytest.approx((0.154 + 0.051) / 2)
    assert found["tpot_s"]["mean"] == pytest.approx(0.054 / 4)  # B has no time per output token
    assert found["itl_s"]["mean"] == pytest.approx((1 + 1 + 51 + 1) / 4 / 1000)
    assert found["itl_s"]["p50"] == pytest.approx(0.001)
    assert found["itl_s"]["p90"] == found["itl_s"]["max"] == pytest.approx(0.051)
    assert found["queue_s"]["max"] == 0
    assert found["duration_s"] == pytest.approx(0.154)


def test_throughput_counts_what_was_finished():
    found = summary(two_requests().run())["throughput"]
    assert found["requests_per_s"] == pytest.approx(2 / 0.154)
    assert found["input_tokens_per_s"] == pytest.approx(150 / 0.154)
    assert found["output_tokens_per_s"] == pytest.approx(6 / 0.154)


def test_one_token_has_no_tpot_and_meets_every_target():
    machine = Machine()
    machine.send(prompt=10, output=1)
    found = summary(machine.run(), Targets(tpot=1))
    assert found["tpot_s"] == dict.fromkeys(("mean", "p50", "p90", "p95", "p99", "max"))
    assert found["itl_s"]["mean"] is None
    assert found["slo"]["tpot_attainment"] == 1


def test_tool_calls_are_not_counted_into_the_time_per_token():
    from kvsim.traces.request import Pause

    machine = Machine(timing=INSTANT)
    machine.send(prompt=32, output=10, pauses=(Pause(after=4, duration=SECOND, returned=20),))
    # 32 ms prompt, 3 decodes, a pause, 24 ms for what is new, 5 decodes; 9 times between tokens
    found = summary(machine.run(), Targets(tpot=4 * MS))
    assert found["tpot_s"]["mean"] == pytest.approx((3 + 24 + 5) / 9 / 1000)
    assert found["slo"]["tpot_attainment"] == 1
    assert found["e2e_s"]["mean"] == pytest.approx(1.064)


def test_a_preemption_is_one_long_time_between_two_tokens():
    machine = Machine(blocks=8, caching=False)
    machine.send(prompt=48, output=50)
    machine.send(prompt=48, output=50)
    # Both take a token every 10 ms; at 170 ms the second one loses its memory, at 500 ms the first
    # is finished, at 510 ms the second has its 17 tokens recomputed and takes the next.
    found = summary(machine.run())
    gaps = [10] * 49 + [10] * 16 + [340] + [10] * 32
    assert found["itl_s"]["mean"] == pytest.approx(sum(gaps) / len(gaps) / 1000)
    assert found["itl_s"]["p95"] == pytest.approx(0.010)
    assert found["itl_s"]["p99"] == found["itl_s"]["max"] == pytest.approx(0.340)  # one of 98
    assert found["preemptions"] == 1
    assert found["preemption_causes"] == {"decode": 1}
    assert found["recomputed_tokens"] == 64


# Parts of TTFT


def test_the_parts_of_ttft_by_hand():
    machine = Machine(timing=INSTANT, scheduler=ChunkedPrefill(sequences=1))
    machine.send(prompt=100, output=11)
    machine.send(prompt=50, output=1, at="60 ms")  # waits from 60 to 110 ms, then 50 ms of prefill
    outcome = machine.run()
    parts = ttft_parts(outcome.facts.requests)
    assert [part.tolist() for part in parts.values()] == [
        [0, 50 * MS], [0, 0], [100 * MS, 50 * MS], [0, 0], [0, 0]]  # fmt: skip
    found = summary(outcome)["ttft_breakdown_s"]
    assert found == pytest.approx(
        {"queue": 0.025, "load": 0, "prefill": 0.075, "transfer": 0, "other": 0}
    )


def test_time_lost_to_a_preemption_before_the_first_token_is_other():
    machine = Machine(blocks=6, caching=False, scheduler=ChunkedPrefill(tokens=32))
    machine.send(prompt=48, output=10)
    machine.send(prompt=64, output=2)
    outcome = machine.run()
    parts = {name: column.tolist() for name, column in ttft_parts(outcome.facts.requests).items()}
    # 10 ms a step. 1: A 32. 2: A 16, B 16, A's first token. 3: A holds 4 blocks of 6, B wants 31
    # more, 2 blocks beside its 1: it must go. It comes back at step 4 with 31 tokens, 2 blocks,
    # goes at 5, and so on: B runs at every other step, until A ends with step 11. At step 11 B is
    # out, and from step 12 on it has 32, then 32 tokens computed: first token at 130 ms.
    assert outcome.ms("finish") == [110, 140]
    assert outcome.ms("first_token") == [20, 130]
    assert outcome["preemptions"] == [0, 5]
    assert summary(outcome)["preemption_causes"] == {"prompt": 5}
    assert parts["queue"] == [0, 10 * MS]
    assert parts["other"] == [0, 5 * 10 * MS]
    assert parts["prefill"] == [20 * MS, (130 - 10 - 50) * MS]


# Service levels


def test_rejected_and_late_requests_are_misses():
    machine = Machine(scheduler=ChunkedPrefill(sequences=1), max_context=1000)
    machine.send(prompt=10, output=50)  # first token at 10 ms, runs until 500 ms
    machine.send(prompt=10, output=50)  # waits from the beginning
    machine.send(prompt=2000, output=1)  # too long
    machine.send(prompt=10, output=50, at="250 ms")  # waits since 250 ms: not late yet
    found = until(machine, 300 * MS, Targets(ttft=100 * MS, tpot=10 * MS))
    assert found["requests"] == {"arrived": 4, "finished": 0, "rejected": 1}
    slo = found["slo"]
    assert slo["ttft_attainment"] == 2 / 4
    assert slo["tpot_attainment"] == 3 / 4  # the rejected one misses this, too
    assert slo["attainment"] == 2 / 4
    assert slo["goodput_rps"] == 0  # nobody is finished


def test_a_request_still_running_is_judged_by_the_tokens_it_has():
    machine = Machine()  # 10 ms a token
    machine.send(prompt=10, output=1000)
    machine.send(prompt=10, output=1, at="200 ms")  # makes the first one heard of at 210 ms
    for tpot, met in ((10 * MS, 1.0), (10 * MS - 1, 0.5)):
        assert until(machine, 215 * MS, Targets(tpot=tpot))["slo"]["tpot_attainment"] == met


def test_who_has_not_been_heard_of_since_is_not_called_slow():
    machine = Machine(replicas=2)
    machine.send(prompt=10, output=1000)  # the first replica is heard of at 10 ms and not again
    machine.send(prompt=10, output=20)  # the second until 200 ms
    assert until(machine, 500 * MS, Targets(tpot=10 * MS))["slo"]["tpot_attainment"] == 1


def test_goodput_is_per_second_of_the_measured_time():
    machine = Machine()
    for at in (50, 150, 250, 350):
        machine.send(prompt=10, output=2, at=f"{at} ms")  # TTFT 10 ms, finished after 20 ms
    outcome = machine.run()
    targets = Targets(ttft=10 * MS, tpot=10 * MS)
    whole = summary(outcome, targets)
    assert whole["duration_s"] == pytest.approx(0.370 - 0.050)  # first arrival to last finish
    assert whole["slo"]["goodput_rps"] == pytest.approx(4 / 0.320)
    later = summary(outcome, targets, start=100 * MS)
    assert later["duration_s"] == pytest.approx(0.370 - 0.100)
    assert later["slo"]["goodput_rps"] == pytest.approx(3 / 0.270)
    inside = summary(outcome, targets, start=100 * MS, end=300 * MS)
    assert inside["duration_s"] == pytest.approx(0.200)
    assert inside["slo"]["goodput_rps"] == pytest.approx(2 / 0.200)
    early = summary(outcome, targets, end=200 * MS)
    assert early["duration_s"] == pytest.approx(0.200)  # `from` is 0 s, not the first arrival
    assert early["slo"]["goodput_rps"] == pytest.approx(2 / 0.200)
    assert summary(outcome, Targets(ttft=9 * MS))["slo"]["goodput_rps"] == 0


def test_a_target_that_is_just_met_is_met():
    machine = Machine()
    machine.send(prompt=10, output=3)
    outcome = machine.run()
    met = summary(outcome, Targets(ttft=10 * MS, tpot=10 * MS))["slo"]
    assert (met["attainment"], met["ttft_attainment"], met["tpot_attainment"]) == (1, 1, 1)
    missed = summary(outcome, Targets(ttft=10 * MS - 1, tpot=10 * MS - 1))["slo"]
    assert (missed["attainment"], missed["ttft_attainment"], missed["tpot_attainment"]) == (0, 0, 0)


def test_each_class_has_targets_of_its_own():
    machine = Machine()  # TTFT 10 ms, 10 ms a token
    for kind in ("chat", "code", "", "chat"):
        machine.send(prompt=10, output=3, kind=kind)
    facts = machine.run().facts
    tight, loose = Targets(ttft=9 * MS, kind="chat"), Targets(tpot=9 * MS)

    def met(*targets: Targets) -> tuple[float, float]:
        slo = summarize(facts, Objectives(targets), 0, None, SECOND)["slo"]
        return slo["ttft_attainment"], slo["tpot_attainment"]

    assert met() == (1, 1)
    assert met(tight) == (2 / 4, 1)  # of those without a class nothing is asked
    assert met(loose) == (1, 0)
    assert met(tight, loose) == met(loose, tight) == (2 / 4, 2 / 4)  # the named one goes first


# The measured time


def test_only_steps_that_end_in_the_measured_time_count():
    machine = Machine()  # 10 ms a step
    machine.send(prompt=100, output=100)
    facts = machine.run().facts.within(205 * MS, 505 * MS)
    assert facts.spans["steps"].tolist() == [30]  # at 210, 220, ... 500 ms
    assert facts.spans["start"].tolist() == [200 * MS]
    assert facts.spans["end"].tolist() == [500 * MS]
    assert len(facts.status) == 0


@given(st.integers(0, 1200), st.integers(1, 1200))
def test_cutting_in_two_loses_no_step_and_makes_none(cut, growth):
    machine = Machine(timing=Affine(base=10 * MS, per_context=growth * 10))
    machine.send(prompt=100, output=60)
    machine.send(prompt=100, output=20, at="300 ms")
    facts = machine.run().facts
    halves = facts.within(0, cut * MS), facts.within(cut * MS, None)
    for name in ("steps", "flops", "bytes"):
        whole = int(facts.spans[name].sum())
        assert sum(int(half.spans[name].sum()) for half in halves) == whole
    assert sum(len(half.status) for half in halves) == len(facts.status)
    assert all((half.spans["steps"] > 0).all() for half in halves)
    assert (halves[0].spans["end"] <= cut * MS).all()


def test_a_replica_is_never_busier_than_all_the_time():
    loop = {"concurrency": 1, "input_tokens": 10, "output_tokens": 1000, "requests": 2}
    shape = document(workload={"closed_loop": loop})
    whole = run(parse(shape, "x")).summary
    middle = whole["duration_s"] / 4  # in the first answer, which is one span
    found = run(parse({**shape, "measure": {"from": f"{middle} s"}}, "x")).summary
    assert found["requests"]["arrived"] == 1
    assert whole["gpu"]["busy_fraction"] == pytest.approx(1, abs=0.01)
    assert found["gpu"]["busy_fraction"] == pytest.approx(1, abs=0.01)
    assert found["gpu"]["busy_fraction"] <= 1
    assert found["gpu"]["mbu"] == pytest.approx(whole["gpu"]["mbu"], rel=0.01)


# Quantiles


@given(st.lists(st.integers(0, 50), min_size=1, max_size=300))
def test_a_quantile_is_the_least_value_with_that_share_at_or_below(values):
    found = distribution(np.array(values, dtype=float))
    values.sort()
    for name, percent in (("p50", 50), ("p90", 90), ("p95", 95), ("p99", 99)):
        assert found[name] == values[ceil(Fraction(percent, 100) * len(values)) - 1]
    assert found["max"] == values[-1]
    assert found["mean"] == pytest.approx(sum(values) / len(values))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5)), min_size=1, max_size=40))
def test_a_weight_is_so_many_of_the_same(pairs):
    values, weights = zip(*pairs, strict=True)
    weighted = distribution(np.array(values, dtype=float), np.array(weights, dtype=float))
    assert weighted == pytest.approx(distribution(np.repeat(values, weights).astype(float)))


def test_the_distribution_of_nothing_is_null():
    assert set(distribution(np.array([])).values()) == {None}


def test_a_run_without_requests_has_no_numbers():
    found = summary(Machine().run(), Targets(ttft=1))
    assert found["requests"] == {"arrived": 0, "finished": 0, "rejected": 0}
    assert found["duration_s"] == 0
    assert found["slo"]["attainment"] is None
    assert found["slo"]["goodput_rps"] is None
    assert found["ttft_breakdown_s"]["queue"] is None
