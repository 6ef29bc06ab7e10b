"""On real traffic: are spans exactly their steps, and do the known hit rates come out?"""

import numpy as np
import pytest
from shared import shared

from kvsim.policies import answers
from kvsim.scenario import load
from kvsim.scenario.run import run
from kvsim.sim.hitrate import Lookups
from kvsim.traces import open_trace

CAPACITIES = (1000, 3000, 10_000, 30_000, 100_000)


@pytest.mark.parametrize(
    ("scenario", "trace"),
    [("mooncake", "mooncake_conversation.jsonl.gz"), ("azure", "azure2023_conv.csv.gz")],
)
def test_spans_equal_steps_on_the_first_2000_requests(scenario, trace) -> None:
    asked = load(scenario, ["workload.trace.limit=2000"], str(shared(f"traces/{trace}")))
    spans, steps = run(asked), run(asked, step_by_step=True)
    assert len(spans.facts.status) == 2000
    for name, column in spans.facts.requests.items():
        assert np.array_equal(column, steps.facts.requests[name]), name
    assert (spans.facts.status == steps.facts.status).all()
    assert len(spans.facts.spans["steps"]) < len(steps.facts.spans["steps"]) / 5


@pytest.mark.parametrize(
    ("policy", "rates"),
    [
        ("lru", (0.0445, 0.0653, 0.2116, 0.3257, 0.3637)),
        ("lfu", (0.0481, 0.0750, 0.1317, 0.2760, 0.3631)),
        ("fifo", (0.0436, 0.0633, 0.1813, 0.2937, 0.3563)),
        ("belady", (0.1907, 0.2945, 0.3664, 0.3664, 0.3664)),
    ],
)
def test_hit_rates_of_the_conversation_trace(policy, rates) -> None:
    trace = open_trace(shared("traces/mooncake_conversation.jsonl.gz"))
    lookups = Lookups(trace.arrivals())
    found = [lookups.replay(answers("eviction").make(policy), size).hit_rate for size in CAPACITIES]
    assert [round(rate, 4) for rate in found] == list(rates)
