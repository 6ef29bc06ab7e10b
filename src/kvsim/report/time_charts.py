"""What went on over time: work done, requests running and waiting, memory, hits, busy replicas."""

from collections.abc import Sequence
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
    level,
    listed,
    share_of,
    short,
    time_unit,
)
from kvsim.report.folder import RunFolder
from kvsim.report.measures import TIERS, number, tier_shares
from kvsim.units import SECOND

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray
    from plotly.graph_objects import Figure

    Floats = NDArray[np.float64]

BINS = (20, 100)
"""Rates are drawn over at least and at most about this many intervals."""
EVENTS = 10.0
"""Requests per interval in between: with fewer, single ones look like peaks."""
REPLICAS = 32
"""At most this many replicas get a bar of their own: the busiest and the least busy."""
MANY = 0.1
"""From this share on, rejected or unfinished requests are the finding."""
ALIKE = 0.1
"""Replicas whose busy shares differ by less are called alike."""
COLOURS = {"hbm": BLUE, "dram": ORANGE, "ssd": GREEN, "remote": PURPLE}
GIB = 2.0**30


def throughput(run: RunFolder) -> Chart:
    """Prefill and decode tokens per second."""
    caption = "Tokens computed per second over all replicas; tokens found in a cache do not count."
    frame = binned(run.timeline)
    total = frame[["prefill_tokens", "decode_tokens"]].sum()
    if not total.sum():
        return Chart("throughput", "No token was computed", caption)
    seconds = float(frame["width"].sum()) / SECOND
    prefill, decode = (words.amount(total[f"{name}_tokens"] / seconds) for name in _WORK)
    finding = f"On average {prefill} prompt tokens/s were prefilled and {decode} tokens/s written"
    drawn = over_time(frame, "Prefill, tokens/s", height=360, margin_t=16)
    drawn.update_layout(yaxis2=drawn.layout.yaxis, xaxis_anchor="y2", showlegend=False)
    drawn.update_layout(yaxis_domain=[0.56, 1], yaxis2={"domain": [0, 0.44], "anchor": "x"})
    drawn.update_layout(yaxis2_title_text="Decode, tokens/s")
    for name, (colour, axis) in _WORK.items():
        rate = frame[f"{name}_tokens"] / frame["width"] * SECOND
        line(drawn, frame, rate, name, colour, " tokens/s", yaxis=axis)
    return Chart("throughput", finding, caption, drawn)


_WORK = {"prefill": (BLUE, "y"), "decode": (GREEN, "y2")}


def rates(run: RunFolder) -> Chart:
    """Requests that arrived and finished per second."""
    caption = "Requests per second over all replicas."
    frame = binned(run.timeline)
    if not frame["arrived"].sum():
        return Chart("rates", "No request arrived", caption)
    drawn = over_time(frame, "Requests/s")
    for name, colour, dash in (("arrived", ORANGE, "dot"), ("finished", GREEN, "solid")):
        rate = frame[name] / frame["width"] * SECOND
        line(drawn, frame, rate, name, colour, " requests/s", dash)
    return Chart("rates", _keeping_up(run, frame), caption, drawn)


def batch(run: RunFolder) -> Chart:
    """Requests that run and that wait."""
    caption = "Requests running and waiting, summed over all replicas; means of short intervals."
    frame = run.timeline
    if not frame[["running", "waiting"]].fillna(0).to_numpy().any():
        return Chart("batch", "No request ran or waited", caption)
    ran, waited = frame["running"].max(), frame["waiting"].max()
    queue = f"up to {words.amount(round(waited))} waited" if waited >= 1 else "none waited for long"
    finding = f"Up to {words.plural(round(ran), 'request')} ran at once, and {queue}"
    drawn = over_time(frame, "Requests")
    line(drawn, frame, frame["running"], "running", BLUE, " requests")
    line(drawn, frame, frame["waiting"], "waiting", VERMILLION, " requests")
    return Chart("batch", finding, caption, drawn)


