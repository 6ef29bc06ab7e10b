"""Recorded runs of real servers: what was asked, when, and when it was answered.

Read are: a folder with `requests.jsonl[.gz]` and `meta.json` (and `timeseries.csv[.gz]`), the JSON
of `vllm bench serve --save-detailed`, and AIPerf's `profile_export.jsonl`.
"""

import csv
import gzip
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from kvsim.errors import InputError

MS, NS = 1e-3, 1e-9


class Served(NamedTuple):
    """One request as it was measured. Instants in seconds from the run's first arrival."""

    prompt_tokens: int
    output_tokens: int
    arrival: float
    asked: float
    """From when its TTFT counts: the engine's own stamp, if there is one."""
    first_token: float
    last_token: float
    blocks: tuple[int, ...] = ()
    block_tokens: int = 0


class Recorded(NamedTuple):
    """A run."""

    name: str
    requests: list[Served]
    meta: dict[str, Any]
    """The engine's arguments, as far as they were recorded."""
    stamped: bool
    """Whether TTFT counts from the engine's stamp, not from the arrival."""
    series: dict[str, list[float]]
    """Over time: `t`, `running`, `waiting`, `kv_cache_pct`; empty if not recorded."""


def recorded(place: Path) -> Recorded:
    """The run in a folder or a file. Raises InputError that says what is missing."""
    if place.is_dir():
        for name in ("requests.jsonl", "requests.jsonl.gz"):
            if (place / name).is_file():
                return _folder(place, place / name)
        for name in ("profile_export.jsonl", "profile_export.jsonl.gz"):
            if (place / name).is_file():
                return _aiperf(place / name)
        raise InputError(
            f"{place} has no requests.jsonl, requests.jsonl.gz or profile_export.jsonl; give a "
            "recorded run's folder, or the JSON of vllm bench serve --save-detailed."
        )
    if not place.is_file():
        raise InputError(f"There is no file or folder {place}.")
    text = _text(place)
    if text.lstrip().startswith("{") and "input_lens" in text:
        return _bench(place, text)
    return _aiperf(place)


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
    except (OSError, UnicodeDecodeError, EOFError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from None


def _rows(path: Path) -> Iterable[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(_text(path).splitlines(), 1):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{place}: not JSON: {error}.") from None
        if not isinstance(row, dict):
            raise InputError(f"{place}: found {line[:40]!r}, which is not a JSON object.")
        yield place, row


def _number(row: dict[str, Any], key: str, place: str) -> float:
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        found = "is missing" if key not in row else f"is {value!r}, not a number"
        raise InputError(f"{place}: the field {key!r} {found}.")
    return float(value)


def _folder(place: Path, path: Path) -> Recorded:
    meta = _meta(place / "meta.json")
    found, stamped = [], True
    for where, row in _rows(path):
        arrival = _number(row, "arrival", where)
        stamped &= "queued" in row
        prompt = int(_number(row, "input_length", where))
        blocks = tuple(row.get("hash_ids") or ())
        found.append(
            Served(
                prompt, int(_number(row, "output_length", where)), arrival,
                _number(row, "queued", where) if "queued" in row else arrival,
                _number(row, "first_token", where), _number(row, "last_token", where),
                blocks, int(row.get("block_tokens") or _block_tokens(meta, prompt, blocks)),
            )
        )  # fmt: skip
    start = min((one.arrival for one in found), default=0.0)
    series = _series(place, start)
    return Recorded(place.resolve().name, _checked(found, path), meta, stamped, series)


def _meta(path: Path) -> dict[str, Any]:
    """The engine's arguments; empty if they were not recorded."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(_text(path))
    except ValueError as error:
        raise InputError(f"{path}: not JSON: {error}.") from None
    if not isinstance(found, dict) or not isinstance(found.get("engine_kwargs") or {}, dict):
        raise InputError(f"{path}: found no JSON object of engine arguments.")
    return found


def _block_tokens(meta: dict[str, Any], prompt: int, blocks: tuple[int, ...]) -> int:
    """Tokens of a block id: the engine's block size, or the power of two that fits."""
    if not blocks:
        return 0
    told = (meta.get("engine_kwargs") or {}).get("block_size")
    if told:
        return int(told)
    size = 16
    while len(blocks) * size < prompt:
        size *= 2
    return size


def _series(place: Path, start: float) -> dict[str, list[float]]:
    """The time series, counted from the first arrival like the requests."""
    for name in ("timeseries.csv", "timeseries.csv.gz"):
        if (place / name).is_file():
            rows = list(csv.DictReader(io.StringIO(_text(place / name))))
            if not rows or "t" not in rows[0]:
                raise InputError(f"{place / name}: there is no column t, or no row.")
            keys = [key for key in ("t", "running", "waiting", "kv_cache_pct") if key in rows[0]]
            try:
                found = {key: [float(row[key]) for row in rows] for key in keys}
            except (TypeError, ValueError) as error:
                raise InputError(
                    f"{place / name}: a number is missing or wrong: {error}."
                ) from None
            return found | {"t": [at - start for at in found["t"]]}
    return {}


def _bench(path: Path, text: str) -> Recorded:
    """Lists that run in parallel over the requests; times in seconds of the client's clock."""
    try:
        run = json.loads(text)
    except ValueError as error:
        raise InputError(f"{path}: not JSON: {error}.") from None
    for key in ("input_lens", "output_lens", "ttfts", "itls", "start_times"):
        if not isinstance(run.get(key), list):
            raise InputError(f"{path}: the list {key!r} is missing; save it with --save-detailed.")
    failed = run.get("errors") or [""] * len(run["start_times"])
    lists = (run["input_lens"], run["output_lens"], run["start_times"], run["ttfts"], run["itls"])
    found = [
        Served(prompt, output, at, at, at + ttft, at + ttft + sum(gaps))
        for prompt, output, at, ttft, gaps, fault in zip(*lists, failed, strict=False)
        if output and not fault
    ]  # fmt: skip
    meta = {"model": run.get("model_id"), "concurrency": run.get("max_concurrency")}
    return Recorded(path.stem, _checked(found, path), meta, False, {})


def _aiperf(path: Path) -> Recorded:
    """A record a line: `metadata.request_start_ns` and `metrics`, each with value and unit."""
    found = []
    for where, row in _rows(path):
        metrics, about = row.get("metrics"), row.get("metadata")
        if not isinstance(metrics, dict) or not isinstance(about, dict):
            raise InputError(f"{where}: no `metrics` and `metadata`: not an AIPerf record.")
        if row.get("error") or about.get("benchmark_phase", "profiling") != "profiling":
            continue

        def metric(name: str, metrics: dict[str, Any] = metrics, where: str = where) -> float:
            part = metrics.get(name)
            if not isinstance(part, dict):
                raise InputError(f"{where}: the metric {name!r} is missing.")
            return _number(part, "value", where)

        at = _number(about, "request_start_ns", where) * NS
        first, last = metric("time_to_first_token") * MS, metric("request_latency") * MS
        lengths = int(metric("input_sequence_length")), int(metric("output_sequence_length"))
        found.append(Served(*lengths, at, at, at + first, at + last))
    return Recorded(path.resolve().parent.name, _checked(found, path), {}, False, {})


def _checked(found: list[Served], path: Path) -> list[Served]:
    """By arrival, the first of which is instant 0."""
    if not found:
        raise InputError(f"{path} holds no finished request.")
    for index, one in enumerate(found):
        if not one.arrival <= one.first_token <= one.last_token:
            raise InputError(f"{path}: request {index} gets its tokens before it arrives.")
    found = sorted(found, key=lambda one: one.arrival)
    start = found[0].arrival
    return [
        one._replace(
            arrival=one.arrival - start, asked=one.asked - start,
            first_token=one.first_token - start, last_token=one.last_token - start,
        )
        for one in found
    ]  # fmt: skip
