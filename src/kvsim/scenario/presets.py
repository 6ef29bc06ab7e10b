"""Published systems by name: what each answers to several questions at once."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from kvsim.errors import InputError, perhaps

FOLDER = Path(__file__).resolve().parent.parent / "policies" / "presets"


class Preset(NamedTuple):
    """One system."""

    name: str
    title: str
    source: str
    note: str
    """What of it is not here, or goes by assumption."""
    policies: dict[str, Any]
    scenario: str
    """A shipped scenario with the pools it is made for."""


def presets() -> list[str]:
    """Names of all presets."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@cache
def preset(name: str) -> Preset:
    """A preset by name. Raises InputError for an unknown one."""
    import yaml

    if name not in presets():
        raise InputError(f"policies.preset: there is no {name!r}.{perhaps(name, presets())}")
    found = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    note = " ".join(found.get("note", "").split())
    made_for = found.get("scenario", "multiturn")
    return Preset(name, found["title"], found["source"], note, found["policies"], made_for)


def completed(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """A scenario in which the preset that it names answers what it leaves open."""
    policies = document.get("policies")
    name = policies.get("preset") if isinstance(policies, dict) else None
    if not isinstance(policies, dict) or not isinstance(name, str):
        return document
    return {**document, "policies": preset(name).policies | policies}
