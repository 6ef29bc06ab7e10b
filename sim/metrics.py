"""Numbers from facts: pure functions from the recorder's columns to what a user measures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kvsim.sim.recorder import (
    CAST_COLUMNS,
    FLEET_COLUMNS,
    HANDOFF_COLUMNS,
    LEVEL_COLUMNS,
    LOOKUP_COLUMNS,
    NEVER,
    OFF,
    REQUEST_COLUMNS,
    SPAN_COLUMNS,
    TIERS,
    TRANSFER_COLUMNS,
    Recorder,
)  # fmt: skip
from kvsim.sim.timing import FRACTION
from kvsim.units import SECOND, Ns

if TYPE_CHECKING:
    from array import array

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

NO_LIMIT = float(1 << 62)
"""ns that nothing takes."""
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True)
class Targets:
    """Service-level objectives; None is met by everything."""

    ttft: Ns | None = None
    tpot: Ns | None = None
    kind: str | None = None
    """The class of requests they are for; None: those that no other is for."""


@dataclass(frozen=True)
class Facts:
    """The recorder's columns as arrays, by name."""

    requests: "dict[str, Ints]"
    spans: "dict[str, Ints]"
    status: "NDArray[np.str_]"
    kinds: "NDArray[np.str_]"
    gaps: "Ints"
    stalls: "Ints"
    """Rows of: time between two tokens of which steps passed without one, the last step's time in
    it, sequences."""
    order: "Ints"
    """Rows of the recorder, in the order used here."""
    lookups: "dict[str, Ints]"
    transfers: "dict[str, Ints]"
    """In order of their beginning, the refused ones too."""
    handoffs: "dict[str, Ints]"
    """KV that went from prefill to decode instances."""
    fleet: "dict[str, Ints]"
    """What became of replicas of pools that change their size."""
    casts: "dict[str, Ints]"
    """Replicas that changed their role, and when they were told to."""
    levels: "dict[str, Ints]"
    """What each tier holds, from an instant on."""
    paths: tuple[tuple[str, ...], ...]
    """Names of the links of each path."""

    @classmethod
    def of(cls, recorder: Recorder) -> "Facts":
        """What `recorder` has heard, requests in order of id, spans in order of their end."""
        requests = _columns(recorder.requests, REQUEST_COLUMNS)
        order = np.argsort(requests["id"], kind="stable")
        return cls(
            requests={name: column[order] for name, column in requests.items()},
            spans=_columns(recorder.spans, SPAN_COLUMNS),
            status=np.array(recorder.statuses, dtype=np.str_)[order],
            kinds=np.array(recorder.kinds, dtype=np.str_)[order],
            gaps=np.array(recorder.gaps, dtype=np.int64),
            stalls=np.array(recorder.stalls, dtype=np.int64).reshape(-1, 3),
            order=order,
            lookups=_columns(recorder.lookups, LOOKUP_COLUMNS),
            transfers=_columns(recorder.transfers, TRANSFER_COLUMNS),
            handoffs=_columns(recorder.handoffs, HANDOFF_COLUMNS),
            fleet=_columns(recorder.fleet, FLEET_COLUMNS),
            casts=_columns(recorder.casts, CAST_COLUMNS),
            levels=_columns(recorder.levels, LEVEL_COLUMNS),
            paths=tuple(recorder.paths),
        )

    def within(self, start: Ns, end: Ns | None) -> "Facts":
        """Requests that arrived in [start, end) and steps that ended in it: no warm-up."""
        if start == 0 and end is None:
            return self
        last = np.iinfo(np.int64).max if end is None else end
        arrived = (self.requests["arrival"] >= start) & (self.requests["arrival"] < last)
        return replace(
            self,
            requests={name: column[arrived] for name, column in self.requests.items()},
            spans=_steps_within(self.spans, start, last),
            status=self.status[arrived],
            kinds=self.kinds[arrived],
            order=self.order[arrived],
        )


def _columns(rows: "array[int]", names: tuple[str, ...]) -> "dict[str, Ints]":
    """Flat rows as columns by name."""
    table = np.array(rows, dtype=np.int64).reshape(-1, len(names))
    return {name: table[:, index] for index, name in enumerate(names)}


def _steps_within(spans: "dict[str, Ints]", start: Ns, end: Ns) -> "dict[str, Ints]":
    """Spans cut to the steps that end in (start, end]; FLOPs and bytes are shared out evenly."""
    touching = (spans["end"] > start) & (spans["start"] < end)
    found = {name: column[touching] for name, column in spans.items()}
    for row in np.flatnonzero((found["start"] < start) | (found["end"] > end)).tolist():
        begun, steps, first, growth = (
            int(found[name][row]) for name in ("start", "steps", "first", "growth")
        )
        index = np.arange(1.0, steps + 1)
        ends = begun + (index * first + index * (index - 1) / 2 * growth) // (1 << FRACTION)
        before, taken = int((ends <= start).sum()), int((ends <= end).sum())
        found["start"][row] = ends[before - 1] if before else begun
        found["end"][row] = ends[taken - 1] if taken else begun
        found["steps"][row] = taken - before
        found["first"][row] = first + before * growth
        for name in ("flops", "bytes"):
            found[name][row] = found[name][row] * (taken - before) // steps
    return {name: column[found["steps"] > 0] for name, column in found.items()}


