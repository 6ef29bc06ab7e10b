"""Does every shipped scenario run to its end, and show what its first lines say?"""

from typing import Any

import pytest

from kvsim.scenario import load, names
from kvsim.scenario.run import run


def summary(name: str, *changes: str) -> dict[str, Any]:
    return run(load(name, changes)).summary


LARGE = ("million", "million-tiers")
"""They measure the simulator, and are cut short here."""


@pytest.mark.parametrize("name", LARGE)
def test_a_hundred_sessions_of_a_large_scenario_are_finished(name: str) -> None:
    requests = summary(name, "workload.sessions.sessions=100")["requests"]
    assert requests["finished"] == requests["arrived"] == 400


@pytest.mark.parametrize("name", [name for name in names() if name not in LARGE])
def test_every_request_of_a_shipped_scenario_is_finished(name: str) -> None:
    result = run(load(name))
    requests = result.summary["requests"]
    assert requests["finished"] == requests["arrived"] > 0
    assert requests["rejected"] == 0
    assert result.summary["partial"] is None
    tiers = result.machine.room.tiers
    assert set(result.summary["tiers"]) == {tier.name for tier in tiers.values()}
    for tier in tiers.values():
        tier.check()
        assert tier.tree.locked == tier.arriving == 0
        assert tier.written > 0
    for found in ("dram", "ssd", "remote"):
        hits = result.summary["cache"]["by_tier"][found]
        assert bool(hits) == (found in result.summary["tiers"])


@pytest.mark.parametrize("name", ["agentic", "dram", "dram-ssd", "remote-pool"])
def test_tiers_are_worth_it_where_a_scenario_shows_their_worth(name: str) -> None:
    with_tiers, without = summary(name), summary(name, "cluster.tiers={}")
    assert with_tiers["cache"]["hit_rate"] > without["cache"]["hit_rate"]
    assert with_tiers["ttft_s"]["mean"] < without["ttft_s"]["mean"]
    assert with_tiers["slo"]["attainment"] > without["slo"]["attainment"]


def test_drives_hold_what_dram_is_too_small_for() -> None:
    both, dram = summary("dram-ssd"), summary("dram-ssd", "cluster.tiers.ssd=")
    assert both["cache"]["hit_rate"] > dram["cache"]["hit_rate"]
    assert both["ttft_s"]["p50"] < dram["ttft_s"]["p50"]


def test_a_node_finds_in_the_pool_what_another_has_computed() -> None:
    machine = run(load("remote-pool")).machine
    links = machine.room.fabric.links
    assert machine.room.nodes == 4
    assert all(links[f"net-in {node}"].bytes for node in range(4))


def test_loading_whatever_it_takes_is_worse_than_no_tier_and_choosing_by_time_is_not() -> None:
    loading = summary("offload-hurts")
    choosing = summary("offload-hurts", "policies.restore=break_even")
    nothing = summary("offload-hurts", "cluster.tiers={}")
    assert loading["cache"]["hit_rate"] > nothing["cache"]["hit_rate"]  # hits alone say nothing
    assert loading["ttft_s"]["p50"] > 2 * nothing["ttft_s"]["p50"]
    assert loading["slo"]["attainment"] < nothing["slo"]["attainment"]
    # writing holds HBM until it has landed: where choosing gains little it may cost a little
    assert choosing["ttft_s"]["mean"] <= 1.1 * nothing["ttft_s"]["mean"]
