"""A spec sheet while it is read: every value with its unit, its source, and its place in the file.

A value is written `{value: 700 W, source: sheet}`, where `sheet` is a key of the file's `sources`
or a sentence of its own. A bare `700 W` is accepted from a user's file, which is then the source.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from kvsim.errors import InputError, perhaps

T = TypeVar("T")
KEYS = ("value", "source", "note")
"""What may be said of a value. The note joins the source: what was measured, or not."""


class Sheet:
    """The fields of one device. Whatever nobody asked for by the end is an unknown field."""

    def __init__(self, file: str, fields: Mapping[str, Any]) -> None:
        self.sources: dict[str, str] = {}
        """Where each value was read, by field; fields of a part as `part.field`."""
        self._file = file
        self._fields = fields
        self._path = ""
        self._asked: set[str] = set()
        self._cited: Mapping[str, str] = self.plain("sources", {})
        self._parts: list[Sheet] = []

    def __contains__(self, field: str) -> bool:
        return self._fields.get(field) is not None

    def plain(self, field: str, default: T) -> T:
        """A field that is no number and needs no source; of the same type as its default."""
        self._asked.add(field)
        value = self._fields.get(field, default)
        if not isinstance(value, type(default)):
            raise self.wrong(field, f"found {value!r}, where a {type(default).__name__} belongs.")
        return value

    def cited(self, field: str) -> tuple[str, str]:
        """A name, such as that of a standard, and its source."""
        value, source = self._value(field)
        return str(value), source

    def number(self, field: str, read: Callable[[object], T], zero: bool = False) -> T:
        """A quantity, read by a function such as `kvsim.units.size`; `zero` allows 0."""
        value, source = self._value(field)
        try:
            number = read(value)
        except InputError as error:
            raise self.wrong(field, str(error)) from None
        if isinstance(number, int | float) and not (number > 0 or (zero and number == 0)):
            raise self.wrong(field, f"{value!r} must be above zero.")
        self.sources[self._path + field] = source
        return number

    def optional(self, field: str, read: Callable[[object], T], zero: bool = False) -> T | None:
        """A quantity, or None where the sheet has no such field or says null."""
        self._asked.add(field)
        return self.number(field, read, zero) if field in self else None

    def part(self, field: str) -> "Sheet":
        """A group of fields under one name. Its sources are ours."""
        self._asked.add(field)
        inner = self._fields.get(field)
        if not isinstance(inner, dict):
            found = "is missing" if inner is None else f"found {inner!r}"
            raise self.wrong(field, f"{found}; a group of fields belongs here.")
        part = Sheet(self._file, inner)
        part.sources, part._cited = self.sources, self._cited
        part._path = f"{self._path}{field}."
        self._parts.append(part)
        return part

    def done(self) -> None:
        """Refuse fields that nobody asked for: most are misspelt."""
        for field in self._fields:
            if field not in self._asked:
                raise self.wrong(str(field), f"unknown field.{perhaps(str(field), self._asked)}")
        for part in self._parts:
            part.done()

    def wrong(self, field: str, sentence: str) -> InputError:
        """The error for a field: the file, the field, what is wrong with it."""
        return InputError(f"{self._file}: {self._path}{field}: {sentence}")

    def _value(self, field: str) -> tuple[object, str]:
        self._asked.add(field)
        if field not in self:
            raise self.wrong(field, "is missing.")
        found = self._fields[field]
        if not isinstance(found, dict):
            return found, f"{Path(self._file).name}, which names no source"
        for key in found:
            if key not in KEYS:
                raise self.wrong(field, f"unknown key {key!r}.{perhaps(str(key), KEYS)}")
        if found.get("value") is None or not found.get("source"):
            raise self.wrong(field, "needs both `value` and `source`, or a bare value.")
        source = str(found["source"])
        note = f"; {found['note']}" if "note" in found else ""
        return found["value"], self._cited.get(source, source) + note
