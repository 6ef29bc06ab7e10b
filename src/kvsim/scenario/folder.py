"""The run folder: written beside its place and moved there whole, so that half a run is none."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvsim.errors import InputError
from kvsim.scenario.load import dump
from kvsim.scenario.run import Result
from kvsim.sim.metrics import ttft_parts
from kvsim.sim.recorder import NEVER, TIERS, WHY
from kvsim.sim.timeline import timeline

if TYPE_CHECKING:
    import pyarrow as pa

INSTANTS = ("admitted", "first_token", "finish", "session", "queue")
"""Columns of requests that may be null."""
FILES = (
    "summary.json", "scenario.yaml", "requests.parquet", "spans.parquet", "timeline.parquet",
    "transfers.parquet", "handoffs.parquet", "lifetimes.parquet", "report.html",
    "trace.perfetto.json",
)  # fmt: skip
"""What a run folder holds."""


def reserve(folder: Path) -> None:
    """Raise InputError if `folder` cannot become a run folder: better before a run than after."""
    if folder.exists():
        is_run = (folder / "summary.json").is_file()
        found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        if not folder.is_dir() or (found and not is_run):
            raise InputError(f"{folder} exists and is not a run folder; choose another --out.")
        for name in found:
            if name not in FILES:
                raise InputError(
                    f"{folder} would be replaced, and holds {name!r}, which is of no run; move it "
                    "away, or choose another --out."
                )
    draft = _beside(folder, "unfinished")
    try:
        draft.parent.mkdir(parents=True, exist_ok=True)
        draft.mkdir(exist_ok=True)
        draft.rmdir()
    except OSError as error:
        if draft.is_dir():
            return  # left there by a run that was killed
        raise InputError(f"{folder} cannot be made: {error.strerror}.") from None


def write(result: Result, folder: Path, finish: Any = None) -> Path:
    """Write everything of a run into `folder`; `finish(draft)` may add files before it is moved.

    Whatever goes wrong, `folder` is what it was, or the whole run.
    """
    reserve(folder)
    draft, earlier = _beside(folder, "unfinished"), _beside(folder, "replaced")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.rmtree(earlier, ignore_errors=True)
    draft.mkdir()
    try:
        _fill(result, draft)
        if finish is not None:
            finish(draft)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    place = folder.resolve()
    if place.exists():
        place.rename(earlier)
    draft.rename(place)
    shutil.rmtree(earlier, ignore_errors=True)
    return folder


def _fill(result: Result, draft: Path) -> None:
    import pyarrow.parquet as pq

    summary = json.dumps(result.summary, indent=2, allow_nan=False)
    (draft / "summary.json").write_text(summary + "\n", encoding="utf-8")
    (draft / "scenario.yaml").write_text(dump(result.machine.scenario), encoding="utf-8")
    tables = {
        "requests": requests, "spans": spans, "timeline": over_time, "transfers": transfers,
        "handoffs": handoffs,
        "lifetimes": lifetimes,
    }  # fmt: skip
    for name, table in tables.items():
        pq.write_table(table(result), draft / f"{name}.parquet", compression="zstd")


def _beside(folder: Path, word: str) -> Path:
    """A hidden neighbour of `folder`, on the same disk."""
    place = folder.resolve()
    return place.with_name(f".{place.name}.{word}")


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


def transfers(result: Result) -> "pa.Table":
    """A row a transfer, in order of sending: instants in ns, `head` and `tokens` of the request.

    A store that was refused has neither begun nor landed; `why` says for want of what.
    """
    import pyarrow as pa

    rows = result.facts.transfers
    why, tier = (pa.array(names, pa.string()) for names in (WHY, TIERS))
    paths = pa.array([" > ".join(path) for path in result.facts.paths], pa.string())
    refused = rows["why"] >= WHY.index("backlog")
    masked = {"began": refused, "landed": rows["landed"] == NEVER}
    columns = {name: pa.array(values, mask=masked.get(name)) for name, values in rows.items()}
    for name, words in (("why", why), ("tier", tier), ("path", paths)):
        columns[name] = pa.DictionaryArray.from_arrays(rows[name], words)
    return pa.table(columns)


def handoffs(result: Result) -> "pa.Table":
    """A row a hand-off from a prefill to a decode instance: instants in ns.

    Offered with its first token, begun when there was room for it, landed unless it was called off.
    """
    import pyarrow as pa

    rows = result.facts.handoffs
    paths = pa.array([" > ".join(path) for path in result.facts.wires], pa.string())
    columns = {n: pa.array(v, mask=v == NEVER) for n, v in rows.items()}
    columns["path"] = pa.DictionaryArray.from_arrays(rows["path"], paths)
    return pa.table(columns)


def lifetimes(result: Result) -> "pa.Table":
    """Bytes by tier, by whether they were evicted or kept to the end, and by their use.

    `age` is the least of its class (`kvsim.sim.lifetime.AGES`), in ns from being stored to the
    last look-up that found them; `reuses` counts these.
    """
    import pyarrow as pa

    trees = [("hbm", engine.memory.tree) for engine in result.machine.simulation.cluster.engines]
    trees += [(tier.name, tier.tree) for tier in result.machine.room.tiers.values()]
    found: dict[tuple[str, str, int, int], int] = {}
    for tier, tree in trees:
        for fate, counted in (("evicted", tree.left), ("kept", tree.staying())):
            for age, reuses, size in counted.rows():
                key = tier, fate, age, reuses
                found[key] = found.get(key, 0) + size
    rows = [(*key, size) for key, size in found.items()]
    columns = list(zip(*rows, strict=True)) or [()] * 5
    types = (pa.string(), pa.string(), pa.int64(), pa.int64(), pa.int64())
    arrays = [pa.array(column, kind) for column, kind in zip(columns, types, strict=True)]
    return pa.table(arrays, names=["tier", "fate", "age", "reuses", "bytes"])
