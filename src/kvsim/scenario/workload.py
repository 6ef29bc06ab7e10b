"""Where a scenario's requests come from: a recorded trace, or a generator."""

from inspect import signature
from typing import Any

from kvsim.errors import InputError, perhaps
from kvsim.scenario.schema import Scenario
from kvsim.traces import open_trace
from kvsim.traces.generators import kinds
from kvsim.traces.generators import workload as generated
from kvsim.traces.request import Workload


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
    if "file" not in fields:
        raise InputError("workload.trace.file is missing: a path, or --trace FILE.")
    rest = {key: value for key, value in fields.items() if key != "file"}
    return open_trace(str(fields["file"]), seed=seed, **rest)
