"""Does the timeline add up to what happened?"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from machine import Affine, Machine, Outcome

from kvsim.policies.scheduler.chunked_prefill import ChunkedPrefill
from kvsim.sim.timeline import INTERVALS, timeline
from kvsim.units import MS

Columns = dict[str, "np.ndarray[tuple[int], np.dtype[np.float64]]"]


def drawn(outcome: Outcome) -> Columns:
    """The timeline of a whole run."""
    engines = outcome.simulation.cluster.engines
    return timeline(outcome.facts, int(outcome.facts.spans["end"].max()), len(engines))


def integral(columns: Columns, name: str) -> float:
    """A time average, summed up again: in its unit x ms."""
    return float((columns[name] * columns["width"]).sum()) / MS


@st.composite
def loads(draw: st.DrawFn) -> Machine:
    """A machine with queues, idle time, shared prefixes and too little memory, without tools."""
    machine = Machine(
        blocks=draw(st.sampled_from([45, 80, 1000])),
        replicas=draw(st.integers(1, 3)),
        timing=Affine(base=3 * MS, per_token=draw(st.integers(0, 9)) * 1000),
        scheduler=ChunkedPrefill(
            tokens=draw(st.sampled_from([64, 8192])), sequences=draw(st.integers(1, 4))
        ),
    )
    for _ in range(draw(st.integers(1, 20))):
        prompt = draw(st.integers(1, 300))
        machine.send(
            prompt, draw(st.integers(1, 60)), f"{draw(st.integers(0, 600))} ms",
            blocks=(draw(st.integers(0, 2)) * 100, -(-prompt // 16)), block_tokens=16,
        )  # fmt: skip
    return machine


# By hand


def test_one_request_in_the_middle_of_nothing():
    machine = Machine()  # 10 ms a step
    machine.send(prompt=100, output=10, at="300 ms")  # busy from 300 to 400 ms
    columns = drawn(machine.run())
    assert all(len(column) == INTERVALS for column in columns.values())
    assert columns["at"][-1] == 400 * MS
    assert columns["width"] == pytest.approx(400 * MS / INTERVALS)
    before, since = columns["at"] <= 300 * MS, columns["at"] > 300 * MS
    assert not columns["busy"][before].any()
    assert columns["busy"][since] == pytest.approx(1)
    assert columns["running"][since] == pytest.approx(1)
    assert columns["decodes"][columns["at"] > 310 * MS] == pytest.approx(1)
    assert not columns["waiting"].any()
    assert columns["prefill_tokens"].sum() == pytest.approx(100)
    assert columns["decode_tokens"].sum() == pytest.approx(9)
    assert np.flatnonzero(columns["arrived"]).tolist() == [300]  # [300, 301) ms
    assert columns["finished"][-1] == 1


def test_busy_is_the_share_of_replicas():
    machine = Machine(replicas=2)
    machine.send(prompt=10, output=10)  # 100 ms on one
    machine.send(prompt=10, output=40)  # 400 ms on the other
    columns = drawn(machine.run())
    first = columns["at"] <= 100 * MS
    assert columns["busy"][first] == pytest.approx(1)
    assert columns["busy"][~first] == pytest.approx(0.5)


def test_who_comes_during_a_long_span_waits_from_then_on_only():
    machine = Machine(scheduler=ChunkedPrefill(sequences=1))
    machine.send(prompt=10, output=40)  # until 400 ms
    machine.send(prompt=10, output=1, at="250 ms")  # waits until then
    columns = drawn(machine.run())
    assert not columns["waiting"][columns["at"] <= 249 * MS].any()
    assert integral(columns, "waiting") == pytest.approx(150)


def test_memory_is_held_by_requests_and_then_by_the_cache():
    machine = Machine(blocks=100)
    machine.send(prompt=160, output=1, blocks=(0, 10), block_tokens=16)  # 10 blocks, 10 ms
    machine.send(prompt=10, output=1, at="100 ms")
    columns = drawn(machine.run())
    first, between = columns["at"] <= 10 * MS, (columns["at"] > 11 * MS) & (columns["at"] < 99 * MS)
    assert columns["kv_leased"][first] == pytest.approx(160)  # a byte a token
    assert columns["kv_leased"][between] == pytest.approx(0)


def test_a_run_in_which_nothing_happens_is_flat():
    columns = timeline(Machine().run().facts, 0, 1)
    assert {name for name, column in columns.items() if column.any()} == {"at", "width"}


# Laws


@given(loads())
def test_counts_add_up_to_the_totals(machine):
    outcome = machine.run()
    columns, facts = drawn(outcome), outcome.facts
    spans, done = facts.spans, facts.status == "finished"
    assert columns["arrived"].sum() == len(facts.status)
    assert columns["finished"].sum() == done.sum()
    decoded = int((spans["decodes"] * spans["steps"]).sum())
    assert columns["decode_tokens"].sum() == pytest.approx(decoded)
    assert columns["prefill_tokens"].sum() == pytest.approx(int(spans["chunk_tokens"].sum()))
    assert columns["prompt_tokens"].sum() == facts.requests["prompt_tokens"][done].sum()
    assert columns["hit_hbm"].sum() == facts.requests["hit_hbm"].sum()
    busy = int((spans["end"] - spans["start"]).sum())
    assert integral(columns, "busy") == pytest.approx(busy / machine.replicas / MS)


@given(loads())
def test_nothing_is_negative_and_nobody_is_busier_than_always(machine):
    columns = drawn(machine.run())
    for name, column in columns.items():
        assert (column > -1e-6).all(), name
    assert (columns["busy"] < 1 + 1e-9).all()


@given(loads())
def test_littles_law(machine):
    """Requests in the system, averaged over time, are their rate times the mean time they stay."""
    outcome = machine.run()
    done = outcome.facts.status == "finished"
    requests = {name: column[done] for name, column in outcome.facts.requests.items()}
    if not done.any():
        return
    columns = drawn(outcome)
    duration = float(outcome.facts.spans["end"].max())
    rate = done.sum() / duration
    stay = float((requests["finish"] - requests["arrival"]).mean())
    inside = float((columns["running"] + columns["waiting"]).mean())
    assert inside == pytest.approx(rate * stay)


@given(loads())
def test_littles_law_for_those_that_run_where_nobody_is_preempted(machine):
    machine.blocks = 2000
    outcome = machine.run()
    requests = outcome.facts.requests
    running = int((requests["finish"] - requests["admitted"]).sum()) / MS
    waiting = int((requests["admitted"] - requests["arrival"]).sum()) / MS
    columns = drawn(outcome)
    assert integral(columns, "running") == pytest.approx(running)
    assert integral(columns, "waiting") == pytest.approx(waiting, abs=1e-6)
