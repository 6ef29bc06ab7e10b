"""The same requests, faster or slower: common random numbers for every probe of a search."""

from typing import Any

from kvsim.errors import InputError
from kvsim.scenario import Scenario
from kvsim.scenario.load import parse
from kvsim.units import rate

RATED = ("open_loop", "sessions")


def scaled(scenario: Scenario, factor: float) -> Scenario:
    """`scenario` with its requests coming `factor` times as fast; their contents stay the same.

    Raises InputError for a workload that has no rate.
    """
    ((kind, fields),) = scenario.workload.items()
    changed: dict[str, Any] = dict(fields)
    if kind == "trace":
        changed["rate_scale"] = float(fields.get("rate_scale") or 1.0) * factor
    elif kind in RATED:
        if not isinstance(fields.get("rate"), str | int | float):
            raise InputError(f"workload.{kind}.rate: only a single rate can be searched for.")
        changed["rate"] = f"{rate(fields['rate']) * factor!r}/s"
    else:
        raise InputError(
            f"workload.{kind} has no rate: requests follow answers. Use open_loop, sessions or a "
            "trace."
        )
    document = scenario.model_dump(mode="json", by_alias=True)
    document["workload"] = {kind: changed}
    return parse(document, scenario.name)
