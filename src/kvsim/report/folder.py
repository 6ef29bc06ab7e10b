"""A run folder, read for people: the summary, the scenario, and tables cut to the measured time."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvsim.errors import InputError
from kvsim.units import SECOND, duration

if TYPE_CHECKING:
    import pandas as pd

TIERS = ("hbm", "dram", "ssd", "remote")
PARTS = ("queue", "load", "prefill", "transfer", "other")
HITS = tuple(f"hit_{tier}" for tier in TIERS)
COLUMNS = {
    "requests": (
        *("id", "replica_prefill", "replica_decode", "prompt_tokens", "output_tokens"),
        *("arrival", "admitted", "first_token", "finish", *HITS, *PARTS),
        *("preemptions", "recomputed", "paused", "status", "reason"),
    ),
    "spans": (
        *("replica", "start", "end", "steps", "decodes", "chunk_tokens"),
        *("running", "waiting", "kv_leased", "kv_cached"),
    ),
    "handoffs": ("offered", "began", "landed"),
    "timeline": (
        *("at", "width", "running", "waiting", "kv_leased", "kv_cached", "prefill_tokens"),
        *("decode_tokens", "arrived", "finished", "prompt_tokens", *HITS),
        *(f"held_{tier}" for tier in TIERS[1:]),
    ),
    "lifetimes": ("tier", "age", "reuses", "bytes"),
}
"""The columns that a report reads of each Parquet file."""
MOVED, BUSY = "bytes:", "busy:"
"""Columns of the timeline for each link: before its name."""
OPTIONAL = ("lifetimes", "handoffs")
"""Tables that no warning asks for."""
WORDS = {"status", "reason", "tier"}
"""Columns that hold text; all others hold numbers, NaN where something has not happened."""


@dataclass(frozen=True)
class RunFolder:
    """What `kvsim run` left behind. Tables that are missing are empty, and named in `missing`."""

    path: Path
    summary: Mapping[str, Any]
    scenario: Mapping[str, Any]
    scenario_text: str
    requests: "pd.DataFrame"
    """Every request; `measured` has those that the summary speaks of."""
    spans: "pd.DataFrame"
    timeline: "pd.DataFrame"
    lifetimes: "pd.DataFrame"
    handoffs: "pd.DataFrame"
    missing: tuple[str, ...] = ()
    window: tuple[int, int | None] = field(default=(0, None))
    """The measured time in ns; None: to the end."""

    @property
    def measured(self) -> "pd.DataFrame":
        """Requests that arrived in the measured time."""
        start, end = self.window
        arrival = self.requests["arrival"]
        inside = arrival >= start if end is None else (arrival >= start) & (arrival < end)
        return self.requests[inside]

    @property
    def end(self) -> int:
        """The last thing known to have happened, in ns."""
        instants = (self.timeline["at"], self.requests["finish"], self.requests["arrival"])
        return int(max((column.max() for column in instants if column.notna().any()), default=0))

    def targets(self, name: str) -> list[tuple[str, float]]:
        """SLO targets called `name` (ttft, tpot), as (class or "", seconds), smallest first.

        Those scaled from what each request takes alone are no one number, and left out.
        """
        given = self.scenario.get("slo")
        entries = given if isinstance(given, list) else [given]
        found = {
            (_named(entry), duration(entry[name]) / SECOND)
            for entry in entries
            if isinstance(entry, Mapping) and not _is_scaled(entry.get(name))
        }
        return sorted(found, key=lambda target: (target[1], target[0]))


def tpot(rows: "pd.DataFrame") -> "pd.Series[float]":
    """Time between tokens in ns, without tool calls; NaN for one token or an unfinished answer."""
    gaps = (rows["output_tokens"] - 1).where(rows["output_tokens"] > 1)
    return (rows["finish"] - rows["first_token"] - rows["paused"].fillna(0)) / gaps


def _named(entry: Mapping[str, Any]) -> str:
    """The conditions of an entry of `slo`."""
    conditions = ("client", "prompt", "output", "turn")
    found = [f"{key} {entry[key]}" for key in conditions if entry.get(key) is not None]
    kind = entry.get("class", entry.get("kind"))
    return ", ".join(found if kind is None else [str(kind), *found])


def _is_scaled(limit: object) -> bool:
    """`5x`, or nothing."""
    return limit is None or str(limit).endswith("x")


def read(path: Path) -> RunFolder:
    """The run in folder `path`. Raises InputError where there is none or it cannot be read."""
    if not path.is_dir():
        raise InputError(f"{path} is not a folder. Give a folder written by `kvsim run --out`.")
    source = path / "summary.json"
    if not source.is_file():
        raise InputError(
            f"{path} has no summary.json, so it is no run folder. "
            "Give a folder written by `kvsim run --out`."
        )
    summary = _mapping(source, json.loads)
    text, scenario = _scenario(path / "scenario.yaml")
    tables = {name: _table(path / f"{name}.parquet", COLUMNS[name]) for name in COLUMNS}
    wanted = (name for name in COLUMNS if name not in OPTIONAL)
    files = (*(f"{name}.parquet" for name in wanted), "scenario.yaml")
    missing = tuple(name for name in files if not (path / name).is_file())
    return RunFolder(
        path, summary, scenario, text, **tables, missing=missing, window=_window(scenario)
    )


def _mapping(path: Path, parse: Any) -> Mapping[str, Any]:
    try:
        found = parse(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} cannot be read: {error}.") from error
    if not isinstance(found, Mapping):
        raise InputError(f"{path} holds {type(found).__name__}, not a mapping of names to values.")
    return found


def _scenario(path: Path) -> tuple[str, Mapping[str, Any]]:
    import yaml

    if not path.is_file():
        return "", {}
    try:
        return path.read_text(encoding="utf-8"), _mapping(path, yaml.safe_load)
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not YAML: {error}.") from error


def _table(path: Path, columns: tuple[str, ...]) -> "pd.DataFrame":
    """Those `columns` of a Parquet file and its links'; one that it lacks is all null."""
    import pandas as pd
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    frame = pd.DataFrame()
    if path.is_file():
        try:
            with ParquetFile(path) as file:
                names = file.schema_arrow.names
                links = [name for name in names if name.startswith((MOVED, BUSY))]
                present = [name for name in columns if name in names] + links
                frame = file.read(columns=present).to_pandas()
        except (ArrowException, OSError) as error:
            raise InputError(f"{path} cannot be read as Parquet: {error}.") from error
    links = [name for name in frame.columns if name not in columns]
    frame = frame.reindex(columns=[*columns, *links])
    numbers = {name: "float64" for name in frame.columns if name not in WORDS}
    return frame.astype(numbers)


def _window(scenario: Mapping[str, Any]) -> tuple[int, int | None]:
    """`measure: {from, to}` in ns."""
    given = scenario.get("measure")
    if not isinstance(given, Mapping):
        return 0, None
    start, end = given.get("from"), given.get("to")
    return duration(start) if start is not None else 0, None if end is None else duration(end)