def distribution(values: "Floats", weights: "Floats | None" = None) -> dict[str, float | None]:
    """Mean, quantiles, maximum; a quantile is the least value with that share at or below."""
    if not len(values):
        return dict.fromkeys(("mean", *QUANTILES, "max"))
    order = np.argsort(values, kind="stable")
    values = values[order]
    weights = np.ones(len(values)) if weights is None else weights[order]
    share = np.cumsum(weights)
    total = share[-1]
    found: dict[str, float | None] = {"mean": float((values * weights).sum() / total)}
    for name, level in QUANTILES.items():
        found[name] = float(values[min(np.searchsorted(share, level * total), len(values) - 1)])
    found["max"] = float(values[-1])
    return found


def latencies(facts: Facts) -> dict[str, dict[str, float | None]]:
    """TTFT, TPOT, ITL, end-to-end and queueing time, in seconds."""
    requests = facts.requests
    done = facts.status == "finished"
    started = requests["first_token"] != NEVER
    admitted = requests["admitted"] != NEVER
    steps, weights = token_intervals(facts)
    return {
        "ttft_s": distribution(ttft(requests)[started] / SECOND),
        "tpot_s": distribution(tpot(requests)[done & (requests["output_tokens"] > 1)] / SECOND),
        "itl_s": distribution(steps / SECOND, weights),
        "e2e_s": distribution((requests["finish"] - requests["arrival"])[done] / SECOND),
        "queue_s": distribution(requests["queue"][admitted] / SECOND),
    }


def ttft(requests: "dict[str, Ints]") -> "Ints":
    """First token minus arrival in ns; meaningless where there is no first token."""
    return requests["first_token"] - requests["arrival"]


def tpot(requests: "dict[str, Ints]") -> "Floats":
    """(Last minus first token, less tool calls) / (output - 1) in ns; 0 for one token: met."""
    duration = requests["finish"] - requests["first_token"] - requests["paused"]
    return duration / np.maximum(requests["output_tokens"] - 1, 1)


def token_intervals(facts: Facts) -> "tuple[Floats, Floats]":
    """Every time between two tokens of a sequence, in ns, and how many tokens had it."""
    spans = facts.spans
    decoding = spans["decodes"] > 0
    steps = spans["steps"][decoding]
    index = np.arange(steps.sum()) - np.repeat(np.cumsum(steps) - steps, steps)
    first, growth = (np.repeat(spans[name][decoding], steps) for name in ("first", "growth"))
    times = (first + growth * index) / (1 << FRACTION)
    weights = np.repeat(spans["decodes"][decoding], steps).astype(np.float64)
    whole, last, many = facts.stalls.T
    # what was held waited for whole, not for its last step alone
    times = np.concatenate((times, facts.gaps, whole, last))
    return times, np.concatenate((weights, np.ones(len(facts.gaps)), many, -many))


def handoffs(facts: Facts) -> dict[str, Any] | None:
    """KV handed from prefill to decode instances: waiting for room there, flowing; seconds, bytes.

    None where nothing was handed over.
    """
    rows = facts.handoffs
    landed = rows["landed"] != NEVER
    if not landed.any():
        return None
    return {
        "requests": int(landed.sum()),
        "bytes": int(rows["bytes"][landed].sum()),
        "room_s": distribution((rows["began"] - rows["offered"])[landed] / SECOND),
        "transfer_s": distribution((rows["landed"] - rows["began"])[landed] / SECOND),
    }


def breakdown(facts: Facts) -> dict[str, float | None]:
    """Mean parts of TTFT in seconds; they are disjoint and add up to its mean."""
    started = facts.requests["first_token"] != NEVER
    if not started.any():
        return dict.fromkeys(("queue", "load", "prefill", "transfer", "other"))
    parts = {name: column[started] for name, column in ttft_parts(facts.requests).items()}
    return {name: float(column.mean()) / SECOND for name, column in parts.items()}


def ttft_parts(requests: "dict[str, Ints]") -> "dict[str, Ints]":
    """Per request, in ns: waiting, parked for KV, in steps, handed over, and everything else."""
    zero = np.zeros_like(requests["queue"])
    waited = requests["queue"] + requests["load"] + requests["other"]
    return {
        "queue": requests["queue"],
        "load": requests["load"],
        "prefill": ttft(requests) - waited,
        "transfer": zero,
        "other": requests["other"],
    }


