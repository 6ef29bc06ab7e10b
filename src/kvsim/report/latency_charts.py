"""How long requests waited: distributions against targets, and where the time to a token went."""

from typing import TYPE_CHECKING, NamedTuple

from kvsim.report import words
from kvsim.report.chart import (
    BLUE,
    GREEN,
    GREY,
    PURPLE,
    SKY,
    VERMILLION,
    Chart,
    figure,
    marked,
    share_of,
    short,
)
from kvsim.report.folder import PARTS, RunFolder, tpot
from kvsim.report.measures import number
from kvsim.units import SECOND

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray
    from plotly.graph_objects import Figure

    Floats = NDArray[np.float64]

POINTS = 500
"""A distribution is drawn with at most this many points, most of them in its tail."""
WIDE = 20.0
"""From this ratio of the 99th to the 1st percentile on, an axis is logarithmic."""
NEAR = 4.0
"""A target up to this many times beyond the slowest request is drawn."""
LEFT = 0.7
"""The 99th percentile stands at most this far along the axis, so that its name fits beside it."""
TICKS = ((2.2, (1, 2, 5)), (4.5, (1, 3)), (99.0, (1,)))
"""(Up to how many decades, ticks in each) of logarithmic axes."""
BANDS = ((0.0, 0.5, "fastest half"), (0.5, 0.9, "50–90 %"), (0.9, 0.99, "90–99 %"))
TAIL = (0.99, 1.0, "slowest 1 %")
ROOM = 0.14
"""A part of a bar from this share on has room for its number."""
COLOURS = {
    "queue": VERMILLION,
    "load": SKY,
    "prefill": BLUE,
    "transfer": PURPLE,
    "other": GREY,
}
INSIDE = dict.fromkeys(PARTS, "black") | {"prefill": "white"}
"""The colour of numbers inside a bar, chosen for contrast."""
CDF_CAPTION = (
    "Read upwards from a time: the curve is the share of arrived requests that were served by "
    "then. It ends below 100 % where requests were rejected or unfinished."
)
BREAKDOWN_CAPTION = (
    "Each bar splits the mean TTFT of a band of requests. Queue: waiting with nothing in flight; "
    "load: waiting for stored KV; prefill: in steps; transfer: handed over to the decode replica; "
    "other: preempted, or work on the host."
)


class Target(NamedTuple):
    """An SLO: for which class ("" for all), its limit in seconds, who met it."""

    label: str
    limit: float
    met: float


def ttft_cdf(run: RunFolder) -> Chart:
    """Share of requests over time to first token."""
    rows = run.measured
    values = _sorted((rows["first_token"] - rows["arrival"]) / SECOND)
    if not len(values):
        return Chart("ttft", "No request got a first token", "Time to first token (TTFT).")
    targets = _targets(run, "ttft", values, len(rows))
    finding = "The one served request had its first token after " + _quantile(values, 1)
    if len(values) > 1:
        finding = (
            f"Half of the served requests had their first token within {_quantile(values, 0.5)}, "
            f"99 % within {_quantile(values, 0.99)}"
        )
    finding += _met(targets)
    drawn = _cdf(values, len(rows), "Time to first token", BLUE, targets)
    return Chart("ttft", finding, f"Time to first token (TTFT). {CDF_CAPTION}", drawn)


def tpot_cdf(run: RunFolder) -> Chart:
    """Share of finished answers over time per output token."""
    values = _sorted(tpot(run.measured) / SECOND)
    what = "Time per output token after the first (TPOT), mean of each finished answer."
    if not len(values):
        return Chart("tpot", "No answer of two or more tokens finished", what)
    targets = _targets(run, "tpot", values, len(values))
    finding = "The one finished answer then came at a token every " + _quantile(values, 1)
    if len(values) > 1:
        finding = (
            f"The median answer then came at a token every {_quantile(values, 0.5)}; "
            f"99 % kept within {_quantile(values, 0.99)}"
        )
    finding += _met(targets)
    drawn = _cdf(values, len(values), "Time per output token", GREEN, targets)
    return Chart("tpot", finding, what, drawn)


