"""A run as a trace for ui.perfetto.dev: replicas, requests, links and tiers, each with its tracks.

The format is the Trace Event Format of Chrome's tracing, as JSON: complete slices (X), flows from
slice to slice (s, f), counters (C), names (M). Instants are in microseconds.
"""

import json
from collections.abc import Iterator
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

from kvsim.report.measures import TIERS

Event = dict[str, Any]
Row = dict[str, Any]
REPLICAS, REQUESTS, LINKS, STORES = 1, 2, 3, 4
"""Process numbers of the groups of tracks."""
GROUPS = {REPLICAS: "replicas", REQUESTS: "requests", LINKS: "links", STORES: "tiers"}


def write_perfetto(folder: Path) -> Path:
    """Write `trace.perfetto.json` into a run folder, from the tables in it."""
    tables = {name: _rows(folder, name) for name in ("spans", "requests", "transfers", "handoffs")}
    events = [*_names(tables), *_replicas(tables["spans"]), *_links(tables)]
    events += _requests(tables)
    events += _tiers(_rows(folder, "timeline"))
    events.sort(key=lambda event: (event["ph"] != "M", event.get("ts", 0), -event.get("dur", 0)))
    path = folder / "trace.perfetto.json"
    with path.open("w", encoding="utf-8") as file:
        json.dump({"displayTimeUnit": "ms", "traceEvents": events}, file, separators=(",", ":"))
    return path


def _rows(folder: Path, name: str) -> list[Row]:
    import pyarrow.parquet as pq

    found: list[Row] = pq.read_table(folder / f"{name}.parquet").to_pylist()
    return found


def _names(tables: dict[str, list[Row]]) -> Iterator[Event]:
    """What groups and tracks are called."""
    for pid, name in GROUPS.items():
        yield {"ph": "M", "name": "process_name", "pid": pid, "args": {"name": name}}
    for replica in sorted({span["replica"] for span in tables["spans"]}):
        yield _track(REPLICAS, replica, f"replica {replica}")
    for request in tables["requests"]:
        yield _track(REQUESTS, request["id"], f"request {request['id']}")


def _track(pid: int, tid: int, name: str) -> Event:
    return {"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": name}}


def _slice(pid: int, tid: int, name: str, start: int, end: int, **args: Any) -> Event:
    when = {"ts": start / 1000, "dur": (end - start) / 1000}
    return {"ph": "X", "name": name, "pid": pid, "tid": tid, **when, "args": args}


def _counter(pid: int, name: str, at: float, **values: float) -> Event:
    return {"ph": "C", "name": name, "pid": pid, "tid": 0, "ts": at / 1000, "args": values}


def _replicas(spans: list[Row]) -> Iterator[Event]:
    """Spans, and what a replica has in its queue, in its batch and in memory when one ends."""
    told = ("steps", "decodes", "chunk_tokens", "context")
    for span in spans:
        replica, end = span["replica"], span["end"]
        prompts = "prefill + decode" if span["decodes"] else "prefill"
        name = prompts if span["chunk_tokens"] else "decode"
        args = {name: span[name] for name in told}
        yield _slice(REPLICAS, replica, name, span["start"], end, **args)
        requests = {name: span[name] for name in ("running", "waiting")}
        yield _counter(REPLICAS, f"requests of replica {replica}", end, **requests)
        held = {"leased": span["kv_leased"], "cached": span["kv_cached"]}
        yield _counter(REPLICAS, f"KV bytes of replica {replica}", end, **held)


def _requests(tables: dict[str, list[Row]]) -> Iterator[Event]:
    """The stages of each request, and flows to and from the spans it was admitted to and left."""
    over = max((span["end"] for span in tables["spans"]), default=0)
    spans: dict[int, list[Row]] = {}
    for span in tables["spans"]:
        spans.setdefault(span["replica"], []).append(span)
    stages = ("arrival", "admitted", "first_token", "finish")
    for request in tables["requests"]:
        if request["status"] == "rejected":
            continue
        told = {key: request[key] for key in ("prompt_tokens", "output_tokens", "client", "kind")}
        for name, begin, end in zip(
            ("queue", "prefill", "decode"), stages, stages[1:], strict=False
        ):
            until = over if request[end] is None else request[end]
            if request[begin] is not None and until > request[begin]:
                yield _slice(REQUESTS, request["id"], name, request[begin], until, **told)
        yield from _flows(request, spans.get(request["replica_prefill"], []))
    for row in tables["handoffs"]:
        if row["landed"] is None:
            continue
        parts = (("waiting for room", "offered", "began"), ("on the wire", "began", "landed"))
        for name, begin, end in parts:
            if row[end] > row[begin]:
                yield _slice(REQUESTS, row["request"], name, row[begin], row[end])


def _flows(request: Row, spans: list[Row]) -> Iterator[Event]:
    """From the request to the span it was admitted to; from the span of its first token back."""
    from bisect import bisect_left, bisect_right

    id, track = request["id"], (REQUESTS, request["id"])
    if request["admitted"] is None:
        return
    first = bisect_right(spans, request["admitted"], key=lambda span: int(span["end"]))
    if first < len(spans) and request["arrival"] < spans[first]["end"]:
        at = max(spans[first]["start"], request["admitted"])
        there = (REPLICAS, spans[first]["replica"])
        yield from _flow(2 * id, "admitted", track, request["arrival"], there, at)
    if request["first_token"] is None or request["finish"] in (None, request["first_token"]):
        return
    last = bisect_left(spans, request["first_token"], key=lambda span: int(span["end"]))
    if last < len(spans) and spans[last]["start"] < request["first_token"]:
        begun, there = spans[last]["start"], (REPLICAS, spans[last]["replica"])
        yield from _flow(2 * id + 1, "first token", there, begun, track, request["first_token"])


def _flow(
    id: int, name: str, source: tuple[int, int], begun: int, target: tuple[int, int], ended: int
) -> Iterator[Event]:
    for ph, (pid, tid), at in (("s", source, begun), ("f", target, ended)):
        bound = {"bp": "e"} if ph == "f" else {}
        yield {
            "ph": ph, "id": id, "name": name, "cat": "request", "pid": pid, "tid": tid,
            "ts": at / 1000, **bound,
        }  # fmt: skip


def _links(tables: dict[str, list[Row]]) -> Iterator[Event]:
    """What flowed over each link; what flowed at once has tracks of its own."""
    moved: dict[str, list[tuple[int, int, str, Row]]] = {}
    for table, name in (("transfers", "why"), ("handoffs", None)):
        for row in tables[table]:
            if row["landed"] is None or row["landed"] == row["began"]:
                continue
            for link in row["path"].split(" > "):
                what = row[name] if name else "hand-off"
                moved.setdefault(link, []).append((row["began"], row["landed"], what, row))
    tid = 0
    for link in sorted(moved):
        free: list[tuple[int, int]] = []
        for began, landed, what, row in sorted(moved[link], key=lambda one: one[:2]):
            if free and free[0][0] <= began:
                lane = heappop(free)[1]
            else:
                tid += 1
                lane = tid
                yield _track(LINKS, lane, link)
            heappush(free, (landed, lane))
            told = {"request": row["request"], "bytes": row["bytes"]}
            yield _slice(LINKS, lane, what, began, landed, **told)


def _tiers(timeline: list[Row]) -> Iterator[Event]:
    """Bytes that the tiers below hold, all of a name together."""
    for tier, name in TIERS.items():
        column = f"held_{tier}"
        if any(row.get(column) for row in timeline):
            for row in timeline:
                yield _counter(STORES, f"KV bytes in {name}", row["at"], held=row[column])
