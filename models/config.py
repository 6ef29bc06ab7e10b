"""A Hugging Face config.json, read field by field; says clearly what it cannot give."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from kvsim.errors import InputError

LAYERS_AT_MOST = 10_000
"""More than any model has: a typing error should not fill the memory."""


class Origin(NamedTuple):
    """Who a model is and where its description was read."""

    name: str
    title: str
    source: str


class Config:
    """The fields of one model, checked as they are asked for. `where` begins every complaint."""

    def __init__(self, fields: Mapping[str, Any], origin: Origin, where: str) -> None:
        self.origin = origin
        self.where = where
        self._fields = fields

    def within(self, name: str, inherited: Iterable[str] = ()) -> "Config":
        """The object in field `name` as a Config of its own; `inherited` fields come from here."""
        inner = self._fields.get(name)
        if not isinstance(inner, dict):
            self.fail(name, "an object with the fields of the language model")
        outer = {key: self._fields[key] for key in inherited if key in self._fields}
        return Config({**outer, **inner}, self.origin, f"{self.where}, in {name!r}")

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self._fields.get(name) is not None

    def size(self, name: str, default: int | None = None) -> int:
        """A positive integer. Without a default the field must be there."""
        value = self._fields.get(name)
        if value is None and default is not None:
            return default
        if type(value) is not int or value <= 0:
            self.fail(name, "a positive integer")
        return value

    def count(self, name: str, default: int = 0) -> int:
        """An integer from 0 up; the default where the field is absent or null."""
        value = self._fields.get(name)
        if value is None:
            return default
        if type(value) is not int or value < 0:
            self.fail(name, "0 or a positive integer")
        return value

    def optional(self, name: str) -> int | None:
        """A positive integer, or None where the field is absent or null."""
        return self.size(name) if self.has(name) else None

    def layers(self, name: str = "num_hidden_layers") -> int:
        """The number of layers."""
        layers = self.size(name)
        if layers > LAYERS_AT_MOST:
            self.fail(name, f"at most {LAYERS_AT_MOST} layers")
        return layers

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false; the default where the field is absent or null."""
        value = self._fields.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.fail(name, "true or false")
        return value

    def word(self, name: str) -> str:
        """A word that must be there."""
        value = self._fields.get(name)
        if not isinstance(value, str) or not value:
            self.fail(name, "a word")
        return value

    def is_word(self, name: str, word: str) -> bool:
        """Whether the field is exactly this word."""
        return bool(self._fields.get(name) == word)

    def per_layer(self, name: str, allowed: Iterable[object]) -> list[Any] | None:
        """One of the `allowed` values per layer; None where the field is absent, null or empty."""
        values, known, layers = self._fields.get(name), tuple(allowed), self.layers()
        if values is None or values == []:  # some files write an empty list for "the usual"
            return None
        words = ", ".join(repr(word) for word in known)
        if not isinstance(values, list) or len(values) != layers:
            self.fail(name, f"a list of {layers} values, one per layer")
        for index, value in enumerate(values):
            if value not in known or isinstance(value, bool):
                self.fail(f"{name}[{index}]", f"one of {words}", value)
        return values

    def indices(self, name: str) -> frozenset[int]:
        """A list of layer indices; empty where the field is absent or null."""
        values = self._fields.get(name)
        if values is None:
            return frozenset()
        if not isinstance(values, list) or any(type(v) is not int or v < 0 for v in values):
            self.fail(name, "a list of layer indices")
        return frozenset(values)

    def at_most(self, name: str, value: int, limit: int, what: str) -> int:
        """`value` of field `name`, no more than `limit`."""
        if value > limit:
            self.fail(name, f"at most {limit}, the number of {what}", value)
        return value

    def divides(self, name: str, value: int, whole: int, what: str) -> int:
        """`value` of field `name`, which must divide `whole`."""
        if whole % value:
            self.fail(name, f"a divisor of {whole}, the {what}", value)
        return value

    def refuse(self, name: str, supported: str) -> NoReturn:
        """The field asks for what kvsim cannot model."""
        raise InputError(
            f"{self.where}: field {name!r} is {_shown(self._fields.get(name))}, which kvsim cannot "
            f"model. Supported: {supported}."
        )

    def fail(self, name: str, allowed: str, *found: object) -> NoReturn:
        """The field is missing, or its value is wrong (`found`, where it is a part or derived)."""
        if not found and name not in self._fields:
            raise InputError(f"{self.where}: field {name!r} is missing; it should be {allowed}.")
        value = found[0] if found else self._fields[name]
        raise InputError(
            f"{self.where}: field {name!r} is {_shown(value)}; it should be {allowed}."
        )


def _shown(value: object) -> str:
    text = json.dumps(value, default=repr)
    return text if len(text) <= 60 else text[:57] + "..."


def load(path: Path) -> Config:
    """The config.json at `path` (or in the folder `path`). Raises InputError if it is not one."""
    file = path / "config.json" if path.is_dir() else path
    try:
        fields = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}).") from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{file}, line {error.lineno}, column {error.colno}: not JSON ({error.msg})."
        ) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{file}: not a JSON text file.") from error
    if not isinstance(fields, dict):
        raise InputError(f"{file}: holds {type(fields).__name__}, not an object with fields.")
    name = file.resolve().parent.name if file.name == "config.json" else file.stem
    return Config(fields, Origin(name or "model", name or "model", str(file)), str(file))