def breakdown(run: RunFolder) -> Chart:
    """Parts of TTFT by bands of TTFT, fastest to slowest, and over all."""
    rows = run.measured
    rows = rows[rows["first_token"].notna()]
    name = "breakdown"
    bands = _bands(rows)
    if not bands:
        return Chart(name, "No time to first token to split", BREAKDOWN_CAPTION)
    drawn = figure("Share of time to first token, %", "", height=88 + 44 * len(bands))
    drawn.update_layout(
        barmode="stack", hovermode="closest", bargap=0.3, legend_traceorder="normal"
    )
    drawn.update_xaxes(range=[0, 100], ticksuffix="")
    drawn.update_yaxes(automargin=True, rangemode="normal", showgrid=False)
    for part in _present(bands):
        _bar(drawn, part, bands)
    return Chart(name, _breakdown_finding(bands), BREAKDOWN_CAPTION, drawn)


def _sorted(values: "pd.Series[float]") -> "Floats":
    import numpy as np

    return np.sort(values.dropna().to_numpy(dtype=np.float64))


def _at(values: "Floats", share: float) -> float:
    """The smallest value with at least `share` of all values below or at it."""
    import math

    return float(values[max(0, math.ceil(share * len(values)) - 1)])


def _quantile(values: "Floats", share: float) -> str:
    return words.duration(_at(values, share))


def _targets(run: RunFolder, name: str, values: "Floats", arrived: int) -> list[Target]:
    """The targets called `name`; who met the only one, the summary knows best."""
    import numpy as np

    targets = run.targets(name)
    told = number(run.summary, f"slo.{name}_attainment") if len(targets) == 1 else None
    if told is not None:
        return [Target(*targets[0], told)]
    return [
        Target(label, limit, float(np.searchsorted(values, limit, side="right")) / arrived)
        for label, limit in targets
    ]


def _met(targets: list[Target]) -> str:
    """Who met the target, where there is one for all."""
    if len(targets) != 1:
        return ""
    return f"; {words.percent(targets[0].met)} met the SLO of {words.target(targets[0].limit)}"


