"""Did any number move? If it had to: `make golden`, and say why in the commit."""

import json
from pathlib import Path
from typing import Any

import pytest

from kvsim.scenario import load
from kvsim.scenario.run import run

HERE = Path(__file__).parent
DIGITS = 9
"""Significant digits that are pinned: more than anybody reads, fewer than a sum's order moves."""
MACHINE = ("simulator", "manifest")
"""Parts of a summary that say where and by what it was made."""
SCENARIOS = {
    "multiturn": ("multiturn", ["workload.sessions.sessions=60"]),
    "mooncake": ("mooncake", []),
    "azure": ("azure", []),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_number_moves(name: str, update_golden: bool) -> None:
    scenario, changes = SCENARIOS[name]
    summary = run(load(scenario, changes)).summary
    found = pinned({part: value for part, value in summary.items() if part not in MACHINE})
    path = HERE / f"{name}.json"
    if update_golden:
        path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    assert found == json.loads(path.read_text(encoding="utf-8"))


def pinned(value: Any) -> Any:
    """`value` with its numbers rounded."""
    if isinstance(value, dict):
        return {key: pinned(part) for key, part in value.items()}
    if isinstance(value, list):
        return [pinned(part) for part in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
