"""Textbook queues as machines: one request at a time, or as many as there are seats."""

import math
from heapq import heapreplace
from random import Random

import numpy as np
from machine import Affine, Machine

from kvsim.policies.predictor.oracle import Oracle
from kvsim.policies.scheduler.chunked_prefill import ChunkedPrefill
from kvsim.policies.scheduler.multi_bin import MultiBin
from kvsim.policies.scheduler.vtc import VTC
from kvsim.sim.policy import Scheduler
from kvsim.traces.request import Request
from kvsim.units import MS

Z99 = 2.576
"""Half-width of a 99 % interval in standard errors."""
SERVICE = 10 * MS
STEP = 10_000
"""Nanoseconds of a step where answers have thousands of tokens."""
SIZE, SHORTEST, LONGEST = 8, 1, 1024
"""Batches of bins, and tokens of answers, evenly between these."""


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


def one_server(load: float, count: int, seed: int) -> tuple[list[Request], np.ndarray]:
    """Poisson arrivals at one server that takes SERVICE for each; and how long they waited."""
    random, at, requests = Random(seed), 0, []
    for number in range(count):
        at += round(random.expovariate(load / SERVICE))
        requests.append(Request(number, at, 1, 1))
    return requests, np.array(queue(requests, 1, SERVICE).run()["queue"])


def pollaczek_khinchine(load: float) -> float:
    """Mean wait at one server of constant service."""
    return SERVICE * load / (2 * (1 - load))


def erlang_c(servers: int, load: float) -> float:
    """Probability that an arrival finds all of `servers` busy."""
    offered = servers * load
    block = 1.0
    for count in range(1, servers + 1):
        block = offered * block / (count + offered * block)
    return block / (1 - load * (1 - block))


def seats(servers: int, load: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Waits of exponential answers for one of some seats, those of the queue itself on the same
    requests, and their mean in theory."""
    random, at, step, tokens = Random(3), 0, STEP, 10_000
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
    return waits, np.array(plain), theory


def apart() -> tuple[float, float]:
    """The most that the service of two clients who always wait differs under VTC, and its bound:
    2 max(w_p input, w_q memory)."""
    random, places, longest = Random(4), 4, 200
    requests = [
        Request(
            number, 0, random.randint(1, 100 if client == "a" else 400),
            random.randint(1, longest if client == "a" else 20), client=client,
        )
        for number, client in enumerate("ab" * 150)
    ]  # fmt: skip
    policy = VTC(sequences=places)
    outcome = queue(requests, places, MS, policy).run()
    first, finish = np.array(outcome["first_token"]), np.array(outcome["finish"])
    admitted = np.array(outcome["admitted"])
    clients = np.array([request.client for request in requests])
    prompts = np.array([request.prompt_tokens for request in requests])
    last = min(admitted[clients == client].max() for client in "ab")  # both wait until then
    widest = 0.0
    for now in range(0, int(last), MS):
        tokens = np.clip((np.minimum(now, finish) - first) // MS + 1, 0, None)
        served = policy.prompt_weight * prompts * (admitted <= now) + policy.output_weight * tokens
        differs = served[clients == "a"].sum() - served[clients == "b"].sum()
        widest = max(widest, abs(float(differs)))
    return widest, 2 * max(
        400 * policy.prompt_weight, places * (400 + longest) * policy.output_weight
    )


def binned(bins: int) -> tuple[float, float]:
    """Requests per step out of one of some bins of even lengths, and by the closed form."""
    random, count = Random(5), 8000
    requests = [Request(n, 0, 1, random.randint(SHORTEST, LONGEST)) for n in range(count)]
    policy = MultiBin(sequences=SIZE, bins=bins, shortest=SHORTEST, longest=LONGEST)
    finish = queue(requests, SIZE, MS, policy).run()["finish"]
    mean = float(np.mean([i + SIZE / (SIZE + 1) for i in range(bins)])) / bins
    return count / (max(finish) / MS), SIZE / (SHORTEST + (LONGEST - SHORTEST) * mean)