def _levels(many: int) -> "NDArray[np.intp]":
    """Indices of at most POINTS of `many` sorted values, close together in the slow tail."""
    import numpy as np

    if many <= POINTS:
        return np.arange(many)
    even = np.linspace(0, many - 1, POINTS // 2)
    tail = many - np.geomspace(many / 10, 1, POINTS // 2)
    return np.unique(np.concatenate([even, tail]).round().astype(np.intp))


def _cdf(values: "Floats", arrived: int, what: str, colour: str, targets: list[Target]) -> "Figure":
    """The distribution of `values` seconds over `arrived` requests, with its targets."""
    import numpy as np

    scale, unit = words.time_unit(_at(values, 0.99))
    low, high = _at(values, 0.01), float(values[-1])
    shown = [target for target in targets if target.limit <= NEAR * high]
    high = max([high, *(target.limit for target in shown)])
    log = low > 0 and _at(values, 0.99) >= WIDE * low
    drawn = figure(f"{what}, {unit}", "Requests, %")
    drawn.update_layout(hovermode="closest")
    index = _levels(len(values))
    hover = f"%{{y:.1f}} % within %{{x:.3~g}} {unit}<extra></extra>"
    x, y = short(values[index] / scale), short(100 * (index + 1) / arrived)
    drawn.add_scatter(
        x=x, y=y, mode="lines" if len(x) > 1 else "markers", line_width=2.5, line_color=colour,
        line_shape="hv", hovertemplate=hover, showlegend=False,
    )  # fmt: skip
    start, stop = _range(drawn, low / scale, _at(values, 0.99) / scale, high / scale, log)
    for target in shown:
        limit = target.limit / scale
        place = ((np.log10(limit) if log else limit) - start) / (stop - start)
        text = f"{target.label} SLO {words.target(target.limit)}: {words.percent(target.met)} met"
        marked(drawn, limit, text.strip(), float(place), log)
    for share in (0.5, 0.99):
        _dot(drawn, _at(values, share), share * len(values) / arrived, share, scale, colour, log)
    drawn.update_yaxes(range=[0, 103])
    return drawn


def _dot(
    drawn: "Figure", value: float, y: float, share: float, scale: float, colour: str, log: bool
) -> None:
    """A dot on the curve at a percentile, named below on the right, where no curve can be."""
    import math

    drawn.add_scatter(
        x=short([value / scale]), y=short([100 * y]), mode="markers", marker_color=colour,
        marker_size=8, hoverinfo="skip", showlegend=False, cliponaxis=False,
    )  # fmt: skip
    drawn.add_annotation(
        x=math.log10(value / scale) if log else value / scale, y=100 * y, showarrow=False,
        xanchor="left", yanchor="top", xshift=6, yshift=-4,
        text=f"p{share * 100:.0f} {words.duration(value)}",
    )  # fmt: skip


def _range(drawn: "Figure", low: float, late: float, high: float, log: bool) -> tuple[float, float]:
    """Set the range of the x axis, with room to name `late`; return it in the axis's coordinate."""
    import numpy as np

    if not log:
        start = 0.9 * low if low > high / 2 else 0.0
        stop = max(start + 1.05 * (high - start), start + (late - start) / LEFT) or 1.0
        drawn.update_xaxes(range=[start, stop])
        return start, stop
    start = float(np.log10(low)) - 0.05
    stop = max(float(np.log10(high)) + 0.05, start + (float(np.log10(late)) - start) / LEFT)
    decades = range(int(np.floor(start)), int(np.ceil(stop)) + 1)
    each = next(each for most, each in TICKS if stop - start < most)
    ticks = [first * 10.0**decade for decade in decades for first in each]
    texts = [f"{tick:,.12g}" for tick in ticks]
    drawn.update_xaxes(type="log", range=[start, stop], tickvals=ticks, ticktext=texts)
    return start, stop


def _bands(rows: "pd.DataFrame") -> dict[str, dict[str, float]]:
    """Mean seconds of each part by band of TTFT, slowest first, then over all."""
    total = rows["first_token"] - rows["arrival"]
    rows = rows.assign(total=total)[total > 0].sort_values("total", kind="stable")
    if rows.empty:
        return {}
    many = len(rows)
    found = {"all requests": rows}
    for low, high, label in (*BANDS, TAIL):
        band = rows.iloc[round(low * many) : round(high * many)]
        if len(band) and many > 1:
            found[label] = band
    means = {label: band[[*PARTS, "total"]].mean() / SECOND for label, band in found.items()}
    return {label: {str(k): float(v) for k, v in mean.items()} for label, mean in means.items()}


def _present(bands: dict[str, dict[str, float]]) -> list[str]:
    """Parts with time in any band; queue and prefill always, since their absence tells."""
    always = ("queue", "prefill")
    return [p for p in PARTS if p in always or any(means[p] > 0 for means in bands.values())]


def _bar(drawn: "Figure", part: str, bands: dict[str, dict[str, float]]) -> None:
    """One part's stretch of every bar, with its seconds where there is room."""
    labels = [f"{label}<br>{words.duration(means['total'])}" for label, means in bands.items()]
    shares = [means[part] / means["total"] for means in bands.values()]
    texts = [words.duration(means[part]) for means in bands.values()]
    inside = [text if share >= ROOM else "" for text, share in zip(texts, shares, strict=True)]
    drawn.add_bar(
        name=part, y=labels, x=short(100 * share for share in shares), orientation="h",
        marker_color=COLOURS[part], text=inside,
        textposition="inside", insidetextanchor="middle", textangle=0,
        insidetextfont_color=INSIDE[part],
        customdata=texts, hovertemplate=f"{part}: %{{customdata}}, %{{x:.1f}} %<extra></extra>",
    )  # fmt: skip


def _breakdown_finding(bands: dict[str, dict[str, float]]) -> str:
    overall = bands["all requests"]
    main = max(PARTS, key=lambda part: overall[part])
    finding = (
        f"{main.capitalize()} is {share_of(overall[main], overall['total'])} of the mean "
        f"{words.duration(overall['total'])} to the first token"
    )
    slowest = bands.get(TAIL[2])
    if slowest is None:
        return finding
    worst = max(PARTS, key=lambda part: slowest[part])
    share, total = share_of(slowest[worst], slowest["total"]), words.duration(slowest["total"])
    return f"{finding}; for the slowest 1 %, {worst} is {share} of {total}"
