"""What summary.json says and how to say it: each number's place, name, unit and direction."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kvsim.report import words

Summary = Mapping[str, Any]
"""The content of summary.json; any part may be missing or null."""
Better = Literal["lower", "higher"]

TIERS = {"hbm": "HBM", "dram": "DRAM", "ssd": "SSD", "remote": "Remote"}
"""Tiers of the cache, nearest first, and their names for people."""
PARTS = ("queue", "load", "prefill", "transfer", "other")
"""The disjoint parts of TTFT, in the order in which they happen."""
LATENCIES = {
    "ttft_s": "TTFT",
    "tpot_s": "TPOT",
    "itl_s": "ITL",
    "e2e_s": "End to end",
    "queue_s": "Queue",
}
QUANTILES = ("mean", "p50", "p90", "p95", "p99", "max")
NOTABLE = 0.01
"""From this share on, step times outside the measured range deserve a warning."""


@dataclass(frozen=True)
class Measure:
    """One number of a summary."""

    path: str
    label: str
    text: Callable[[object], str]
    better: Better | None = None
    """None: neither more nor less is better in itself."""


# fmt: off
GROUPS = (
    (
        Measure("slo.attainment", "SLO attainment", words.percent, "higher"),
        Measure("slo.goodput_rps", "Goodput, requests/s", words.amount, "higher"),
        Measure("requests.finished", "Finished requests", words.count, "higher"),
        Measure("requests.rejected", "Rejected requests", words.count, "lower"),
        Measure("throughput.requests_per_s", "Requests/s", words.amount, "higher"),
        Measure("throughput.input_tokens_per_s", "Input tokens/s", words.amount, "higher"),
        Measure("throughput.output_tokens_per_s", "Output tokens/s", words.amount, "higher"),
    ),
    tuple(
        Measure(f"{name}.{quantile}", f"{LATENCIES[name]} {quantile}", words.duration, "lower")
        for name, quantiles in (("ttft_s", ("p50", "p90", "p99")), ("tpot_s", ("p50", "p99")),
                                ("itl_s", ("p99",)), ("e2e_s", ("p50", "p99")))
        for quantile in quantiles
    ),
    tuple(
        Measure(f"ttft_breakdown_s.{part}", f"TTFT in {part}, mean", words.duration, "lower")
        for part in PARTS
    ),
    (
        Measure("cache.hit_rate", "Cache hit rate", words.percent, "higher"),
        *(Measure(f"cache.by_tier.{tier}", f"Hits in {name}, tokens", words.amount)
          for tier, name in TIERS.items()),
        Measure("memory.kv_peak_fraction", "KV peak occupancy", words.percent),
    ),
    (
        Measure("gpu.busy_fraction", "GPU busy", words.percent),
        Measure("gpu.mfu", "MFU", words.percent, "higher"),
        Measure("gpu.mbu", "MBU", words.percent, "higher"),
        Measure("preemptions", "Preemptions", words.count, "lower"),
        Measure("recomputed_tokens", "Recomputed tokens", words.amount, "lower"),
        Measure("extrapolated_fraction", "Steps extrapolated", words.percent, "lower"),
    ),
    (
        Measure("cost.usd", "Cost", words.dollars, "lower"),
        Measure("cost.usd_per_million_output_tokens", "Per M output tokens", words.dollars,
                "lower"),
    ),
)
"""What a comparison shows, in groups of rows that belong together."""
# fmt: on
IDLE = ("ttft_breakdown_s.", "cache.by_tier.", "preemptions", "recomputed", "requests.rejected")
"""Rows that are left out of a comparison where every run has zero."""


def at(summary: Summary, path: str) -> Any:
    """What stands at a dotted path; None where any part of it is missing or null."""
    found: Any = summary
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def number(summary: Summary, path: str) -> float | None:
    """The finite number at a dotted path, or None."""
    return words.known(at(summary, path))


def tier_shares(summary: Summary) -> dict[str, float]:
    """Hit tokens over prompt tokens for each tier with hits, known tiers first."""
    prompt = number(summary, "cache.prompt_tokens")
    by_tier = at(summary, "cache.by_tier")
    if not prompt or not isinstance(by_tier, Mapping):
        return {}
    order = [*TIERS, *(tier for tier in by_tier if tier not in TIERS)]
    hits = {tier: words.known(by_tier.get(tier)) for tier in order}
    return {tier: held / prompt for tier, held in hits.items() if held}


def doubts(summary: Summary) -> Iterator[str]:
    """Why every number of the run is to be read with care."""
    partial = summary.get("partial")
    if partial:
        why = partial if isinstance(partial, str) else "the run was cut short"
        yield f"partial: {why}"
    share = number(summary, "extrapolated_fraction") or 0.0
    if share >= NOTABLE:
        yield f"{words.percent(share)} of step times outside the measured range"
    oracles = summary.get("oracle")
    if oracles:
        names = ", ".join(map(str, oracles)) if isinstance(oracles, list) else "a policy"
        yield f"oracle: {names} knew the future"
    yield from (str(text) for text in summary.get("warnings") or ())
