"""Do presets name answers that exist, and does what stands beside one win?"""

import pytest
from commands import kvsim

from kvsim.errors import InputError
from kvsim.scenario.load import dump, load, parse
from kvsim.scenario.presets import preset, presets
from kvsim.scenario.run import run

FEW = {"multiturn": "sessions.sessions=20", "disaggregated": "open_loop.requests=50"}
"""So many requests of each scenario."""


@pytest.mark.parametrize("name", presets())
def test_every_preset_serves_the_scenario_it_is_made_for(name) -> None:
    found = preset(name)
    assert found.source
    changes = [f"policies.preset={name}", f"workload.{FEW[found.scenario]}"]
    if found.policies.get("allocation") not in ("per_layer", "reserve_max", "virtual_memory"):
        changes.append("cluster.tiers.dram.capacity=64 GiB")
    scenario = load(found.scenario, changes)
    assert scenario.policies.preset == name
    requests = run(scenario).summary["requests"]
    assert requests["finished"] == requests["arrived"] > 0


def test_what_is_said_beside_a_preset_wins() -> None:
    changes = ["policies.preset=cached_attention", "policies.restore=break_even"]
    policies = load("multiturn", changes).policies
    assert policies.restore == "break_even"
    assert "queue" in policies.prefetch


def test_a_resolved_scenario_says_the_same_again() -> None:
    import yaml

    scenario = load("multiturn", ["policies.preset=cached_attention"])
    assert parse(yaml.safe_load(dump(scenario)), "again") == scenario


def test_an_unknown_preset_is_named_with_what_was_perhaps_meant() -> None:
    with pytest.raises(InputError, match=r"no 'cachedattention'.*cached_attention"):
        load("multiturn", ["policies.preset=cachedattention"])


def test_presets_are_listed() -> None:
    assert "CachedAttention" in kvsim("policies", "presets").stdout


def test_one_preset_is_told_with_what_is_left_out_and_what_to_run() -> None:
    told = kvsim("policies", "presets", "mooncake").stdout
    assert "Qin et al." in told
    assert "not replicated" in told.replace("\n", " ")
    assert "router: kv_aware" in told
    assert "kvsim run disaggregated --set policies.preset=mooncake" in told
