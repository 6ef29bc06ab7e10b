"""Models by name or by file. The catalogue is read like anybody's config.json: there is one way."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from kvsim.errors import InputError, perhaps
from kvsim.models.families import FAMILIES
from kvsim.models.fields import Fields
from kvsim.models.model import Model

FOLDER = Path(__file__).resolve().parent / "catalogue"
NO_CONTEXT = 1 << 20
"""Tokens assumed for a model that states no longest text, as recurrent ones do."""


@cache
def _entries() -> dict[str, dict[str, Any]]:
    import yaml

    found: dict[str, dict[str, Any]] = {}
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for path in sorted(FOLDER.glob("*.yaml")):
        found.update(yaml.load(path.read_text(encoding="utf-8"), loader))
    return found


def names() -> list[str]:
    """Every model of the catalogue, alphabetical."""
    return sorted(_entries())


@cache
def model(name: str) -> Model:
    """A model of the catalogue, or the one of a `config.json`. Raises InputError."""
    path = Path(name)
    if path.is_dir():
        path = path / "config.json"
    if path.suffix == ".json" or path.is_file():
        return _from_file(path)
    entry = _entries().get(name.lower())
    if entry is None:
        raise InputError(f"there is no model {name!r}.{perhaps(name, names())}")
    source = f"models/catalogue, {name}"
    published = float(entry["published"])
    return read(entry["config"], source, name.lower(), entry["title"], entry["source"], published)


def _from_file(path: Path) -> Model:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}.") from None
    if not isinstance(config, dict):
        raise InputError(f"{path} holds a {type(config).__name__}; a config.json holds an object.")
    name = str(config.get("_name_or_path") or path.parent.name or path.stem)
    return read(config, str(path), name, name, str(path), None)


def read(
    config: dict[str, Any], where: str, name: str, title: str, source: str, published: float | None
) -> Model:
    """A model from the fields of a Hugging Face config. Raises InputError naming field and file."""
    inner = config.get("text_config")
    if isinstance(inner, dict):
        config = {**inner, "model_type": inner.get("model_type") or config.get("model_type")}
    kind = config.get("model_type")
    if kind not in FAMILIES:
        hint = perhaps(str(kind), FAMILIES)
        raise InputError(f"{where}: model_type {kind!r} is not one that kvsim can read.{hint}")
    fields = Fields(config, where)
    positions = fields.whole("max_position_embeddings") if kind == "opt" else 0
    return Model(
        name=name,
        title=title,
        source=source,
        published=published,
        context=fields.whole("max_position_embeddings", "model_max_length", default=NO_CONTEXT),
        vocabulary=fields.whole("vocab_size"),
        hidden=fields.whole("hidden_size", "d_model"),
        blocks=FAMILIES[str(kind)](fields),
        tied=fields.flag("tie_word_embeddings", kind in TIED),
        positions=positions,
    )


TIED = (
    "opt",
    "gemma2",
    "gemma3",
    "gemma3_text",
    "falcon",
    "RefinedWeb",
    "RefinedWebModel",
    "mamba2",
)
"""Families whose LM head is the embedding unless their config says otherwise."""
