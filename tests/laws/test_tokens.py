"""Are the times between a request's tokens what its steps say, whatever happens to it?"""

from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from machine import Machine
from machines import machines

from kvsim.sim.metrics import token_intervals
from kvsim.sim.tokens import Gaps
from kvsim.units import MS

LIMITS = (0, MS - 1, MS, 7 * MS, 8 * MS, 10 * MS + 1, 11 * MS, 20 * MS, 100 * MS)


@given(machines())
@settings(deadline=None)
def test_every_token_but_the_first_and_a_tools_has_one_before_it(
    machine: Callable[[bool], Machine],
) -> None:
    built, outcome = machine(False), machine(False).run()
    pauses = {request.id: len(request.pauses) for request in built.requests}
    gaps = Gaps(outcome.facts)
    for key, status, output, count in zip(
        outcome["id"], outcome.status, outcome["output_tokens"], gaps.count.tolist(), strict=True
    ):
        if status == "finished":
            assert count == output - 1 - pauses[key % 1000]


@given(machines())
@settings(deadline=None)
def test_spans_and_steps_say_the_same(machine: Callable[[bool], Machine]) -> None:
    spans, steps = Gaps(machine(False).run().facts), Gaps(machine(True).run().facts)
    assert spans.count.tolist() == steps.count.tolist()
    for limit in LIMITS:
        assert spans.over(limit).tolist() == steps.over(limit).tolist()


@given(machines())
@settings(deadline=None)
def test_all_requests_together_have_the_times_of_all_steps(
    machine: Callable[[bool], Machine],
) -> None:
    """Those of steps, corrected for whoever was held, suspended or moved."""
    outcome = machine(False).run()
    if "unfinished" in outcome.status:
        return
    gaps = Gaps(outcome.facts)
    times, weights = token_intervals(outcome.facts)
    assert gaps.count.sum() == weights.sum()
    for limit in LIMITS:
        assert gaps.over(limit).sum() == weights[np.asarray(times) > limit].sum()
