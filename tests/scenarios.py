"""Small scenarios for tests, and what is said of wrong ones."""

from pathlib import Path
from typing import Any

import pytest

from kvsim.errors import InputError
from kvsim.scenario import load
from kvsim.scenario.build import build

SMALL = {"closed_loop": {"concurrency": 2, "input_tokens": 10, "output_tokens": 3, "requests": 4}}


def document(**parts: Any) -> dict[str, Any]:
    """The least a scenario says, and `parts`."""
    return {"name": "x", "model": "llama-3.1-8b", "workload": SMALL, **parts}


def written(folder: Path, text: str) -> str:
    path = folder / "scenario.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def refused(*changes: str, name: str = "multiturn") -> str:
    """What loading and building says of a shipped scenario with wrong changes."""
    with pytest.raises(InputError) as caught:
        build(load(name, changes))
    return str(caught.value)
