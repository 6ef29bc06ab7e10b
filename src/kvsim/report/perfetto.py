"""A run as a trace for ui.perfetto.dev: spans by replica, the stages of each request by session."""

import json
from pathlib import Path
from typing import Any

REPLICAS, REQUESTS = 1, 2
"""Process numbers of the two groups of tracks."""


def write_perfetto(folder: Path) -> Path:
    """Write `trace.perfetto.json` (Chrome trace events; instants in µs) into a run folder."""
    import pyarrow.parquet as pq

    events: list[dict[str, Any]] = [
        {"ph": "M", "name": "process_name", "pid": pid, "args": {"name": name}}
        for pid, name in ((REPLICAS, "replicas"), (REQUESTS, "requests"))
    ]
    for span in pq.read_table(folder / "spans.parquet").to_pylist():
        kind = "prefill + decode" if span["chunk_tokens"] else "decode"
        told = ("steps", "decodes", "chunk_tokens", "context", "running", "waiting")
        events.append(
            {
                "ph": "X",
                "name": kind,
                "pid": REPLICAS,
                "tid": span["replica"],
                **_when(span["start"], span["end"]),
                "args": {name: span[name] for name in told},
            }
        )
    for request in pq.read_table(folder / "requests.parquet").to_pylist():
        stages = ("arrival", "admitted", "first_token", "finish")
        for name, begin, end in zip(
            ("queue", "prefill", "decode"), stages, stages[1:], strict=False
        ):
            if request[end] is None:
                break
            events.append(
                {
                    "ph": "X",
                    "name": name,
                    "pid": REQUESTS,
                    "tid": request["id"],
                    **_when(request[begin], request[end]),
                    "args": {key: request[key] for key in ("prompt_tokens", "output_tokens")},
                }
            )
    path = folder / "trace.perfetto.json"
    path.write_text(json.dumps({"traceEvents": events}), encoding="utf-8")
    return path


def _when(start: int, end: int) -> dict[str, float]:
    return {"ts": start / 1000, "dur": (end - start) / 1000}
