"""Does a machine that is a textbook queue wait as the textbook says?

One request at a time with steps of equal length is M/D/1; c seats and exponential answers are
M/M/c. The first one is also compared request by request with Lindley's recursion. The same numbers
as a table: docs/experiments/theory.md.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from queues import (
    SERVICE,
    apart,
    binned,
    interval,
    one_server,
    pollaczek_khinchine,
    queue,
    seats,
)

from kvsim.policies.scheduler.srtf import ShortestRemaining
from kvsim.traces.request import Request
from kvsim.units import MS


@pytest.mark.parametrize("load", [0.3, 0.5])
def test_one_server_with_constant_times_waits_as_lindley_says(load):
    requests, waits = one_server(load, 20_000, seed=1)
    expected, free = [], 0
    for request in requests:
        expected.append(max(0, free - request.arrival))
        free = max(free, request.arrival) + SERVICE
    assert waits.tolist() == expected


@pytest.mark.parametrize("load", [0.3, 0.5])
def test_poisson_arrivals_at_one_server_wait_as_pollaczek_and_khinchine_say(load):
    mean, half = interval(one_server(load, 250_000, seed=2)[1])
    theory = pollaczek_khinchine(load)
    assert half <= 0.02 * theory
    assert abs(mean - theory) <= half


@pytest.mark.parametrize(("servers", "load"), [(2, 0.5), (4, 0.5)])
def test_seats_with_exponential_answers_wait_as_erlang_says(servers, load):
    """How the machine differs from the queue itself is a control variate: theory is its mean."""
    waits, plain, theory = seats(servers, load)
    differs, half = interval(waits - plain)
    assert half + abs(differs) <= 0.02 * theory
    mean, wide = interval(waits)
    assert abs(mean - theory) <= wide


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(1, 60)), min_size=1, max_size=25),
)
@settings(deadline=None)
def test_shortest_remaining_time_has_no_higher_mean_latency(asked):
    """One seat, true lengths, free suspension, memory for all; arrivals at ends of steps."""
    requests = [Request(n, at * MS, 1, tokens) for n, (at, tokens) in enumerate(asked)]
    first = queue(requests, 1, MS).run()
    shortest = queue(requests, 1, MS, ShortestRemaining(sequences=1)).run()
    assert sum(shortest["finish"]) <= sum(first["finish"])


def test_fair_counters_bound_the_difference_of_service():
    """Two clients who always wait are never further apart than the paper proves."""
    widest, bound = apart()
    assert 0 < widest <= bound


@pytest.mark.parametrize("bins", [1, 2, 4, 8])
def test_throughput_of_bins_is_that_of_the_closed_form(bins):
    """Batches of 8 out of one of k bins of even lengths, always enough of them waiting."""
    found, expected = binned(bins)
    assert found == pytest.approx(expected, rel=0.03)


@given(st.data())
@settings(deadline=None, max_examples=50)
def test_those_present_are_arrivals_times_time_present(data):
    """Little's law over any run that ends empty, with what the spans counted."""
    asked = data.draw(
        st.lists(st.tuples(st.integers(0, 200), st.integers(1, 40)), min_size=1, max_size=20)
    )
    requests = [Request(n, at * MS, 1, tokens) for n, (at, tokens) in enumerate(asked)]
    outcome = queue(requests, data.draw(st.integers(1, 4)), MS).run()
    spans = outcome.facts.spans
    seated = int(((spans["end"] - spans["start"]) * spans["running"]).sum())
    inside = np.array(outcome["finish"]) - np.array(outcome["admitted"])
    assert seated == int(inside.sum())
