"""When does loading beat computing: the turn, its neighbours, and how many loads at once?"""

import math
from itertools import pairwise

import pytest
from machine import Affine
from rich.console import Console

from kvsim.cli.explain import _break_even, _where
from kvsim.policies.eviction.lru import LRU
from kvsim.policies.placement.write_through import WriteThrough
from kvsim.scenario import load
from kvsim.scenario.breakeven import tier_break_even
from kvsim.scenario.explain import explain
from kvsim.sim.clock import Clock
from kvsim.sim.fabric import Fabric, Link
from kvsim.sim.policy import RestoreView
from kvsim.sim.tier import Reach, Tier
from kvsim.units import MS

STEP = Affine(base=10 * MS, per_token=MS // 10)
"""A prefix of n tokens takes 10 + n / 10 ms."""


def found(
    bandwidth: float, latency: int = 0, longest: int = 40_000, hidden: int = 0,
    step: Affine = STEP, layers: int = 1,
) -> dict:  # fmt: skip
    """A tier of a byte a token behind one link, and one that is faster."""
    tier = Tier("dram", 10**9, 16, 16 + hidden, LRU(), WriteThrough(), 10**9, hidden=hidden)
    path = Link("slow", bandwidth, latency), Link("fast", 2 * bandwidth)
    reach = Reach(tier, path, (), math.inf, math.inf)
    return tier_break_even(Fabric(Clock(), path), reach, step, 1, longest, layers)


def test_a_fast_tier_always_wins_and_beside_so_many() -> None:
    told = found(100_000.0)
    assert told["load_wins"] == [(16, None)]
    assert (told["slowest_link"], told["bytes_per_s"]) == ("slow", 100_000.0)
    assert told["bytes_per_token"] == 1
    # 1,024 tokens: 10.24 ms, computed in 112.4 ms: ten loads at once take 102.4 ms
    assert told["lengths"][0] == {
        "tokens": 1024, "load_ms": 10.24, "compute_ms": pytest.approx(112.4), "loads": 10,
        "cake": {"loaded": 512, "ms": pytest.approx(61.2)}, "hcache": None, "kvpr": None,
    }  # fmt: skip
    # from both ends: the GPU has begun with 512 tokens, which takes 61.2 ms
    # 32,768 tokens: 327.68 ms, computed in 3,286.8 ms
    assert told["lengths"][2]["loads"] == 10


def test_latency_is_paid_back_from_some_length_on() -> None:
    # 20 ms + n / 100 < 10 + n / 10 from 111.1 tokens on; whole blocks: 112
    assert found(100_000.0, 20 * MS)["load_wins"] == [(112, None)]


def test_a_slow_tier_wins_while_a_step_costs_more_than_its_bytes() -> None:
    # n / 5 < 10 + n / 10 up to 100 tokens; whole blocks: 96
    told = found(5_000.0)
    assert told["load_wins"] == [(16, 96)]
    assert [one["loads"] for one in told["lengths"]] == [0, 0, 0]


def test_a_tier_that_is_too_slow_never_wins() -> None:
    assert found(1_000.0)["load_wins"] == []


def test_other_ways_than_loading_or_computing_all_of_it() -> None:
    step = Affine(base=0, per_token=MS // 10, per_projected=MS // 20)
    told = found(10_000.0, hidden=8, step=step, layers=4)["lengths"][1]
    # 8,192 tokens: 819.2 ms to load or to compute; 16 pieces of 512 take 51.2 ms each
    assert told["cake"] == {"loaded": 4096, "ms": pytest.approx(409.6)}
    # 409.6 ms to load and to project: the first layer's load, then all projections
    assert told["hcache"]["ms"] == pytest.approx(409.6 / 4 + 409.6)
    # l / 20 = (8192 - l) / 10: 5,461, in whole blocks 5,456, and KV of 2,736 in 273.6 ms
    assert told["kvpr"]["hidden"] == 5456
    assert told["kvpr"]["ms"] == pytest.approx(272.8 + 273.6)


def test_no_longer_than_the_model_can_read() -> None:
    told = found(100_000.0, longest=8192)
    assert [one["tokens"] for one in told["lengths"]] == [1024, 8192]


@pytest.mark.parametrize("tokens", [1024, 8192])
def test_explain_says_what_the_policy_does(tokens: int) -> None:
    from kvsim.policies.restore.break_even import BreakEven

    told = explain(load("mooncake", ["cluster.tiers.ssd.capacity=1 TiB"]))
    (tier,) = told["pools"][0]["break_even"]
    one = next(one for one in tier["lengths"] if one["tokens"] == tokens)
    view = RestoreView(
        tokens, 0, "ssd", round(one["load_ms"] * MS), round(one["compute_ms"] * MS), 0
    )
    wins = any(low <= tokens <= (high or tokens) for low, high in tier["load_wins"])
    assert bool(BreakEven().ways(view)) == wins == (one["loads"] > 0)


def test_every_tier_of_every_pool_is_explained() -> None:
    changes = ["cluster.tiers.ssd.capacity=1 TiB", "cluster.tiers.remote.capacity=1 TiB"]
    told = explain(load("agentic", changes))
    tiers = told["pools"][0]["break_even"]
    assert [tier["tier"] for tier in tiers] == ["dram", "ssd", "remote"]
    for tier in tiers:
        assert all(low <= (high or low) for low, high in tier["load_wins"])
        assert all(one[1] < two[0] for one, two in pairwise(tier["load_wins"]))
    assert explain(load("multiturn"))["pools"][0]["break_even"] == []
    console = Console(width=80, record=True)
    console.print(_break_even(tiers))
    assert max(map(len, console.export_text().splitlines())) <= 80
    assert _where(tiers[0]).startswith("dram: sooner from 16 tokens on; h2d 0.0 limits it to")
