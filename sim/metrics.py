"""Numbers from facts: pure functions from the recorder's columns to what a user measures."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kvsim.sim.objectives import Objectives, all_of, mean
from kvsim.sim.recorder import (
    CAST_COLUMNS,
    CAUSES,
    CLAIM_COLUMNS,
    FLEET_COLUMNS,
    HANDOFF_COLUMNS,
    LEVEL_COLUMNS,
    LOOKUP_COLUMNS,
    NEVER,
    OFF,
    PREEMPTION_COLUMNS,
    REQUEST_COLUMNS,
    RESAMPLED_COLUMNS,
    SPAN_COLUMNS,
    STAY_COLUMNS,
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

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True)
class Facts:
    """The recorder's columns as arrays, by name."""

    requests: "dict[str, Ints]"
    spans: "dict[str, Ints]"
    status: "NDArray[np.str_]"
    kinds: "NDArray[np.str_]"
    clients: "NDArray[np.str_]"
    resampled: "dict[str, Ints]"
    """Tokens that a prompt computed again, or with a tool's answer, ended with; `since`: of those
    preempted, the token before."""
    stays: "dict[str, Ints]"
    """Who was in a decode batch, after and up to which of its steps; empty if nobody asked."""
    claims: "dict[str, Ints]"
    """What each request's room was and how much of it in use; empty if nobody asked."""
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
    preemptions: "dict[str, Ints]"
    """Who lost its memory, and why."""
    fleet: "dict[str, Ints]"
    """What became of replicas of pools that change their size."""
    casts: "dict[str, Ints]"
    """Replicas that changed their role, and when they were told to."""
    levels: "dict[str, Ints]"
    """What each tier holds, from an instant on."""
    paths: tuple[tuple[str, ...], ...]
    """Names of the links of each path."""
    wires: tuple[tuple[str, ...], ...]
    """The same, of hand-offs."""

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
            clients=np.array(recorder.clients, dtype=np.str_)[order],
            resampled=_columns(recorder.resampled, RESAMPLED_COLUMNS),
            stays=_columns(recorder.stays, STAY_COLUMNS),
            claims=_columns(recorder.claims, CLAIM_COLUMNS),
            stalls=np.array(recorder.stalls, dtype=np.int64).reshape(-1, 3),
            order=order,
            lookups=_columns(recorder.lookups, LOOKUP_COLUMNS),
            transfers=_columns(recorder.transfers, TRANSFER_COLUMNS),
            handoffs=_columns(recorder.handoffs, HANDOFF_COLUMNS),
            preemptions=_columns(recorder.preemptions, PREEMPTION_COLUMNS),
            fleet=_columns(recorder.fleet, FLEET_COLUMNS),
            casts=_columns(recorder.casts, CAST_COLUMNS),
            levels=_columns(recorder.levels, LEVEL_COLUMNS),
            paths=tuple(recorder.paths),
            wires=tuple(recorder.wires),
        )

    def within(self, start: Ns, end: Ns | None) -> "Facts":
        """Requests that arrived in [start, end) and steps that ended in it: no warm-up."""
        if start == 0 and end is None:
            return self
        last = np.iinfo(np.int64).max if end is None else end
        arrived = self.arrived(start, end)
        return replace(
            self,
            requests={name: column[arrived] for name, column in self.requests.items()},
            spans=_steps_within(self.spans, start, last),
            status=self.status[arrived],
            kinds=self.kinds[arrived],
            clients=self.clients[arrived],
            order=self.order[arrived],
        )

    def arrived(self, start: Ns, end: Ns | None) -> "Bools":
        """Which requests arrived in [start, end)."""
        arrival = self.requests["arrival"]
        late: Bools = arrival >= start
        return late if end is None else late & (arrival < end)


def _columns(rows: "array[int]", names: tuple[str, ...]) -> "dict[str, Ints]":
    """Flat rows as columns by name."""
    table = np.frombuffer(rows, dtype=np.int64).reshape(-1, len(names))
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
    again = facts.resampled["since"] != NEVER
    gaps = (facts.resampled["at"] - facts.resampled["since"])[again]
    times = np.concatenate((times, gaps, whole, last))
    return times, np.concatenate((weights, np.ones(len(gaps)), many, -many))


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


def summarize(
    facts: Facts, objectives: Objectives, start: Ns, end: Ns | None, now: Ns
) -> dict[str, Any]:
    """Everything in `summary.json` that follows from facts alone."""
    arrived_then = facts.arrived(start, end)
    met = {name: who[arrived_then] for name, who in objectives.met(facts, now).items()}
    every = all_of(met)
    facts = facts.within(start, end)
    requests, spans = facts.requests, facts.spans
    done = facts.status == "finished"
    first, last = interval(facts, start, end)
    duration = (last - first) / SECOND
    arrived = len(done)
    prompt = int(requests["prompt_tokens"][requests["admitted"] != NEVER].sum())
    by_tier = {tier: int(requests[f"hit_{tier}"].sum()) for tier in TIERS}
    hits = sum(by_tier.values())

    def per_second(amount: float) -> float | None:
        return amount / duration if duration else None

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
            "attainment": mean(every),
            "goodput_rps": per_second(int((every & done).sum())),
            **{
                f"{name}_attainment": mean(who)
                for name, who in met.items()
                if name in ("ttft", "tpot") or objectives.ask(name)
            },
            "by_class": objectives.by_class(facts, every),
        },
        "cache": {
            "prompt_tokens": prompt,
            "hit_tokens": hits,
            "hit_rate": hits / prompt if prompt else None,
            "by_tier": by_tier,
        },
        "handoff": handoffs(facts),
        "preemptions": int(requests["preemptions"].sum()),
        "preemption_causes": _causes(facts),
        "recomputed_tokens": int(requests["recomputed"].sum()),
        "extrapolated_fraction": _share(spans["steps"], spans["extrapolated"]),
    }


def _causes(facts: Facts) -> dict[str, int]:
    """How often a request lost its memory, by cause; a replica's failure is no preemption."""
    mine = np.isin(facts.preemptions["request"], facts.requests["id"])
    times = np.bincount(facts.preemptions["cause"][mine], minlength=len(CAUSES)).tolist()
    return {cause: many for cause, many in zip(CAUSES, times, strict=True) if many}


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
