"""Do LRU and the optimum hit as often as in KVCache.AI's own simulator?

It counts tokens of the leading run of resident blocks, in the second half of the requests.
"""

from pathlib import Path

import pytest
from public_tools import ask, install
from shared import shared
from typer.testing import CliRunner

from kvsim.cli.app import app
from kvsim.policies import answers
from kvsim.sim.hitrate import Lookups
from kvsim.traces import open_trace

pytestmark = pytest.mark.slow

PACKAGE = "kvcache-simulator==0.1.3"
PROGRAM = """
import json, sys
from kvcache_sim.plan import build_execution_plan
from kvcache_sim.policies import simulate_policy
from kvcache_sim.trace import parse_trace_file

plan = build_execution_plan(parse_trace_file(sys.argv[1], block_size=512), 0.5)
found = [[simulate_policy(plan, name, size) for size in json.loads(sys.argv[3])]
         for name in json.loads(sys.argv[2])]
print(json.dumps([[(one.hitTokens, one.totalTokens) for one in points] for points in found]))
"""
CAPACITIES = (1638, 6553, 13_107, 52_428)
PERCENT = {"lru": [5.2, 15.3, 25.0, 37.8], "belady": [24.5, 38.6, 39.8, 39.8]}
"""Tokens hit, of those of the second half."""
FIFO = (
    [3_456_311, 9_730_829, 14_686_885, 23_709_797],
    [3_455_799, 9_717_517, 14_697_452, 23_706_725],
)
"""Tokens hit here, and there, where a prompt's first block is inserted first."""


@pytest.fixture
def trace() -> Path:
    return shared("traces/mooncake_conversation.jsonl.gz")


def test_tokens_hit_are_those_of_kvcache_simulator(trace, tmp_path) -> None:
    python = install(tmp_path / "kvcache-simulator", PACKAGE)
    asked = '["lru", "optimal", "fifo"]', str(list(CAPACITIES))
    theirs = ask(python, PROGRAM, str(trace), *asked)
    lookups, registry = Lookups(open_trace(str(trace)).arrivals()), answers("eviction")
    ours = [
        [lookups.replay(registry.make(name), size, warmup=0.5) for size in CAPACITIES]
        for name in ("lru", "belady", "fifo")
    ]
    tokens = [[[point.hit_tokens, point.total_tokens] for point in points] for points in ours]
    assert tokens[:2] == theirs[:2]
    assert tuple([hits for hits, _ in points] for points in (tokens[2], theirs[2])) == FIFO


@pytest.mark.parametrize("policy", PERCENT)
def test_the_command_shows_their_percentages(policy, trace) -> None:
    sizes = ",".join(map(str, CAPACITIES))
    words = ["hitrate", "--trace", str(trace), "--policies", policy, "--capacities", sizes]
    done = CliRunner().invoke(app, [*words, "--warmup", "0.5", "--tokens"])
    shares = next(line for line in done.stdout.splitlines() if line.startswith(policy)).split()[1:]
    assert [round(100 * float(share), 1) for share in shares] == PERCENT[policy]
