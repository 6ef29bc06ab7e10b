"""Does every router, scheduler and preemption keep its promises?

Nothing to add for a new one: the registries are asked which there are. The promises themselves are
checked at every question, in `watched`.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from watched import NAMED, Log, Watch, decisions, load, watch

from kvsim.policies import answers, questions
from kvsim.sim.policy import Range, ReplicaView, RestoreView, Router, SequenceView, Stored
from kvsim.units import Ns

TESTS = Path(__file__).resolve().parents[1]
SEEDS = range(2)
REAL = [(question, name) for question in questions() for name in answers(question).names()]
every = pytest.mark.parametrize(("question", "name"), NAMED)


@every
@pytest.mark.parametrize("seed", SEEDS)
def test_it_serves_everyone_and_changes_nothing_itself(question, name, seed) -> None:
    machine = load(seed)
    watched = watch(machine, question, name)
    outcome = watched.run()  # the watch asserts at every question
    assert watched.log
    assert outcome.status == ["finished"] * len(machine.requests)


@every
def test_the_same_machine_gives_the_same_decisions(question, name) -> None:
    assert decisions(question, name) == decisions(question, name)


def test_no_decision_depends_on_pythons_hashes() -> None:
    program = "from watched import *; print([decisions(*one) for one in NAMED])"
    path = os.pathsep.join((str(TESTS), *sys.path))
    told = [
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert told[0] == told[1]
    assert told[0] == f"{[decisions(*one) for one in NAMED]}\n"


@every
@pytest.mark.parametrize("seed", SEEDS)
def test_spans_equal_steps_with_it(question, name, seed) -> None:
    def columns(step_by_step: bool) -> dict[str, list[int]]:
        machine = load(seed)
        machine.step_by_step = step_by_step
        outcome = watch(machine, question, name).run()
        return {column: outcome[column] for column in outcome.facts.requests}

    assert columns(False) == columns(True)


def foreseen(question: str, make: Callable[[], Any], longer: int) -> tuple[Log, Log]:
    """Decisions before the end of answer `longer`, as it is, and with 40 tokens more to come."""
    logs, ends = [], []
    for hidden in (None, longer):
        machine = load(1, hidden)
        machine.step_by_step = True
        watched = Watch(machine, question, make)
        ends.append(watched.run()["finish"][longer])
        logs.append(watched.log)
    assert ends[0] < ends[1]
    plain, other = ([one for one in log if one[0] < ends[0]] for log in logs)
    return plain, other


@every
@pytest.mark.parametrize("longer", range(0, 40, 3))
def test_no_decision_depends_on_how_long_an_answer_will_be(question, name, longer) -> None:
    """Until the shorter answer has ended, no real server could tell."""
    plain, other = foreseen(question, lambda: answers(question).make(name), longer)
    assert plain == other


class Seer(Router):
    """Sends what will take long to the last replica."""

    def route(self, sequence: SequenceView, replicas: Sequence[ReplicaView], now: Ns) -> int:
        return 2 if cast(Any, sequence).request.output_tokens > 30 else 0


def test_a_policy_that_sees_the_future_is_found_out() -> None:
    found = [foreseen("router", Seer, longer) for longer in range(0, 40, 3)]
    assert any(plain != other for plain, other in found)


# Those that are asked about numbers, not about a machine

views = st.builds(
    RestoreView,
    tokens=st.integers(1, 100_000),
    history=st.integers(0, 100_000),
    tier=st.sampled_from(["dram", "ssd", "remote"]),
    load=st.integers(0, 10**10),
    compute=st.integers(0, 10**10),
    ahead=st.integers(0, 10**10),
    hidden=st.integers(0, 10**10),
    project=st.integers(0, 10**10),
)
stored = st.builds(
    Stored, tokens=st.integers(16, 10**6), moment=st.sampled_from(["prefill", "every", "end"]),
    reuses=st.integers(0, 100),
)  # fmt: skip


def loaded(ways: tuple[Range, ...]) -> int:
    return sum(part.tokens for part in ways if part.way != "compute")


@pytest.mark.parametrize("name", answers("restore").names())
@given(view=views)
def test_restoring_depends_on_the_view_alone(name, view) -> None:
    one, other = (answers("restore").make(name) for _ in range(2))
    said = one.ways(view)
    assert one.ways(view) == other.ways(view) == said
    assert all(part.tokens >= 0 for part in said)
    assert sum(part.tokens for part in said) in (0, view.tokens)
    forms = {part.way for part in said if part.tokens} - {"compute"}
    assert forms <= ({"kv", "hidden"} if one.form == "both" else {one.form})
    cheaper = other.ways(view._replace(load=view.load // 2))
    if loaded(said):  # a load that is even cheaper is no worse
        assert loaded(cheaper)


@pytest.mark.parametrize("name", answers("placement").names())
@given(asked=stored)
def test_placing_depends_on_what_is_stored_alone(name, asked) -> None:
    one, other = (answers("placement").make(name) for _ in range(2))
    said = one.keeps(asked)
    assert type(said) is bool
    assert one.keeps(asked) is other.keeps(asked) is said


# What people read of them


@pytest.mark.parametrize(("question", "name"), REAL)
def test_it_says_what_it_is_and_can_be_made_without_parameters(question, name) -> None:
    registry = answers(question)
    told = registry.describe(name)
    assert told.summary.endswith(".")
    assert len(told.summary) <= 100
    made = registry.make({name: {}})
    assert repr(made) == repr(registry.make(name))
    assert all(getattr(made, one.name) == one.default for one in told.parameters)
