"""Does a machine that is a textbook queue wait as the textbook says?

One request at a time with steps of equal length is M/D/1; c seats and exponential answers are
M/M/c. The first one is also compared request by request with Lindley's recursion.
"""

import math
from heapq import heapreplace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machine import Affine, Machine

from kvsim.policies.predictor.oracle import Oracle
from kvsim.policies.scheduler.chunked_prefill import ChunkedPrefill
from kvsim.policies.scheduler.multi_bin import MultiBin
from kvsim.policies.scheduler.srtf import ShortestRemaining
from kvsim.policies.scheduler.vtc import VTC
from kvsim.sim.policy import Scheduler
from kvsim.traces.request import Request
from kvsim.units import MS

Z99 = 2.576
"""Half-width of a 99 % interval in standard errors."""


def queue(requests: list[Request], seats: int, step: int, scheduler: Scheduler | None = None):
    """A machine with `seats`, steps of `step` ns, and memory for everybody."""
    return Machine(
        blocks=1 << 40, timing=Affine(base=step), caching=False, predictor=Oracle,
        scheduler=scheduler or ChunkedPrefill(sequences=seats), requests=requests,
    )  # fmt: skip


def interval(waits: np.ndarray, batches: int = 50) -> tuple[float, float]:
    """Mean and half-width of its 99 % interval, by means of batches."""
    means = waits[: len(waits) // batches * batches].reshape(batches, -1).mean(axis=1)
    return float(means.mean()), Z99 * float(means.std(ddof=1)) / math.sqrt(batches)


@pytest.mark.parametrize("load", [0.3, 0.5])
def test_one_server_with_constant_times_waits_as_lindley_says(load):
    random, at, service = Random(1), 0, 10 * MS
    requests = []
    for number in range(20_000):
        at += round(random.expovariate(load / service))
        requests.append(Request(number, at, 1, 1))
    waits = np.array(queue(requests, 1, service).run()["queue"])
    expected, free = [], 0
    for request in requests:
        expected.append(max(0, free - request.arrival))
        free = max(free, request.arrival) + service
    assert waits.tolist() == expected


@pytest.mark.parametrize("load", [0.3, 0.5])
def test_poisson_arrivals_at_one_server_wait_as_pollaczek_and_khinchine_say(load):
    random, at, service = Random(2), 0, 10 * MS
    requests = []
    for number in range(250_000):
        at += round(random.expovariate(load / service))
        requests.append(Request(number, at, 1, 1))
    mean, half = interval(np.array(queue(requests, 1, service).run()["queue"]))
    theory = service * load / (2 * (1 - load))
    assert half <= 0.02 * theory
    assert abs(mean - theory) <= half


def erlang_c(servers: int, load: float) -> float:
    """Probability that an arrival finds all of `servers` busy."""
    offered = servers * load
    block = 1.0
    for count in range(1, servers + 1):
        block = offered * block / (count + offered * block)
    return block / (1 - load * (1 - block))


@pytest.mark.parametrize(("servers", "load"), [(2, 0.5), (4, 0.5)])
def test_seats_with_exponential_answers_wait_as_erlang_says(servers, load):
    """How the machine differs from the queue itself is a control variate: theory is its mean."""
    random, at, step, tokens = Random(3), 0, 10_000, 10_000
    requests, plain, free = [], [], [0.0] * servers
    for number in range(60_000):
        at += round(random.expovariate(servers * load / (step * tokens)))
        output = 1 + round(random.expovariate(1 / tokens))
        requests.append(Request(number, at, 1, output))
        begin = max(free[0], at)
        heapreplace(free, begin + output * step)
        plain.append(begin - at)
    waits = np.array(queue(requests, servers, step).run()["queue"])
    theory = erlang_c(servers, load) * step * tokens / (servers * (1 - load))
    apart, half = interval(waits - np.array(plain))
    assert half + abs(apart) <= 0.02 * theory
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
    """Two clients who always wait: never further apart than 2 max(w_p input, w_q memory)."""
    random, seats, longest = Random(4), 4, 200
    requests = [
        Request(
            number, 0, random.randint(1, 100 if client == "a" else 400),
            random.randint(1, longest if client == "a" else 20), client=client,
        )
        for number, client in enumerate("ab" * 150)
    ]  # fmt: skip
    policy = VTC(sequences=seats)
    outcome = queue(requests, seats, MS, policy).run()
    first, finish = np.array(outcome["first_token"]), np.array(outcome["finish"])
    admitted = np.array(outcome["admitted"])
    clients = np.array([request.client for request in requests])
    prompts = np.array([request.prompt_tokens for request in requests])
    last = min(admitted[clients == client].max() for client in "ab")  # both wait until then
    bound = 2 * max(400 * policy.prompt_weight, seats * (400 + longest) * policy.output_weight)
    widest = 0.0
    for now in range(0, int(last), MS):
        tokens = np.clip((np.minimum(now, finish) - first) // MS + 1, 0, None)
        served = policy.prompt_weight * prompts * (admitted <= now) + policy.output_weight * tokens
        apart = served[clients == "a"].sum() - served[clients == "b"].sum()
        widest = max(widest, abs(float(apart)))
    assert 0 < widest <= bound


@pytest.mark.parametrize("bins", [1, 2, 4, 8])
def test_throughput_of_bins_is_that_of_the_closed_form(bins):
    """Batches of 8 out of one of k bins of even lengths, always enough of them waiting."""
    random, size, shortest, longest = Random(5), 8, 1, 1024
    count = 8000
    requests = [Request(n, 0, 1, random.randint(shortest, longest)) for n in range(count)]
    policy = MultiBin(sequences=size, bins=bins, shortest=shortest, longest=longest)
    finish = queue(requests, size, MS, policy).run()["finish"]
    mean = np.mean([i + size / (size + 1) for i in range(bins)]) / bins
    expected = size / (shortest + (longest - shortest) * mean)
    assert count / (max(finish) / MS) == pytest.approx(expected, rel=0.03)


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
