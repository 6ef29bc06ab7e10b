"""The run over time: what the spans and requests say, averaged over equal intervals."""

from typing import TYPE_CHECKING

import numpy as np

from kvsim.sim.metrics import Facts
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
    """
    edges = np.linspace(0, max(end, 1), INTERVALS + 1)
    spans, requests = facts.spans, facts.requests
    start, stop = spans["start"], spans["end"]
    width = edges[1] - edges[0]
    columns = {"at": edges[1:], "width": np.full(INTERVALS, width)}
    for name in ("running", "waiting", "decodes", "kv_leased"):
        columns[name] = _integral(start, stop, spans[name], edges) / width
    columns["kv_cached"] = _integral(*_held(facts, end), edges) / width
    columns["busy"] = _integral(start, stop, np.ones(len(start)), edges) / width / replicas
    duration = np.maximum(stop - start, 1)
    decoded = spans["decodes"] * spans["steps"] / duration
    columns["decode_tokens"] = _integral(start, start + duration, decoded, edges)
    prefilled = spans["chunk_tokens"] / duration
    columns["prefill_tokens"] = _integral(start, start + duration, prefilled, edges)
    columns["arrived"] = _count(requests["arrival"], None, edges)
    columns["finished"] = _count(requests["finish"], None, edges)
    for name in ("prompt_tokens", *(f"hit_{tier}" for tier in TIERS)):
        columns[name] = _count(requests["admitted"], requests[name], edges)
    return columns


def _held(facts: Facts, end: Ns) -> "tuple[Numbers, Numbers, Numbers]":
    """Cached bytes stay as they are until the replica's next span."""
    spans = facts.spans
    order = np.lexsort((spans["start"], spans["replica"]))
    start, replica = spans["start"][order], spans["replica"][order]
    stop = np.append(start[1:], end)
    stop[np.append(replica[1:] != replica[:-1], True)] = end
    return start, np.maximum(start, stop), spans["kv_cached"][order]


def _integral(start: "Numbers", stop: "Numbers", value: "Numbers", edges: "Floats") -> "Floats":
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
