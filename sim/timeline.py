"""The run over time: what the spans and requests say, averaged over equal intervals."""

from typing import TYPE_CHECKING

import numpy as np

from kvsim.sim.metrics import Facts
from kvsim.sim.moves import by_link, flowing
from kvsim.sim.recorder import NEVER, TIERS
from kvsim.units import Ns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Numbers = NDArray[np.float64] | NDArray[np.int64]

INTERVALS = 400
"""Points of a timeline: a chart's width in pixels, more or less."""


def timeline(facts: Facts, end: Ns, replicas: int) -> "dict[str, Floats]":
    """Columns by name: `at` and `width` in ns, averages and counts over each interval up to `at`.

    `running`, `waiting`, `decodes`, `kv_leased`, `kv_cached` are sums over replicas, averaged over
    the interval; `busy` is the mean share of replicas in a step; tokens and requests are counts.
    `held_TIER` is what all tiers of that name hold; `bytes:LINK` what landed, as if it had flowed
    evenly, and `busy:LINK` the share of the interval in which something did.
    """
    edges = np.linspace(0, max(end, 1), INTERVALS + 1)
    spans, requests = facts.spans, facts.requests
    start, stop = spans["start"], spans["end"]
    width = edges[1] - edges[0]
    columns = {"at": edges[1:], "width": np.full(INTERVALS, width)}
    for name in ("running", "waiting", "decodes", "kv_leased"):
        columns[name] = integral(start, stop, spans[name], edges) / width
    columns["waiting"] = np.minimum(columns["waiting"], _queued(facts, end, edges, columns))
    columns["kv_cached"] = integral(*_held(facts, end), edges) / width
    columns["busy"] = integral(start, stop, np.ones(len(start)), edges) / width / replicas
    duration = np.maximum(stop - start, 1)
    decoded = spans["decodes"] * spans["steps"] / duration
    columns["decode_tokens"] = integral(start, start + duration, decoded, edges)
    prefilled = spans["chunk_tokens"] / duration
    columns["prefill_tokens"] = integral(start, start + duration, prefilled, edges)
    columns["arrived"] = _count(requests["arrival"], None, edges)
    columns["finished"] = _count(requests["finish"], None, edges)
    for name in ("prompt_tokens", *(f"hit_{tier}" for tier in TIERS)):
        columns[name] = _count(requests["admitted"], requests[name], edges)
    for rank, tier in enumerate(TIERS[1:], 1):
        columns[f"held_{tier}"] = integral(*_levels(facts, rank, end), edges) / width
    for name, moved in by_link(facts):
        done = moved["landed"] != NEVER
        begun, landed = moved["began"][done], moved["landed"][done]
        landed = np.maximum(landed, begun + 1)
        rate = moved["bytes"][done] / (landed - begun)
        columns[f"bytes:{name}"] = integral(begun, landed, rate, edges)
        begun, until = flowing(moved, end)
        used = integral(begun, until, np.ones(len(begun)), edges) / width
        columns[f"busy:{name}"] = np.clip(used, 0.0, 1.0)
    return columns


def _queued(facts: Facts, end: Ns, edges: "Floats", columns: "dict[str, Floats]") -> "Floats":
    """Requests that are here and do not run: those waiting, and those parked or paused.

    A span counts who has come by its end, as if they had been there from its beginning; this does
    not. The less of the two is exact where nobody is parked or paused.
    """
    requests = facts.requests
    there = facts.status != "rejected"
    admitted = requests["admitted"]
    never = requests["arrival"] + requests["other"]
    before = requests["queue"] + requests["load"]
    ready = np.where(admitted == NEVER, never, admitted - before)[there]
    over = np.where(requests["finish"] == NEVER, end, requests["finish"])[there]
    here = integral(ready, np.maximum(over, ready), np.ones(len(ready)), edges)
    queued: Floats = np.maximum(here / columns["width"] - columns["running"], 0.0)
    return queued


def _levels(facts: Facts, tier: int, end: Ns) -> "tuple[Numbers, Numbers, Numbers]":
    """What a tier holds stays until it changes."""
    mine = facts.levels["tier"] == tier
    levels = {name: column[mine] for name, column in facts.levels.items()}
    return until_next(levels["place"], levels["at"], levels["held"], end)


def _held(facts: Facts, end: Ns) -> "tuple[Numbers, Numbers, Numbers]":
    """Cached bytes stay as they are until the replica's next span."""
    spans = facts.spans
    return until_next(spans["replica"], spans["start"], spans["kv_cached"], end)


def until_next(
    place: "NDArray[np.int64]", at: "NDArray[np.int64]", value: "Numbers", end: Ns
) -> "tuple[Numbers, Numbers, Numbers]":
    """Each value from its instant to the next one of its place, the last one to `end`."""
    order = np.lexsort((at, place))
    start, place = at[order], place[order]
    stop = np.append(start[1:], end)[: len(start)]
    stop[np.append(place[1:] != place[:-1], True)[: len(start)]] = end
    return start, np.maximum(start, stop), value[order]


def integral(start: "Numbers", stop: "Numbers", value: "Numbers", edges: "Floats") -> "Floats":
    """Per interval: the integral of the sum of `value` over [start, stop), in value x ns."""
    times = np.concatenate((start, stop)).astype(np.float64)
    steps = np.concatenate((value, -value)).astype(np.float64)
    order = np.argsort(times, kind="stable")
    times, level = times[order], np.cumsum(steps[order])
    if not len(times):
        return np.zeros(len(edges) - 1)
    area = np.append(0.0, np.cumsum(level[:-1] * np.diff(times)))
    total: NDArray[np.float64] = np.diff(np.interp(edges, times, area))
    return total


def _count(
    at: "NDArray[np.int64]", weight: "NDArray[np.int64] | None", edges: "Floats"
) -> "NDArray[np.float64]":
    happened = at != NEVER
    weights = None if weight is None else weight[happened]
    counted = np.histogram(np.clip(at[happened], edges[0], edges[-1]), edges, weights=weights)[0]
    return counted.astype(np.float64)
