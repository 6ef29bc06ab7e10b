"""Is a span exactly what its steps would have been, to the nanosecond, whatever happens?"""

from collections.abc import Callable

from hypothesis import assume, given, settings
from machine import Machine
from machines import machines

from kvsim.policies.predictor.oracle import Oracle
from kvsim.sim.moves import by_link, reasons
from kvsim.sim.recorder import NEVER


@given(machines())
@settings(deadline=None)
def test_spans_equal_steps(machine: Callable[[bool], Machine]) -> None:
    spans, steps = machine(False).run(), machine(True).run()
    assert spans.status == steps.status
    for column in spans.facts.requests:
        assert spans[column] == steps[column], column
    for table in ("lookups", "transfers", "levels"):
        one, other = getattr(spans.facts, table), getattr(steps.facts, table)
        for column, values in one.items():
            assert values.tolist() == other[column].tolist(), (table, column)


@given(machines())
@settings(deadline=None)
def test_nothing_is_lost_and_memory_is_given_back(machine: Callable[[bool], Machine]) -> None:
    machinery = machine(False)
    outcome = machinery.run()
    assert set(outcome.status) <= {"finished", "rejected"}
    for engine in outcome.simulation.cluster.engines:
        assert engine.memory.private == 0
        assert engine.memory.tree.locked == 0
        reaches = engine.hierarchy.reaches if engine.hierarchy else ()
        for reach in reaches:
            assert reach.tier.arriving == 0
            assert reach.tier.tree.locked == 0
            assert reach.tier.tree.leaving == 0
            why = reasons(outcome.facts, reach.tier.rank)
            assert sum(why["stored"].values()) >= reach.tier.written
            assert sum(why["refused"].values()) >= reach.tier.refused
    for name, moved in by_link(outcome.facts):
        landed = moved["landed"] != NEVER
        assert int(moved["bytes"][landed].sum()) == machinery.fabric.links[name].bytes
    for name in ("queue", "load", "other"):
        assert all(
            value >= 0 for value, s in zip(outcome[name], outcome.status, strict=True)
            if s == "finished"
        )  # fmt: skip


@given(machines())
@settings(deadline=None)
def test_outputs_are_hidden(machine: Callable[[bool], Machine]) -> None:
    """Longer answers change nothing that was decided before the first of them had ended."""
    plain = machine(False)
    assume(plain.predictor is not Oracle)
    assume(plain.max_context is None)  # what is too long is turned away at once
    longer = machine(False)
    longer.requests = [
        request._replace(output_tokens=request.output_tokens + 50) for request in plain.requests
    ]
    first, second = plain.run(), longer.run()
    settled = min(
        (f for f, s in zip(first["finish"], first.status, strict=True) if s == "finished"),
        default=0,
    )
    known = {request.id for request in plain.requests}
    for column in ("admitted", "first_token"):
        for outcome, other in ((first, second), (second, first)):
            theirs = dict(zip(other["id"], other[column], strict=True))
            status = dict(zip(other["id"], other.status, strict=True))
            for key, instant in zip(outcome["id"], outcome[column], strict=True):
                if key in known and 0 <= instant < settled and status[key] == "finished":
                    assert theirs[key] == instant
