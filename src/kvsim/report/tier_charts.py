"""Tiers below GPU memory: how full they were, what moved and why, and whether drives would last."""

from typing import TYPE_CHECKING

from kvsim.report import words
from kvsim.report.chart import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    Chart,
    figure,
    listed,
    share_of,
    short,
)  # fmt: skip
from kvsim.report.folder import BUSY, MOVED, RunFolder
from kvsim.report.measures import TIERS, at, number
from kvsim.report.tier_words import kind_of
from kvsim.report.time_charts import COLOURS, binned, line, over_time
from kvsim.units import SECOND

if TYPE_CHECKING:
    import pandas as pd

GIB, TIB = 2.0**30, 2.0**40
FULL = 0.99
"""A tier is called full from this share of its capacity on."""
KINDS = (BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY, GREY, "#A6761D", "#F0E442", "#1B9E77")
"""Colours of kinds of links, the one that moved most first."""
REASONS = {
    "loaded": ("loaded for requests", BLUE),
    "prefill": ("stored after a prompt", GREEN),
    "every": ("stored during an answer", "#A6761D"),
    "end": ("stored at the end", SKY),
    "leaving": ("written back", ORANGE),
    "ahead": ("copied ahead of its turn", GREY),
    "backlog": ("refused: too much on its way", VERMILLION),
    "room": ("refused: all in use", PURPLE),
}


def levels(run: RunFolder) -> Chart:
    """How full each tier was over time."""
    caption = (
        "Bytes held over capacity, all nodes together. GPU memory counts what is cached and what "
        "running requests hold. A full tier makes room by eviction: full is healthy."
    )
    frame, shares = run.timeline, _fullness(run)
    drawn = over_time(frame, "Held, % of capacity")
    drawn.update_yaxes(range=[0, 105])
    for tier, share in shares.items():
        line(drawn, frame, 100 * share, TIERS[tier], COLOURS[tier], " %")
    told = [_filled(run, tier, share) for tier, share in shares.items() if tier != "hbm"]
    return Chart("levels", "; ".join(told), caption, drawn)


def _fullness(run: RunFolder) -> "dict[str, pd.Series[float]]":
    """Share of capacity held, by tier with a known capacity."""
    frame = run.timeline
    found = {}
    capacity = number(run.summary, "memory.kv_capacity_bytes")
    if capacity:
        found["hbm"] = (frame["kv_leased"] + frame["kv_cached"]) / capacity
    for tier in at(run.summary, "tiers") or {}:
        capacity = number(run.summary, f"tiers.{tier}.capacity_bytes")
        if capacity:
            found[tier] = frame[f"held_{tier}"].fillna(0) / capacity
    return found


def _filled(run: RunFolder, tier: str, share: "pd.Series[float]") -> str:
    full = share >= FULL
    if not full.any():
        return f"{TIERS[tier]} was at most {share_of(float(share.max()), 1)} full"
    since = float(run.timeline["at"][full].iloc[0]) / SECOND
    return f"{TIERS[tier]} was full after {words.duration(since)}"


def links(run: RunFolder) -> Chart:
    """Bytes per second over links, alike ones together, and the busy share of the busiest."""
    caption = (
        "Above: bytes per second, links of a kind added up; a transfer counts over every link of "
        "its way, as if it had flowed evenly. Below: share of the time in which the busiest link "
        "of a kind had something to move."
    )
    frame = binned(run.timeline)
    kinds: dict[str, list[str]] = {}
    for column in frame.columns[frame.columns.str.startswith(MOVED)]:
        if frame[column].sum() > 0:
            link = column.removeprefix(MOVED)
            kinds.setdefault(kind_of(link), []).append(link)
    if not kinds:
        return Chart("links", "Nothing was moved between tiers", caption)
    moved = {kind: frame[[MOVED + link for link in names]].sum(axis=1)
             for kind, names in kinds.items()}  # fmt: skip
    order = sorted(kinds, key=lambda kind: -float(moved[kind].sum()))
    drawn = over_time(frame, "GiB/s", height=380, margin_t=16 + 24 * (len(kinds) > 4))
    drawn.update_layout(yaxis2=drawn.layout.yaxis, xaxis_anchor="y2")
    drawn.update_layout(yaxis_domain=[0.56, 1], yaxis2={"domain": [0, 0.44], "anchor": "x"})
    drawn.update_layout(yaxis2_title_text="Busy, %", yaxis2_range=[0, 105])
    for kind, colour in zip(order, KINDS, strict=False):
        rate = moved[kind] / frame["width"] * SECOND / GIB
        busy = _busy(run, kinds[kind])
        line(drawn, frame, rate, kind, colour, " GiB/s")
        line(drawn, frame, busy, kind, colour, " % busy", yaxis="y2")
        drawn.data[-1].update(showlegend=False)
    return Chart("links", _busiest(run), caption, drawn)


