"""Synthetic workloads: open loop, closed loop, sessions. What a scenario writes after `workload:`.

Nothing heavy is imported here: a generator's module is loaded when a scenario asks for its kind.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from kvsim.errors import InputError, perhaps
from kvsim.traces.request import Workload

__all__ = ["kinds", "workload"]

_CLASSES = {"closed_loop": "ClosedLoop", "open_loop": "OpenLoop", "sessions": "Sessions"}
"""Kind, which is also its module's name, and class."""


def kinds() -> list[str]:
    """The synthetic kinds of workload, alphabetical."""
    return sorted(_CLASSES)


def workload(kind: str, fields: Mapping[str, Any], seed: int) -> Workload:
    """The workload that a scenario writes as `workload: {kind: fields}`.

    Raises InputError, with the path of the field, for whatever cannot be.
    """
    if kind not in _CLASSES:
        allowed = [*kinds(), "trace"]
        raise InputError(f"workload.{kind}: there is no such workload.{perhaps(kind, allowed)}")
    from kvsim.traces.generators.fields import read

    made = getattr(import_module(f"{__name__}.{kind}"), _CLASSES[kind])
    checked: Workload = read(made, fields, f"workload.{kind}", seed=seed)
    return checked
