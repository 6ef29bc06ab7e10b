"""All charts of the report, in the order of the page."""

from kvsim.report import (
    cache_charts,
    client_charts,
    latency_charts,
    replica_charts,
    tier_charts,
    time_charts,
    waste,
)
from kvsim.report.chart import Chart
from kvsim.report.folder import RunFolder
from kvsim.report.measures import at

CHARTS = {
    "Latency": (latency_charts.ttft_cdf, latency_charts.breakdown, latency_charts.tpot_cdf),
    "Load": (time_charts.throughput, time_charts.rates, time_charts.batch, time_charts.busy),
    "Memory and cache": (time_charts.occupancy, time_charts.hits),
}
"""By section: functions from a run to a chart."""
TIERS = (tier_charts.levels, tier_charts.links, tier_charts.reasons)
"""Of runs with tiers below GPU memory."""


def draw(run: RunFolder) -> dict[str, list[Chart]]:
    """Every chart of `run`, by section."""
    sections = {section: [chart(run) for chart in charts] for section, charts in CHARTS.items()}
    if run.spans["replica"].nunique() > 1:
        sections["Load"].append(replica_charts.over_time(run))
    if run.handoffs["landed"].notna().any():
        sections["Load"].append(replica_charts.handoffs(run))
    if at(run.summary, "fairness"):
        sections["Clients"] = [client_charts.service(run)]
    if at(run.summary, "memory.waste"):
        sections["Memory and cache"].append(waste.waste(run))
    if at(run.summary, "cache.bound"):
        sections["Memory and cache"] += [cache_charts.bounds(run), *cache_charts.lives(run)]
    tiers = run.summary.get("tiers") or {}
    if tiers:
        sections["Tiers and links"] = [chart(run) for chart in TIERS]
    if "ssd" in tiers:
        sections["Tiers and links"].append(tier_charts.wear(run))
    return sections