def _busy(run: RunFolder, names: list[str]) -> "pd.Series[float]":
    """Busy share in % of the busiest of some links, in each interval of a drawn line."""
    frame = run.timeline
    weighted = frame.assign(**{BUSY + name: frame[BUSY + name] * frame["width"] for name in names})
    grouped = binned(weighted)
    shares = grouped[[BUSY + name for name in names]].div(grouped["width"], axis=0)
    return 100 * shares.max(axis=1)


def _busiest(run: RunFolder) -> str:
    uses = {link: number(use, "busy_fraction") or 0.0
            for link, use in (at(run.summary, "transfers") or {}).items()}  # fmt: skip
    if not uses:
        return "Bytes moved between tiers"
    link = max(uses, key=lambda name: uses[name])
    place = link.partition(" ")[2]
    share = words.percent(uses[link])
    return f"The busiest link, {kind_of(link)} {place}, had something to move {share} of the time"


def reasons(run: RunFolder) -> Chart:
    """Bytes by tier: loaded, stored and when, refused and why."""
    caption = (
        "Loaded: a request waited for it. Stored: copied down when a prompt was complete, when "
        "some more of an answer was, or when a request had finished. Written back: it was next to "
        "leave the store above. Refused: more was on its way in than the tier's backlog allows, "
        "or all it held was in use; what is refused after a prompt is offered again at the end."
    )
    tiers = list(at(run.summary, "tiers") or {})
    amounts = {
        "loaded": "loaded_bytes", "prefill": "stored_bytes.prefill",
        "every": "stored_bytes.every", "end": "stored_bytes.end",
        "leaving": "stored_bytes.leaving",
        "backlog": "refused_for.backlog", "room": "refused_for.room",
    }  # fmt: skip
    found = {reason: [number(run.summary, f"tiers.{tier}.{path}") or 0.0 for tier in tiers]
             for reason, path in amounts.items()}  # fmt: skip
    shown = {reason: sizes for reason, sizes in found.items() if any(sizes)}
    longest = max((sum(sizes) for sizes in zip(*shown.values(), strict=True)), default=0.0)
    scale, unit = (TIB, "TiB") if longest > TIB else (GIB, "GiB")
    drawn = figure(unit, "", height=100 + 20 * len(shown) + 44 * len(tiers))
    drawn.update_layout(barmode="stack", hovermode="closest", legend_traceorder="normal")
    drawn.update_yaxes(autorange="reversed", showgrid=False, automargin=True, type="category")
    drawn.update_yaxes(ticklabelstandoff=6)
    for reason, sizes in shown.items():
        name, colour = REASONS[reason]
        drawn.add_bar(
            name=name, x=short(size / scale for size in sizes), y=[TIERS.get(t, t) for t in tiers],
            orientation="h", marker_color=colour,
            hovertemplate=f"{name}: %{{x:,.4~g}} {unit}<extra>%{{y}}</extra>",
        )  # fmt: skip
    return Chart("reasons", _moved(run, tiers), caption, drawn)


def _moved(run: RunFolder, tiers: list[str]) -> str:
    told = []
    for tier in tiers:
        written, loaded = (number(run.summary, f"tiers.{tier}.{verb}_bytes") or 0.0
                           for verb in ("written", "loaded"))  # fmt: skip
        name = TIERS.get(tier, tier)
        told.append(f"{words.size(loaded)} came back from {name} for {words.size(written)} written")
    return listed(told)


def wear(run: RunFolder) -> Chart:
    """What drives are written a day, against what their makers warrant."""
    daily = number(run.summary, "tiers.ssd.written_bytes_per_day") or 0.0
    rated = number(run.summary, "tiers.ssd.rated_bytes_per_day")
    again = number(run.summary, "tiers.ssd.write_amplification")
    cost = number(run.summary, "tiers.ssd.written_per_loaded")
    told = "All drives together, at the pace of this run. "
    if again:
        told += f"Each byte of different content was written {words.digits(again)} times: what is "
        told += "evicted and comes again is written again. "
    if cost:
        told += f"Each byte loaded has cost {words.digits(cost)} bytes written. "
    told += "Makers count what the host writes; what a drive adds of its own is in their figure."
    if not rated:
        finding = f"The SSD would be written {words.size(daily)} a day; its maker gives no rating"
        return Chart("wear", finding, told)
    drawn = figure("TiB a day", "", height=190)
    drawn.update_layout(hovermode="closest", showlegend=False)
    drawn.update_yaxes(autorange="reversed", showgrid=False, automargin=True, type="category")
    drawn.update_yaxes(ticklabelstandoff=6)
    drawn.add_bar(
        x=short((daily / TIB, rated / TIB)), y=["written", "warranted"], orientation="h",
        marker_color=[VERMILLION if daily > rated else GREEN, GREY],
        hovertemplate="%{x:,.4~g} TiB a day<extra>%{y}</extra>",
    )  # fmt: skip
    ratio = daily / rated
    finding = f"The SSD is written {words.percent(ratio)} of what its makers warrant a day"
    if ratio > 1:
        times = words.digits(ratio)
        finding = f"The SSD would wear out {times} times as fast as its makers warrant"
    return Chart("wear", finding, told, drawn)
