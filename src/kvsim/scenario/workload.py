"""Where a scenario's requests come from: a recorded trace, or a generator."""

import re
from inspect import signature
from pathlib import Path
from typing import Any

from kvsim.errors import InputError, perhaps
from kvsim.scenario.schema import Scenario
from kvsim.traces import open_trace
from kvsim.traces.generators import kinds
from kvsim.traces.generators import workload as generated
from kvsim.traces.request import Workload
from kvsim.units import Ns, duration

INSTANTS = ("begin", "end")
"""Fields of a trace that are written with a unit."""


def workload(scenario: Scenario) -> Workload:
    """The scenario's workload. Raises InputError with the path of what is wrong."""
    ((kind, fields),) = scenario.workload.items()
    if kind == "trace":
        return _recorded(fields, scenario.seed)
    if kind not in kinds():
        allowed = ["trace", *kinds()]
        raise InputError(f"workload: there is no kind {kind!r}.{perhaps(kind, allowed)}")
    return generated(kind, fields, scenario.seed)


def _recorded(fields: dict[str, Any], seed: int) -> Workload:
    allowed = [name for name in signature(open_trace).parameters if name not in ("path", "seed")]
    for key in fields:
        if key not in ("file", *allowed):
            raise InputError(f"workload.trace: unknown key {key!r}.{perhaps(key, allowed)}")
    if fields.get("file") is None:
        raise InputError("workload.trace.file is missing: a path, or --trace FILE.")
    file = fields["file"]
    if not isinstance(file, str):
        raise InputError(f"workload.trace.file: found {file!r}; write a path.")
    if not Path(file).exists():
        raise InputError(f"workload.trace.file: there is no file {file!r}.")
    rest = {key: value for key, value in fields.items() if key != "file" and value is not None}
    try:
        rest |= {name: _instant(name, rest[name]) for name in INSTANTS if name in rest}
        return open_trace(file, seed=seed, **rest)
    except InputError as fault:
        field = re.match(r"\w*", str(fault))
        is_inside = field is not None and field[0] in allowed
        raise InputError(f"workload.trace.{fault}" if is_inside else str(fault)) from None


def _instant(name: str, value: object) -> Ns:
    try:
        return duration(value)
    except InputError as fault:
        raise InputError(f"{name}: {fault}") from None
