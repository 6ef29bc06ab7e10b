"""Answers by name: a policy registers itself in one line, and its fields are its YAML."""

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from inspect import cleandoc
from typing import Any, Generic, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from kvsim.errors import InputError, perhaps
from kvsim.units import duration, size

Question = TypeVar("Question")
Spec = str | Mapping[str, Mapping[str, Any] | None]
"""A policy's name, or `{name: {field: value}}`."""


class Parameter(NamedTuple):
    """A field of a policy that a scenario may set."""

    name: str
    type: str
    default: Any


class Description(NamedTuple):
    """What `kvsim policies` prints of one answer."""

    question: str
    name: str
    summary: str
    text: str
    parameters: tuple[Parameter, ...]
    needs: frozenset[str]
    """`{"future"}` for an oracle, which no real system can be."""


class Registry(Generic[Question]):
    """The answers to one question."""

    def __init__(self, question: str) -> None:
        self.question = question
        self._answers: dict[str, type[Any]] = {}

    def register(self, name: str) -> Callable[[type[Question]], type[Question]]:
        """Class decorator: `name` is what a scenario calls this answer."""

        def keep(answer: type[Question]) -> type[Question]:
            if name in self._answers and self._answers[name].__module__ != answer.__module__:
                raise InputError(f"two answers to {self.question!r} are called {name!r}.")
            self._answers[name] = answer
            return answer

        return keep

    def names(self) -> list[str]:
        """Every answer's name, alphabetical."""
        return sorted(self._answers)

    def answer(self, name: str) -> type[Any]:
        """The class behind a name. Raises InputError for a name nobody registered."""
        if name not in self._answers:
            raise InputError(f"there is no {self.question} {name!r}.{perhaps(name, self.names())}")
        return self._answers[name]

    def make(self, spec: Spec) -> Question:
        """A fresh answer. Raises InputError for unknown names, unknown fields and wrong types."""
        name, values = self._read(spec)
        answer = self.answer(name)
        hints = get_type_hints(answer)
        open_fields = {f.name: f for f in _settable(answer)}
        where = f"{self.question} {name!r}"
        checked = {}
        for key, value in values.items():
            if key not in open_fields:
                hint = perhaps(key, open_fields) if open_fields else " It has none."
                raise InputError(f"{where} has no field {key!r}.{hint}")
            checked[key] = _checked(value, hints[key], f"{where}: {key}")
        missing = [f.name for f in open_fields.values() if _required(f) and f.name not in values]
        if missing:
            raise InputError(f"{where} needs {', '.join(missing)}.")
        made: Question = answer(**checked)
        return made

    def describe(self, name: str) -> Description:
        """What an answer is, in words, with its parameters."""
        answer = self.answer(name)
        hints = get_type_hints(answer)
        text = cleandoc(answer.__doc__ or "")
        parameters = tuple(
            Parameter(f.name, _spelled(hints[f.name]), None if _required(f) else f.default)
            for f in _settable(answer)
        )
        needs: frozenset[str] = getattr(answer, "needs", frozenset())
        return Description(self.question, name, text.split("\n")[0], text, parameters, needs)

    def _read(self, spec: object) -> tuple[str, Mapping[str, Any]]:
        if isinstance(spec, str):
            return spec, {}
        if isinstance(spec, Mapping) and len(spec) == 1:
            name, values = next(iter(spec.items()))
            if isinstance(name, str) and (values is None or isinstance(values, Mapping)):
                return name, values or {}
        raise InputError(
            f"{self.question}: found {spec!r}; write a name, or {{name: {{field: value}}}}."
        )


def _settable(answer: type[Any]) -> tuple["Field[Any]", ...]:
    return tuple(f for f in fields(answer) if f.init)


def _required(field: "Field[Any]") -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _spelled(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint)


def _checked(value: Any, hint: Any, where: str) -> Any:
    """`value` as a field's type wants it; ints may be given as text with a unit."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in inner:
            return None
        return _checked(value, next(h for h in inner if h is not type(None)), where)
    if origin is tuple and isinstance(value, list):
        return tuple(_checked(item, inner[0], where) for item in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is int and isinstance(value, str):
        return _quantity(value, where)
    if isinstance(hint, type) and isinstance(value, hint):
        if hint is bool or not isinstance(value, bool):
            return value
    elif not isinstance(hint, type):
        if origin is not None and inner and value not in inner:  # a Literal
            raise InputError(f"{where}: found {value!r}.{perhaps(str(value), map(str, inner))}")
        return value
    raise InputError(f"{where}: found {value!r}, which is not of type {_spelled(hint)}.")


def _quantity(text: str, where: str) -> int:
    for read in (duration, size):
        try:
            return read(text)
        except InputError:
            continue
    raise InputError(f"{where}: found {text!r}; write a number, '50 ms' or '4 GiB'.")
