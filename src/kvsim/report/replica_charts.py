"""Replicas beside each other over time, and what goes between them."""

from typing import TYPE_CHECKING, Any

from kvsim.report import words
from kvsim.report.chart import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    Chart,
    figure,
    short,
    time_unit,
)  # fmt: skip
from kvsim.report.folder import RunFolder
from kvsim.sim.timeline import integral, until_next
from kvsim.units import SECOND

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

COLOURS = (BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY)
"""Of replicas; if there are more, those with the most and the fewest requests are drawn."""
INTERVALS = 120
"""Points of a line."""
POINTS = 300
GIB = 2.0**30
PANELS = {"waiting": ("y", [0.72, 1]), "running": ("y2", [0.37, 0.65]), "kv": ("y3", [0, 0.3])}
"""What is drawn above what: the axis and its place."""
TITLES = {"waiting": "Waiting", "running": "Running", "kv": "KV, GiB"}


def over_time(run: RunFolder) -> Chart:
    """Queue, running requests and KV of each replica."""
    import numpy as np

    caption = (
        "Of each replica, from above: requests waiting, requests running, and KV in its memory, "
        "leased and cached; means of short intervals. A span of steps counts as waiting who has "
        "come by its end."
    )
    spans, end = run.spans, int(run.spans["end"].max())
    edges = np.linspace(0, max(end, 1), INTERVALS + 1)
    indices = sorted({int(index) for index in spans["replica"]})
    lines = {one: _lines(spans[spans["replica"] == one], edges, end) for one in indices}
    load = {index: float((one["running"] + one["waiting"]).mean()) for index, one in lines.items()}
    order = sorted(load, key=lambda index: -load[index])
    half = len(COLOURS) // 2
    shown = order if len(order) <= 2 * half else order[:half] + order[-half:]
    scale, unit = time_unit(end / SECOND)
    x = short((edges[1:] + edges[:-1]) / 2 / SECOND / scale)
    drawn = figure(f"Time since the start, {unit}", TITLES["waiting"], height=460)
    for name, (axis, place) in PANELS.items():
        key = f"yaxis{axis[1:]}"
        drawn.update_layout({key: drawn.layout.yaxis})
        drawn.update_layout({f"{key}_domain": place, f"{key}_title_text": TITLES[name]})
        drawn.update_layout({f"{key}_anchor": "x"})
        for index, colour in zip(sorted(shown), COLOURS, strict=False):
            drawn.add_scatter(
                x=x, y=short(lines[index][name]), name=f"replica {index}", yaxis=axis, mode="lines",
                line={"color": colour, "width": 2}, legendgroup=str(index),
                showlegend=name == "waiting", hovertemplate="%{y:,.3~r}",
            )  # fmt: skip
    drawn.update_layout(xaxis_anchor="y3", xaxis_range=[0, end / SECOND / scale])
    return Chart("replicas", _apart(load, order), caption, drawn)


def _apart(load: dict[int, float], order: list[int]) -> str:
    most, least = order[0], order[-1]
    high, low = (words.digits(load[index]) for index in (most, least))
    if high == low:
        return f"Every replica had {high} requests on average, running or waiting"
    return (
        f"Replica {most} had {high} requests on average, running or waiting; replica {least}, {low}"
    )


def _lines(rows: "pd.DataFrame", edges: "Floats", end: int) -> "dict[str, Floats]":
    """Means of intervals, of one replica."""
    width = edges[1] - edges[0]
    start, stop = (rows[name].to_numpy().astype(int) for name in ("start", "end"))
    found: dict[str, Any] = {
        name: integral(start, stop, rows[name].fillna(0).to_numpy(), edges) / width
        for name in ("waiting", "running")
    }
    held = (rows["kv_leased"] + rows["kv_cached"]).fillna(0).to_numpy() / GIB
    place = rows["replica"].to_numpy().astype(int)
    found["kv"] = integral(*until_next(place, start, held, end), edges) / width
    return found


def handoffs(run: RunFolder) -> Chart:
    """How long hand-offs waited for room and flowed."""
    import numpy as np

    caption = (
        "Hand-offs from prefill to decode replicas: share that had found room at the decode "
        "replica, and share that had crossed the network, within a time. What is on the wire while "
        "the prompt is still being computed does not count. The slowest 1 % are not drawn."
    )
    rows = run.handoffs.dropna()
    parts = {
        "waiting for room": (rows["began"] - rows["offered"], VERMILLION),
        "on the wire": (rows["landed"] - rows["began"], PURPLE),
    }
    levels = np.linspace(0, 1, POINTS + 1)
    found = {name: np.quantile(times / SECOND, levels, method="inverted_cdf")
             for name, (times, _) in parts.items()}  # fmt: skip
    tail = {name: float(times[int(0.99 * POINTS)]) for name, times in found.items()}
    scale, unit = words.time_unit(max(tail.values()))
    drawn = figure(f"Time, {unit}", "Hand-offs, %")
    drawn.update_layout(hovermode="closest")
    for name, (_, colour) in parts.items():
        drawn.add_scatter(
            x=short(found[name] / scale), y=short(100 * levels), name=name, mode="lines",
            line={"color": colour, "width": 2.5, "shape": "hv"},
            hovertemplate=f"%{{y:.1f}} % within %{{x:.3~g}} {unit}",
        )  # fmt: skip
    drawn.update_xaxes(range=[0, 1.05 * max(tail.values()) / scale or 1.0])
    drawn.update_yaxes(range=[0, 103])
    finding = (
        f"99 % of {words.count(len(rows))} hand-offs waited for room at most "
        f"{words.duration(tail['waiting for room'])} and were on the wire at most "
        f"{words.duration(tail['on the wire'])}"
    )
    return Chart("handoffs", finding, caption, drawn)
