"""Models by name: a YAML file per family beside this one, in the words of Hugging Face configs.

`published` is what the authors say of the size. Figures and fields are recalled from the named
sources; compared with published config.json files as kept in NVIDIA's aiconfigurator were
Llama 3.1 and 4, Mixtral, Qwen3 8B, 32B, 30B, 235B and Coder 480B, DeepSeek V3 and R1, Kimi K2,
gpt-oss and MiniMax-M2.5 (for M2). Every size is held to `published` by a test.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from kvsim.errors import InputError, perhaps
from kvsim.models.config import Config, Origin
from kvsim.models.huggingface import read, read_file
from kvsim.models.model import Model

FOLDER = Path(__file__).parent

_NAME = re.compile(r"^([a-z0-9][a-z0-9.-]*):", re.MULTILINE)
"""A model's name is a key in the first column, so that finding it needs no YAML."""


class Published(NamedTuple):
    """What its authors say of a model's size, to check what follows from its layers."""

    parameters: int
    active: int | None
    """Parameters per token, where experts are routed and the authors say."""
    source: str


def names() -> list[str]:
    """The names of the catalogue, in order."""
    return sorted(_files())


def model(name_or_path: str | Path) -> Model:
    """A model of the catalogue by name, or the one described by a config.json (or its folder)."""
    name = str(name_or_path)
    if name.lower() in _files():
        return _model(name.lower())
    path = Path(name_or_path)
    if path.suffix == ".json" or path.exists():
        return read_file(path)
    raise InputError(
        f"There is no model {name!r} in the catalogue, nor a file of that name."
        + (perhaps(path.name, names()) or " `kvsim models list` shows the names.")
        + " A path to a config.json is allowed too."
    )


def published(name: str) -> Published:
    """The published size of a model of the catalogue."""
    found = _entry(name)["published"]
    return Published(found["parameters"], found.get("active"), found["source"])


@cache
def _model(name: str) -> Model:
    entry = _entry(name)
    origin = Origin(name, entry["title"], entry["source"])
    return read(Config(entry["config"], origin, f"{_files()[name]}, {name}"))


def _entry(name: str) -> dict[str, Any]:
    entries: dict[str, Any] = _parsed(_files()[name])
    found: dict[str, Any] = entries[name]
    return found


@cache
def _files() -> dict[str, Path]:
    """The file of each name."""
    return {
        name: file
        for file in sorted(FOLDER.glob("*.yaml"))
        for name in _NAME.findall(file.read_text(encoding="utf-8"))
    }


@cache
def _parsed(file: Path) -> dict[str, Any]:
    import yaml

    parsed: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return parsed
