"""A small run folder made by arithmetic: a queue before serial prefill, then a steady decode."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from kvsim.sim.metrics import distribution

SECOND, MS = 10**9, 10**6
PREFILL_NS = 50_000
"""Prefill of one token."""
PACE = 20 * MS
"""Between two tokens with an empty batch; each running request adds a hundredth of it."""
KV_BYTES = 131_072
"""Of one token: 32 layers, 8 KV heads, 128 wide, K and V, two bytes each."""
CAPACITY = 60_000
"""Tokens of KV per replica."""
TIERS = ("hbm", "dram", "ssd", "remote")
PARTS = ("queue", "load", "prefill", "transfer", "other")
TTFT_TARGET, TPOT_TARGET = 2 * SECOND, 30 * MS
SCENARIO = """\
name: tiny
model: llama-3.1-8b
cluster:
  node: {gpu: h100-sxm, gpus: 2}
  pools: [{role: unified, replicas: 2, parallel: {tensor: 1}}]
workload: {open_loop: {rate: 5/s}}
policies:
  router: least_loaded
  scheduler: {chunked_prefill: {tokens: 2048}}
  eviction: {hbm: lru, dram: lru}
slo: {ttft: 2 s, tpot: 30 ms}
measure: {from: 0 s, to: null}
seed: 1
"""


def write_run(
    folder: Path,
    requests: int = 300,
    tiers: tuple[str, ...] = ("hbm",),
    replicas: int = 2,
    status: str | None = None,
) -> Path:
    """Write a run of `requests` to `folder`; `status` makes all of them rejected or waiting."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = _requests(requests, tiers, replicas, status)
    timeline = _timeline(rows)
    rows.to_parquet(folder / "requests.parquet")
    timeline.to_parquet(folder / "timeline.parquet")
    _spans(rows, replicas).to_parquet(folder / "spans.parquet")
    (folder / "scenario.yaml").write_text(SCENARIO)
    (folder / "summary.json").write_text(json.dumps(_summary(rows, timeline, replicas)))
    return folder


def _requests(many: int, tiers: tuple[str, ...], replicas: int, status: str | None) -> pd.DataFrame:
    """First come, first served on each replica; every seventh prompt is long, every 40th stalls."""
    free = [0] * replicas
    rows = []
    for i in range(many):
        arrival = round((i + 4 * np.sin(i / 12)) * SECOND / 5) + SECOND
        prompt = 800 + 37 * (i % 23) + (12_000 if i % 7 == 0 else 0) + (50_000 if i == 150 else 0)
        output = 40 + 17 * (i % 19)
        hits = dict.fromkeys(TIERS, 0)
        for depth, tier in enumerate(tiers):
            hits[tier] = prompt // 4 // (depth + 1) // 16 * 16 if (i + depth) % 3 else 0
        row = {
            "id": i, "session": i // 4, "turn": i % 4, "client": "", "kind": "chat",
            "replica_prefill": i % replicas, "replica_decode": i % replicas,
            "prompt_tokens": prompt, "output_tokens": output, "generated": 0, "arrival": arrival,
            "admitted": None, "first_token": None, "finish": None,
            **{f"hit_{tier}": held for tier, held in hits.items()},
            "preemptions": 0, "recomputed": 0, **dict.fromkeys(PARTS, 0), "paused": 0,
            "status": status or "finished", "reason": None,
        }  # fmt: skip
        if status == "rejected":
            row["reason"] = "prompt longer than max_model_len"
        elif status is None:
            replica = i % replicas
            computed = prompt - sum(hits.values())
            load = 2000 * (hits["dram"] + 4 * hits["ssd"] + 8 * hits["remote"])
            other = 900 * MS if i % 40 == 39 else 2 * MS
            start = max(arrival + 2 * MS, free[replica])
            free[replica] = start + load + computed * PREFILL_NS
            parts = {"queue": start - arrival - 2 * MS, "load": load, "other": other}
            first = free[replica] + other - 2 * MS
            pace = PACE * (3 if i % 40 == 39 else 1) + PACE * (i % 11) // 40
            row |= {
                "admitted": start, "first_token": first, "generated": output,
                "finish": first + (output - 1) * pace, **parts,
                "prefill": first - arrival - sum(parts.values()),
                "preemptions": 2 if i % 40 == 39 else 0, "recomputed": 900 if i % 40 == 39 else 0,
            }  # fmt: skip
        rows.append(row)
    names = [*_COLUMNS] if not rows else None
    frame = pd.DataFrame(rows, columns=names)
    for name in ("admitted", "first_token", "finish"):
        frame[name] = frame[name].astype("Int64")
    return frame