def occupancy(run: RunFolder) -> Chart:
    """KV in GPU memory: held by running requests, and kept for later ones, against capacity."""
    caption = (
        "KV in GPU memory over all replicas. Leased: of running requests, not to be evicted. "
        "Cached: prefixes kept for requests to come, evicted when room is needed."
    )
    frame = run.timeline
    held = (frame["kv_leased"] + frame["kv_cached"]).max()
    if not held > 0:
        return Chart("occupancy", "No KV was held in GPU memory", caption)
    drawn = over_time(frame, "KV in GPU memory, GiB")
    for name, label, colour in (("kv_leased", "leased", BLUE), ("kv_cached", "cached", SKY)):
        _area(drawn, frame, frame[name] / GIB, label, colour, " GiB")
    capacity = number(run.summary, "memory.kv_capacity_bytes")
    if capacity:
        level(drawn, capacity / GIB, f"capacity {words.size(capacity)}")
        drawn.update_yaxes(range=[0, 1.12 * max(capacity, held) / GIB])
    return Chart("occupancy", _fullness(frame, held, capacity), caption, drawn)


def hits(run: RunFolder) -> Chart:
    """Share of prompt tokens found in each tier."""
    caption = (
        "Prompt tokens found in a cache, by the tier that held them, as a share of the prompts "
        "of the requests admitted at that time; lines bridge times without any."
    )
    frame = binned(run.timeline)
    tiers = [tier for tier in TIERS if frame[f"hit_{tier}"].sum() > 0]
    if not tiers:
        return Chart("hits", "No prompt token was found in a cache", caption)
    drawn = over_time(frame, "Prompt tokens found, %")
    frame = frame[frame["prompt_tokens"] > 0]
    for tier in tiers:
        share = 100 * frame[f"hit_{tier}"] / frame["prompt_tokens"]
        _area(drawn, frame, share, TIERS[tier], COLOURS[tier], " %")
    return Chart("hits", _hit_finding(run, tiers), caption, drawn)


