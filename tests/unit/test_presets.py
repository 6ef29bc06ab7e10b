"""Do presets name answers that exist, and does what stands beside one win?"""

import pytest
from commands import kvsim

from kvsim.errors import InputError
from kvsim.scenario.build import build
from kvsim.scenario.load import dump, load, parse
from kvsim.scenario.presets import preset, presets


@pytest.mark.parametrize("name", presets())
def test_every_preset_can_be_built(name) -> None:
    assert preset(name).source
    changes = [f"policies.preset={name}"]
    if preset(name).policies.get("allocation") not in ("reserve_max", "virtual_memory"):
        changes.append("cluster.tiers.dram.capacity=64 GiB")
    scenario = load("multiturn", changes)
    assert scenario.policies.preset == name
    build(scenario)


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