_COLUMNS = (
    "id", "session", "turn", "client", "kind", "replica_prefill", "replica_decode",
    "prompt_tokens", "output_tokens", "generated", "arrival", "admitted", "first_token", "finish",
    *(f"hit_{tier}" for tier in TIERS), "preemptions", "recomputed", *PARTS, "paused", "status",
    "reason",
)  # fmt: skip


def _overlap(start: pd.Series, end: pd.Series, edges: np.ndarray) -> np.ndarray:
    """Mean number of intervals [start, end) open in each bin of `edges`."""
    begun = start.to_numpy(dtype=float, na_value=np.nan)
    ended = end.to_numpy(dtype=float, na_value=np.nan)
    known = ~np.isnan(begun)
    begun, ended = begun[known], np.where(np.isnan(ended[known]), edges[-1], ended[known])
    inside = [np.clip(ended, a, b) - np.clip(begun, a, b) for a, b in pairwise(edges)]
    return np.array([part.sum() for part in inside]) / np.diff(edges)


def _timeline(rows: pd.DataFrame, bins: int = 120) -> pd.DataFrame:
    columns = [
        "at", "width", "running", "waiting", "decodes", "kv_leased", "kv_cached", "prefill_tokens",
        "decode_tokens", "arrived", "finished", "prompt_tokens", *(f"hit_{t}" for t in TIERS),
        "busy",
    ]  # fmt: skip
    if rows.empty:
        return pd.DataFrame(columns=columns)
    last = max(rows["arrival"].max(), rows["finish"].fillna(0).max()) + SECOND
    edges = np.linspace(0, last, bins + 1).astype(np.int64)

    def counted(name: str, weights: pd.Series | None = None) -> np.ndarray:
        known = rows[name].notna()
        weight = None if weights is None else weights[known].to_numpy(dtype=float)
        return np.histogram(rows[name][known].to_numpy(dtype=float), edges, weights=weight)[0]

    queued = rows[rows["status"] != "rejected"]
    computed = rows["prompt_tokens"] - rows[[f"hit_{tier}" for tier in TIERS]].sum(axis=1)
    running = _overlap(rows["admitted"], rows["finish"], edges)
    room = 2 * CAPACITY * KV_BYTES
    leased = np.minimum(running * 2000 * KV_BYTES, room)
    admitted = rows["admitted"].notna()
    frame = pd.DataFrame({
        "at": edges[1:], "width": np.diff(edges), "running": running,
        "waiting": _overlap(queued["arrival"], queued["admitted"], edges),
        "decodes": _overlap(rows["first_token"], rows["finish"], edges),
        "kv_leased": leased,
        "kv_cached": np.minimum(np.arange(bins) * 1500 * KV_BYTES, room - leased),
        "prefill_tokens": counted("first_token", computed),
        "decode_tokens": counted("finish", rows["output_tokens"]),
        "arrived": counted("arrival"), "finished": counted("finish"),
        "prompt_tokens": counted("admitted", rows["prompt_tokens"]),
        **{f"hit_{t}": counted("admitted", rows[f"hit_{t}"].where(admitted, 0)) for t in TIERS},
    })  # fmt: skip
    frame["busy"] = np.clip(frame["running"] / 4, 0, 1)
    return frame[columns]


def _spans(rows: pd.DataFrame, replicas: int) -> pd.DataFrame:
    """A prefill step per request, and a hundred decode steps each second in between."""
    spans = []
    for replica in range(replicas):
        mine = rows[(rows["replica_prefill"] == replica) & rows["first_token"].notna()]
        for row in mine.to_dict("records"):
            end = row["first_token"]
            start = end - row["prefill"]
            spans.append((replica, start, end, 1, row["id"] % 3, row["prompt_tokens"]))
            spans.append((replica, end, end + 100 * MS, 10, 4, 0))
    frame = pd.DataFrame(
        spans, columns=["replica", "start", "end", "steps", "decodes", "chunk_tokens"]
    )
    return frame.assign(
        context=0, running=4, waiting=0, kv_leased=0, kv_cached=0, first=(10 * MS) << 20, growth=0,
        extrapolated=0, flops=10**12, bytes=10**9,
    )  # fmt: skip


