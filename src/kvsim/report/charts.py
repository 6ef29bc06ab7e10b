"""All charts of the report, in the order of the page."""

from kvsim.report import latency_charts, time_charts
from kvsim.report.chart import Chart
from kvsim.report.folder import RunFolder

CHARTS = {
    "Latency": (latency_charts.ttft_cdf, latency_charts.breakdown, latency_charts.tpot_cdf),
    "Load": (time_charts.throughput, time_charts.rates, time_charts.batch, time_charts.busy),
    "Memory and cache": (time_charts.occupancy, time_charts.hits),
}
"""By section: functions from a run to a chart."""


def draw(run: RunFolder) -> dict[str, list[Chart]]:
    """Every chart of `run`, by section."""
    return {section: [chart(run) for chart in charts] for section, charts in CHARTS.items()}
