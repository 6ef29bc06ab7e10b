"""The run folder: written beside its place and moved there whole, so that half a run is none."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvsim.errors import InputError
from kvsim.scenario.load import dump
from kvsim.scenario.run import Result
from kvsim.sim.metrics import ttft_parts
from kvsim.sim.recorder import NEVER
from kvsim.sim.timeline import timeline

if TYPE_CHECKING:
    import pyarrow as pa

INSTANTS = ("admitted", "first_token", "finish", "session", "queue")
"""Columns of requests that may be null."""


def reserve(folder: Path) -> None:
    """Raise InputError if `folder` cannot become a run folder: better before a run than after."""
    taken = folder.exists() and not (folder / "summary.json").is_file()
    if taken and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists and is not a run folder; choose another --out.")
    parent = folder.absolute().parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error.strerror}.") from None


def write(result: Result, folder: Path, finish: Any = None) -> Path:
    """Write everything of a run into `folder`; `finish(draft)` may add files before it is moved."""
    import pyarrow.parquet as pq

    reserve(folder)
    draft = folder.absolute().with_name(f".{folder.name}.unfinished")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    summary = json.dumps(result.summary, indent=2, allow_nan=False)
    (draft / "summary.json").write_text(summary + "\n", encoding="utf-8")
    (draft / "scenario.yaml").write_text(dump(result.machine.scenario), encoding="utf-8")
    for name, table in (("requests", requests), ("spans", spans), ("timeline", over_time)):
        pq.write_table(table(result), draft / f"{name}.parquet", compression="zstd")
    if finish is not None:
        finish(draft)
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)
    return folder


def requests(result: Result) -> "pa.Table":
    """A row a request, in order of id; instants and durations in ns, lengths in tokens."""
    import pyarrow as pa

    facts, recorder = result.facts, result.machine.simulation.recorder
    columns: dict[str, Any] = {
        name: pa.array(column, mask=column == NEVER if name in INSTANTS else None)
        for name, column in facts.requests.items()
    }
    started = facts.requests["first_token"] != NEVER
    for name, part in ttft_parts(facts.requests).items():
        columns[name] = pa.array(part, mask=~started)
    order = facts.order.tolist()
    columns["client"] = pa.array([recorder.clients[row] for row in order], pa.string())
    columns["kind"] = pa.array([recorder.kinds[row] for row in order], pa.string())
    columns["status"] = pa.array(facts.status.tolist(), pa.string())
    columns["reason"] = pa.array([recorder.reasons.get(row) for row in order], pa.string())
    return pa.table(columns)


def spans(result: Result) -> "pa.Table":
    """A row a span: instants in ns, `first` and `growth` of its steps in 2**-20 ns."""
    import pyarrow as pa

    return pa.table(result.facts.spans)


def over_time(result: Result) -> "pa.Table":
    """The run in equal intervals, summed over the cluster."""
    import pyarrow as pa

    columns = timeline(result.facts, result.end, len(result.machine.peaks))
    return pa.table(columns)