def _summary(rows: pd.DataFrame, timeline: pd.DataFrame, replicas: int) -> dict[str, object]:
    served = rows[rows["first_token"].notna()].astype({"first_token": "int64", "finish": "int64"})
    ttft = (served["first_token"] - served["arrival"]) / SECOND
    tpot = (served["finish"] - served["first_token"]) / (served["output_tokens"] - 1) / SECOND
    many = len(rows)
    in_time, steady = ttft <= TTFT_TARGET / SECOND, tpot <= TPOT_TARGET / SECOND
    span = (served["finish"].max() - rows["arrival"].min()) / SECOND if len(served) else 0.0
    per_s = (lambda amount: float(amount) / span) if span else (lambda amount: None)
    share = (lambda met: float(met.sum()) / many) if many else (lambda met: None)
    hits = {tier: int(rows[f"hit_{tier}"].sum()) if len(served) else 0 for tier in TIERS}
    prompt = int(served["prompt_tokens"].sum())
    peak = None if timeline.empty else float((timeline["kv_leased"] + timeline["kv_cached"]).max())
    rejected = int((rows["status"] == "rejected").sum())
    return {
        "requests": {
            "arrived": many, "finished": int((rows["status"] == "finished").sum()),
            "rejected": rejected,
            "rejected_reasons": {"prompt longer than max_model_len": rejected} if rejected else {},
        },
        "duration_s": span,
        "throughput": {
            "requests_per_s": per_s(len(served)), "input_tokens_per_s": per_s(prompt),
            "output_tokens_per_s": per_s(served["output_tokens"].sum()),
        },
        "ttft_s": distribution(ttft.to_numpy()), "tpot_s": distribution(tpot.to_numpy()),
        "itl_s": distribution(tpot.to_numpy()),
        "e2e_s": distribution(((served["finish"] - served["arrival"]) / SECOND).to_numpy()),
        "queue_s": distribution((served["queue"] / SECOND).to_numpy()),
        "ttft_breakdown_s": {
            part: float(served[part].mean()) / SECOND if len(served) else None for part in PARTS
        },
        "slo": {
            "attainment": share(in_time & steady), "goodput_rps": per_s((in_time & steady).sum()),
            "ttft_attainment": share(in_time), "tpot_attainment": share(steady),
        },
        "cache": {
            "prompt_tokens": prompt, "hit_tokens": sum(hits.values()),
            "hit_rate": sum(hits.values()) / prompt if prompt else None, "by_tier": hits,
            "evicted_bytes": 0,
        },
        "transfers": {
            "pcie": {"bytes": hits["dram"] * KV_BYTES, "busy_fraction": 0.1, "queue_s": 0}
        },
        "gpu": {"busy_fraction": 0.8, "mfu": 0.3, "mbu": 0.4},
        "memory": {
            "kv_capacity_tokens": replicas * CAPACITY, "weights_bytes": 16_060_522_496,
            "kv_capacity_bytes": replicas * CAPACITY * KV_BYTES,
            "kv_peak_fraction": peak and peak / (replicas * CAPACITY * KV_BYTES),
        },
        "preemptions": int(rows["preemptions"].sum()),
        "recomputed_tokens": int(rows["recomputed"].sum()),
        "extrapolated_fraction": 0.0,
        "cost": {
            "gpu_hours": 0.04, "usd": 0.1, "usd_by": {"gpu": 0.1},
            "usd_per_million_output_tokens": 1.7,
        },
        "energy": None,
        "simulator": {"wall_s": 0.1, "events": 900, "steps": 3000, "spans": 600},
        "manifest": {
            "version": "0.1.0", "scenario_sha256": "0" * 64, "calibration_sha256": None, "seed": 1,
        },
    }  # fmt: skip
