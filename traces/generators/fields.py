"""Reads what a scenario's author wrote into a dataclass; each field's annotation says how.

A field that YAML may set is annotated `Annotated[type, reader]`; a reader takes the value and its
path and returns it checked, or raises InputError. Fields without a reader are not YAML's to set.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from typing import Annotated, Any, TypeVar, cast, get_args, get_origin, get_type_hints

from kvsim import units
from kvsim.errors import InputError, perhaps
from kvsim.units import Ns

Reader = Callable[[Any, str], Any]
"""Value and path in, checked value out."""
T = TypeVar("T")


class FieldError(InputError):
    """A value that cannot stand beside the others; `read` puts the path before its field's name."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(f"{field}: {sentence}")


def read(
    kind: type[T],
    values: object,
    where: str,
    readers: Mapping[str, Reader] | None = None,
    **more: Any,
) -> T:
    """A `kind` made of `values`, and of `more` as it is.

    `readers` replace those of the annotations, by field. Raises InputError for unknown, missing
    and wrong fields, with their path.
    """
    open_fields = _open_fields(kind)
    if not isinstance(values, Mapping):
        allowed = ", ".join(open_fields)
        raise InputError(f"{where}: found {values!r}; write {{field: value}}. Fields: {allowed}.")
    for name in values:
        if name not in open_fields:
            hint = perhaps(str(name), open_fields)
            raise InputError(f"{where}.{name}: there is no such field.{hint}")
    checked = {}
    for name, (field, reader) in open_fields.items():
        path = f"{where}.{name}"
        if name not in values:
            if _required(field):
                raise InputError(f"{path}: is missing, and has no default.")
        elif values[name] is None and _required(field):
            raise InputError(f"{path}: is empty, and has no default.")
        elif values[name] is not None:  # left empty is left out
            checked[name] = (readers or {}).get(name, reader)(values[name], path)
    try:
        return kind(**checked, **more)
    except FieldError as error:
        raise InputError(f"{where}.{error}") from None


def nested(kind: type[Any]) -> Reader:
    """Reads a mapping of fields as the dataclass `kind`."""
    return lambda value, where: read(kind, value, where)


def whole(at_least: int) -> Reader:
    """Reads a whole number."""

    def reader(value: object, where: str) -> int:
        as_number = number(value, where)
        if as_number != int(as_number) or as_number < at_least:
            raise InputError(
                f"{where}: found {value!r}; write a whole number, at least {at_least}."
            )
        return int(as_number)

    return reader


def number(value: object, where: str) -> float:
    """Reads a finite number."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not abs(cast(float, value)) < float("inf"):
        raise InputError(f"{where}: found {value!r}; write a number.")
    return float(cast(float, value))


def between(low: float, high: float) -> Reader:
    """Reads a number from `low` to `high`."""

    def reader(value: object, where: str) -> float:
        found = number(value, where)
        if not low <= found <= high:
            raise InputError(f"{where}: found {value!r}; write a number from {low:g} to {high:g}.")
        return found

    return reader


def one_of(*words: str) -> Reader:
    """Reads one of a few words."""

    def reader(value: object, where: str) -> str:
        if value not in words:
            raise InputError(f"{where}: found {value!r}.{perhaps(str(value), words)}")
        return str(value)

    return reader


def text(value: object, where: str) -> str:
    """Reads a word that is not empty, such as a file's name."""
    if not isinstance(value, str) or not value:
        raise InputError(f"{where}: found {value!r}; write a name.")
    return value


def duration(value: object, where: str) -> Ns:
    """Reads a duration with its unit."""
    try:
        return units.duration(value)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def rate(value: object, where: str) -> float:
    """Reads a rate with its unit, in events per second."""
    try:
        return units.rate(value)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


Count = Annotated[int, whole(1)]
"""A whole number, at least 1."""
Duration = Annotated[Ns, duration]
"""A duration, in YAML with its unit."""


def _open_fields(kind: type[Any]) -> dict[str, tuple["Field[Any]", Reader]]:
    """The fields YAML may set, each with its reader."""
    hints = get_type_hints(kind, include_extras=True)
    found = {}
    for field in fields(kind):
        reader = _reader(hints[field.name])
        if field.init and reader is not None:
            found[field.name] = field, reader
    return found


def _reader(hint: Any) -> Reader | None:
    """The reader in an annotation, or in one part of a union such as `Count | None`."""
    for part in (hint, *get_args(hint)):
        if get_origin(part) is Annotated:
            return cast(Reader, get_args(part)[1])
    return None


def _required(field: "Field[Any]") -> bool:
    return field.default is MISSING and field.default_factory is MISSING
