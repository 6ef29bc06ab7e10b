"""report.html: one page that shows a run to a person, opens offline, and asks no server.

plotly-basic.min.js.gz is the package plotly.js-basic-dist-min 4.1.1 of the npm registry (MIT
licence, kept at its top): scatter, bar and pie only, a quarter of the whole library.
"""

import gzip
import json
import re
from html import escape
from pathlib import Path
from typing import Any

from kvsim.report.chart import Chart
from kvsim.report.charts import draw
from kvsim.report.folder import RunFolder, read
from kvsim.report.fragments import (
    banner,
    cards,
    facts_table,
    latency_table,
    slow_table,
    subtitle,
    text,
)

HERE = Path(__file__).parent
NAME = "report.html"
SLOW = 12
"""Requests in the table of the slowest to their first token."""
SLOW_PACE = 6
"""Answers in the table of the slowest between tokens."""


def write_report(folder: Path) -> Path:
    """Write report.html into the run folder `folder`, from what is in it; return its path."""
    run = read(folder)
    path = folder / NAME
    path.write_text(page(run), encoding="utf-8")
    return path


def page(run: RunFolder) -> str:
    """The whole page."""
    sections = draw(run)
    title = str(run.scenario.get("name") or run.path.resolve().name)
    found = {
        "title": escape(title),
        "subtitle": subtitle(run),
        "banner": banner(run),
        "nav": "".join(f'<a href="#{_anchor(name)}">{escape(name)}</a>' for name in sections),
        "cards": cards(run.summary),
        "charts": "\n".join(_section(name, charts) for name, charts in sections.items()),
        "slowest": slow_table(run, SLOW, SLOW_PACE),
        "latencies": latency_table(run.summary),
        "facts": facts_table(run.summary),
        "scenario": escape(run.scenario_text) or "scenario.yaml is missing.",
        "figures": _json({chart.name: _figure(chart) for charts in sections.values()
                          for chart in charts if chart.figure is not None}),
        "plotly": gzip.decompress((HERE / "plotly-basic.min.js.gz").read_bytes()).decode(),
    }  # fmt: skip
    template = (HERE / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: found[match[1]], template)


def _section(name: str, charts: list[Chart]) -> str:
    anchor = _anchor(name)
    figures = "\n".join(map(_chart, charts))
    return (
        f'<section id="{anchor}" aria-labelledby="{anchor}-title">'
        f'<h2 id="{anchor}-title">{escape(name)}</h2>\n'
        f'<div class="charts">{figures}</div></section>'
    )


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")


def _chart(chart: Chart) -> str:
    finding, caption = text(chart.finding), text(chart.caption)
    plot = ""
    if chart.figure is not None:
        height = int(chart.figure.layout.height)
        plot = (
            f'<div class="plot" id="plot-{chart.name}" data-chart="{chart.name}" role="img" '
            f'aria-label="{finding}" style="height:{height}px"></div>'
        )
    return (
        f'<figure id="{chart.name}"><h3>{finding}</h3>{plot}'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _figure(chart: Chart) -> dict[str, Any]:
    """Data and layout as JSON; the page adds the theme."""
    assert chart.figure is not None
    found: dict[str, Any] = json.loads(chart.figure.to_json())
    found["layout"].pop("template", None)
    return found


def _json(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