def attainment(facts: Facts, targets: "Sequence[Targets]", now: Ns) -> "tuple[Bools, Bools]":
    """Per arrived request: TTFT met, TPOT met. Rejected, or unfinished and late, is a miss.

    Unfinished and not yet late counts as met so far.
    """
    requests = facts.requests
    rejected = facts.status == "rejected"
    done = facts.status == "finished"
    started = requests["first_token"] != NEVER
    waited = np.where(started, ttft(requests), now - requests["arrival"])
    in_time = ~rejected & (waited <= _limits(facts, targets, "ttft"))
    seen = np.where(done, requests["finish"], _last_heard(facts, now))
    since = seen - requests["first_token"] - requests["paused"]
    tokens = np.where(done, requests["output_tokens"], requests["generated"]) - 1
    pace_kept = since <= _limits(facts, targets, "tpot") * np.maximum(tokens, 0)
    steady = ~rejected & (~started | (done & (tokens <= 0)) | pace_kept)
    return in_time, steady


def _limits(facts: Facts, targets: "Sequence[Targets]", name: str) -> "Floats":
    """Per request: the target of its class in ns; out of reach without one."""
    limits = np.full(len(facts.kinds), NO_LIMIT)
    for one in sorted(targets, key=lambda one: one.kind is not None):
        limit: Ns | None = getattr(one, name)
        mine = slice(None) if one.kind is None else facts.kinds == one.kind
        limits[mine] = NO_LIMIT if limit is None else limit
    return limits


def _last_heard(facts: Facts, now: Ns) -> "Ints":
    """Per request: the end of its replica's last span, up to which its tokens are counted."""
    spans, replica = facts.spans, facts.requests["replica_decode"]
    heard = np.full(max(replica.max(initial=0), spans["replica"].max(initial=0)) + 1, -1)
    np.maximum.at(heard, spans["replica"], spans["end"])
    last: Ints = np.where(heard < 0, now, heard)[replica]
    return last


def summarize(
    facts: Facts, targets: "Sequence[Targets]", start: Ns, end: Ns | None, now: Ns
) -> dict[str, Any]:
    """Everything in `summary.json` that follows from facts alone."""
    facts = facts.within(start, end)
    requests, spans = facts.requests, facts.spans
    done = facts.status == "finished"
    first, last = interval(facts, start, end)
    duration = (last - first) / SECOND
    in_time, steady = attainment(facts, targets, now)
    good = int((in_time & steady & done).sum())
    arrived = len(done)
    prompt = int(requests["prompt_tokens"][requests["admitted"] != NEVER].sum())
    by_tier = {tier: int(requests[f"hit_{tier}"].sum()) for tier in TIERS}
    hits = sum(by_tier.values())

    def per_second(amount: float) -> float | None:
        return amount / duration if duration else None

    def share(met: "Bools") -> float | None:
        return float(met.mean()) if arrived else None

    return {
        "requests": {
            "arrived": arrived,
            "finished": int(done.sum()),
            "rejected": int((facts.status == "rejected").sum()),
        },
        "duration_s": duration,
        "throughput": {
            "requests_per_s": per_second(int(done.sum())),
            "input_tokens_per_s": per_second(int(requests["prompt_tokens"][done].sum())),
            "output_tokens_per_s": per_second(int(requests["output_tokens"][done].sum())),
        },
        **latencies(facts),
        "ttft_breakdown_s": breakdown(facts),
        "slo": {
            "attainment": share(in_time & steady),
            "goodput_rps": per_second(good),
            "ttft_attainment": share(in_time),
            "tpot_attainment": share(steady),
        },
        "cache": {
            "prompt_tokens": prompt,
            "hit_tokens": hits,
            "hit_rate": hits / prompt if prompt else None,
            "by_tier": by_tier,
        },
        "handoff": handoffs(facts),
        "preemptions": int(requests["preemptions"].sum()),
        "recomputed_tokens": int(requests["recomputed"].sum()),
        "extrapolated_fraction": _share(spans["steps"], spans["extrapolated"]),
    }


def interval(facts: Facts, start: Ns, end: Ns | None) -> tuple[Ns, Ns]:
    """The part that is measured: as asked, else from the first arrival to the last finish."""
    requests = facts.requests
    if end is not None:
        return start, end
    if not len(requests["id"]):
        return start, start
    first = start if start else int(requests["arrival"].min())
    return first, max(first, int(requests["finish"].max()))


def powered(facts: Facts, replicas: int, start: Ns, end: Ns) -> list[float]:
    """Share of [start, end) in which each replica was starting, up or draining: what it costs."""
    shares = [1.0] * replicas
    rows = facts.fleet
    for index in np.unique(rows["replica"]).tolist():
        mine = rows["replica"] == index
        since = np.clip(rows["at"][mine], start, end)
        lasting = np.diff(np.append(since, end))
        on = int(lasting[rows["state"][mine] != OFF].sum())
        shares[index] = on / (end - start) if end > start else 1.0
    return shares


def _share(weights: "Ints", flags: "Ints") -> float | None:
    total = int(weights.sum())
    return float((weights * flags).sum() / total) if total else None
