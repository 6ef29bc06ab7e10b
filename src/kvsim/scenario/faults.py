"""What is wrong with a scenario, said in sentences that name its path."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from kvsim.errors import perhaps
from kvsim.scenario.schema import Scenario

NAMED = "write a name, or {name: {field: value}}"
WANTED: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "string_type": lambda limits: "write text",
    "dict_type": lambda limits: "write {key: value}",
    "model_type": lambda limits: "write {key: value}",
    "tuple_type": lambda limits: "write a list",
    "too_short": lambda limits: f"write at least {limits['min_length']}",
    "too_long": lambda limits: f"write at most {limits['max_length']}",
    "bool_type": lambda limits: "write true or false",
    "bool_parsing": lambda limits: "write true or false",
    "int_type": lambda limits: "write a whole number",
    "int_parsing": lambda limits: "write a whole number",
    "int_from_float": lambda limits: "write a whole number",
    "float_type": lambda limits: "write a number",
    "float_parsing": lambda limits: "write a number",
    "finite_number": lambda limits: "write a finite number",
    "greater_than": lambda limits: f"write a number above {limits['gt']:g}",
    "greater_than_equal": lambda limits: f"write a number from {limits['ge']:g} on",
    "less_than_equal": lambda limits: f"write a number up to {limits['le']:g}",
}
"""Pydantic's names of what is wrong, and what to write instead, given its limits."""


def sentences(error: ValidationError) -> list[str]:
    """One for each thing that is wrong, without what only follows from another."""
    problems = [dict(problem) for problem in error.errors(include_url=False)]
    deepest = [
        problem
        for problem in problems
        if not any(_inside(_path(other), _path(problem)) for other in problems)
    ]
    return list(dict.fromkeys(_say(problem) for problem in deepest))


def _path(problem: dict[str, Any]) -> list[str]:
    """The user's keys down to what is wrong, without pydantic's names for branches of a union."""
    loc: tuple[str | int, ...] = problem["loc"]
    return [str(part) for part in loc if not (isinstance(part, str) and _is_branch(part))]


def _is_branch(part: str) -> bool:
    return part == "str" or "[" in part


def _inside(path: list[str], outer: list[str]) -> bool:
    return len(path) > len(outer) > 0 and path[: len(outer)] == outer


def _say(problem: dict[str, Any]) -> str:
    """One sentence of one of pydantic's findings."""
    parts = _path(problem)
    where, kind, found = ".".join(parts), problem["type"], problem.get("input")
    if kind == "extra_forbidden":
        siblings = _fields(problem["loc"][:-1])
        return f"unknown key {where!r}.{perhaps(str(problem['loc'][-1]), siblings)}"
    if kind == "missing":
        return f"{where!r} is missing."
    if kind == "value_error":
        return f"{where}: {problem['ctx']['error']}" if where else str(problem["ctx"]["error"])
    shown = "nothing" if found is None else repr(found)
    if parts[0] == "policies" and kind in ("string_type", "dict_type"):
        inner = "" if len(parts) <= 2 else f" for {'.'.join(parts[2:])}"
        return f"{'.'.join(parts[:2])}: found {shown}{inner}; {NAMED}."
    if kind == "literal_error":
        allowed = re.findall(r"'([^']*)'", problem["ctx"]["expected"])
        return f"{where}: found {shown}.{perhaps(str(found), allowed)}"
    if kind in WANTED:
        return f"{where}: found {shown}; {WANTED[kind](problem.get('ctx', {}))}."
    return f"{where}: {problem['msg'][:1].lower()}{problem['msg'][1:]}, found {shown}."


def _fields(location: tuple[Any, ...]) -> list[str]:
    """Keys allowed at a path of the schema."""
    part: type[BaseModel] = Scenario
    keys = [key for key in location if isinstance(key, int) or not _is_branch(key)]
    for place, key in enumerate(keys):
        if isinstance(key, int):
            continue
        field = next((f for n, f in part.model_fields.items() if key in (n, f.alias)), None)
        parts = [] if field is None else list(_parts(field.annotation))
        if not parts:
            return []
        in_list = place + 1 < len(keys) and isinstance(keys[place + 1], int)
        part = parts[-1] if in_list else parts[0]
    return [field.alias or name for name, field in part.model_fields.items()]


def _parts(annotation: Any) -> Iterator[type[BaseModel]]:
    """The pieces of a scenario that an annotation allows; those in a list come last."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _parts(inner)