def busy(run: RunFolder) -> Chart:
    """How each replica spent the time from the first to the last step."""
    caption = (
        "Time of each replica by the kind of its steps: prompts only, answers only, both at once, "
        "or none (idle)."
    )
    times = _step_times(run.spans)
    if times.empty:
        return Chart("busy", "No step was taken", caption)
    shown = times
    if len(times) > REPLICAS:
        shown = times.sort_values("idle", kind="stable")
        shown = shown.iloc[[*range(REPLICAS // 2), *range(-REPLICAS // 2, 0)]]
    drawn = figure("Share of time, %", "", height=110 + 26 * len(shown))
    drawn.update_layout(barmode="stack", hovermode="closest", legend_traceorder="normal")
    drawn.update_xaxes(range=[0, 100])
    drawn.update_yaxes(autorange="reversed", showgrid=False, automargin=True, type="category")
    for kind, colour in _KINDS.items():
        drawn.add_bar(
            name=kind,
            x=short(100 * shown[kind]),
            y=[f"replica {replica}" for replica in shown.index],
            orientation="h",
            marker_color=colour,
            hovertemplate=f"{kind}: %{{x:.1f}} %<extra>%{{y}}</extra>",
        )
    return Chart("busy", _busy_finding(times), caption, drawn)


_KINDS = {"prefill": BLUE, "both": SKY, "decode": GREEN, "idle": "rgba(140, 140, 140, 0.25)"}


def binned(frame: "pd.DataFrame") -> "pd.DataFrame":
    """The timeline with neighbours added up, so that an interval has some requests."""
    import numpy as np

    bins = min(max(BINS[0], frame["arrived"].sum() / EVENTS), BINS[1])
    every = max(1, round(len(frame) / bins))
    if every == 1:
        return frame
    group = np.arange(len(frame)) // every
    return frame.groupby(group).sum().assign(at=frame["at"].groupby(group).last())


def over_time(frame: "pd.DataFrame", y: str, **layout: Any) -> "Figure":
    """An empty figure over the time of the run."""
    scale, unit = time_unit(_end(frame))
    drawn = figure(f"Time since the start, {unit}", y, **layout)
    drawn.update_xaxes(range=[0, _end(frame) / scale])
    return drawn


def _end(frame: "pd.DataFrame") -> float:
    return float(frame["at"].max()) / SECOND


def _middles(frame: "pd.DataFrame") -> list[float | None]:
    """The middle of each interval, in the axis's unit."""
    scale = time_unit(_end(frame))[0]
    return short((frame["at"] - frame["width"] / 2) / SECOND / scale)


def line(
    drawn: "Figure",
    frame: "pd.DataFrame",
    values: "pd.Series[float]",
    name: str,
    colour: str,
    unit: str,
    dash: str = "solid",
    yaxis: str = "y",
) -> None:
    """A line over time; markers where there are too few points for one."""
    mode = "lines" if len(frame) > 1 else "markers"
    drawn.add_scatter(
        x=_middles(frame), y=short(values), name=name, mode=mode, yaxis=yaxis,
        line={"color": colour, "width": 2, "dash": dash},
        hovertemplate=f"%{{y:,.3~r}}{unit}",
    )  # fmt: skip


def _area(
    drawn: "Figure",
    frame: "pd.DataFrame",
    values: "pd.Series[float]",
    name: str,
    colour: str,
    unit: str,
) -> None:
    """A filled area on top of the areas drawn before."""
    drawn.add_scatter(
        x=_middles(frame), y=short(values), name=name, mode="lines", stackgroup="all",
        line={"color": colour, "width": 0.5}, fillcolor=colour,
        hovertemplate=f"%{{y:,.3~r}}{unit}",
    )  # fmt: skip


def _keeping_up(run: RunFolder, frame: "pd.DataFrame") -> str:
    """Whether the system was behind when the last request came."""
    arrived = float(frame["arrived"].sum())
    rejected = float((run.requests["status"] == "rejected").sum())
    last = int(frame["arrived"].to_numpy().nonzero()[0][-1])
    left = float((frame["arrived"] - frame["finished"]).iloc[: last + 1].sum()) - rejected
    rate = words.amount(arrived / (float(frame["width"].iloc[: last + 1].sum()) / SECOND))
    if rejected >= MANY * arrived:
        return f"Requests came at {rate}/s, and {share_of(rejected, arrived)} were rejected"
    if left >= MANY * arrived and left > 1:
        return (
            f"Requests came at {rate}/s, faster than they finished: {words.count(left)} were "
            "unfinished when the last one came"
        )
    return f"Requests came at {rate}/s on average, and the system kept up"


def _fullness(frame: "pd.DataFrame", held: float, capacity: float | None) -> str:
    leased = float(frame["kv_leased"].max())
    if not capacity:
        return f"KV took up to {words.size(held)}; running requests alone, {words.size(leased)}"
    return (
        f"KV filled up to {share_of(held, capacity)} of its memory; "
        f"running requests alone, up to {share_of(leased, capacity)}"
    )


def _hit_finding(run: RunFolder, tiers: Sequence[str]) -> str:
    shares = tier_shares(run.summary)
    rate = words.percent(number(run.summary, "cache.hit_rate"))
    named = [f"{TIERS[tier]} {words.percent(shares[tier])}" for tier in tiers if tier in shares]
    if len(named) < 2:
        return f"{rate} of prompt tokens were found in {TIERS[tiers[0]]} and not prefilled again"
    return f"{rate} of prompt tokens were found in a cache: {listed(named)}"


def _step_times(spans: "pd.DataFrame") -> "pd.DataFrame":
    """Share of time by kind of step, a row per replica."""
    import numpy as np

    if spans.empty:
        return spans
    whole = float(spans["end"].max() - spans["start"].min())
    prompts, answers = spans["chunk_tokens"] > 0, spans["decodes"] > 0
    kind = np.where(prompts & answers, "both", np.where(prompts, "prefill", "decode"))
    lengths = (spans["end"] - spans["start"]).groupby([spans["replica"].astype(int), kind]).sum()
    shares = lengths.unstack(fill_value=0).reindex(columns=list(_KINDS)[:-1], fill_value=0.0)
    shares = shares / whole if whole else shares
    return shares.assign(idle=(1 - shares.sum(axis=1)).clip(lower=0))


def _busy_finding(times: "pd.DataFrame") -> str:
    used, mean = 1 - times["idle"], times.mean()
    most = _DOING[max(_DOING, key=lambda kind: mean[kind])]
    rate = share_of(used.mean(), 1)
    if len(times) == 1:
        return f"The replica was busy {rate} of the time, mainly with {most}"
    low, high = share_of(used.min(), 1), share_of(used.max(), 1)
    alike = "all alike" if used.max() - used.min() < ALIKE else f"between {low} and {high}"
    return f"Replicas were busy {rate} of the time, {alike}, mainly with {most}"


_DOING = {"prefill": "prompts", "both": "prompts and answers at once", "decode": "answers alone"}
