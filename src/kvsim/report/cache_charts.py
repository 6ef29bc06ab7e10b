"""What eviction made of its memory: hit rates against the best there is, and lives of blocks."""

from bisect import bisect_right
from typing import TYPE_CHECKING

from kvsim.report import words
from kvsim.report.chart import BLUE, GREY, SKY, Chart, figure, share_of, short
from kvsim.report.folder import RunFolder
from kvsim.report.measures import TIERS, at, number
from kvsim.units import SECOND

if TYPE_CHECKING:
    import pandas as pd

REUSES = ((0, "never found"), (1, "once"), (2, "twice"), (3, "3–4 times"), (5, "5–9 times"),
          (10, "10–99 times"), (100, "100 times on"))  # fmt: skip
"""Classes of how often a block was found: from how many times on, and their names."""
DEEPEST = 0.6
"""Opacity of the fullest cell: numbers can be read on it, on a light page and a dark one."""
PALEST = 0.06
CLOSE = 0.02
"""An optimum that finds less than this share of tokens more is called near."""


def bounds(run: RunFolder) -> Chart:
    """Per tier: what the run found, what its eviction finds without time, and the optimum."""
    caption = (
        "Share of the tokens that a tier was asked for, which for lower tiers is what those above "
        "did not have. Without time: the same look-ups replayed in order, with all of the tier's "
        "memory for cached blocks and nothing on its way. Optimum: Belady's MIN on these look-ups, "
        "which knows the future; no eviction finds more of them."
    )
    found = at(run.summary, "cache.bound") or {}
    if not found:
        return Chart("bounds", "No look-up could have been a hit", caption)
    drawn = figure("", "Found of tokens asked for, %")
    drawn.update_layout(barmode="group", hovermode="closest", bargap=0.35)
    drawn.update_xaxes(type="category")
    names = [TIERS.get(tier, tier) for tier in found]
    series = (("run", "in this run", BLUE), ("hit_rate", "its eviction, without time", SKY),
              ("optimum", "optimum", GREY))  # fmt: skip
    for key, label, colour in series:
        drawn.add_bar(
            name=label, x=names, y=short(100 * (number(part, key) or 0) for part in found.values()),
            marker_color=colour, hovertemplate=f"{label}: %{{y:.1f}} %<extra>%{{x}}</extra>",
        )  # fmt: skip
    return Chart("bounds", _bound_finding(found), caption, drawn)


def _bound_finding(found: dict[str, object]) -> str:
    gains = {tier: (number(part, "optimum") or 0.0) - (number(part, "hit_rate") or 0.0)
             for tier, part in found.items() if isinstance(part, dict)}  # fmt: skip
    tier = max(gains, key=lambda name: gains[name])
    part = found[tier]
    assert isinstance(part, dict)
    name, policy = TIERS.get(tier, tier), part.get("policy")
    rate, best = (words.percent(number(part, key)) for key in ("hit_rate", "optimum"))
    if gains[tier] < CLOSE:
        where = name if len(gains) == 1 else "every tier"
        return f"Eviction is near the best there is in {where}: {rate} by {policy}, {best} at most"
    return f"A better eviction could find up to {best} in {name}, where {policy} finds {rate}"


def lives(run: RunFolder) -> list[Chart]:
    """Per tier: bytes by age at their last use and by how often they were found."""
    found = run.lifetimes
    order = [tier for tier in TIERS if (found["tier"] == tier).any()]
    return [_lives(found[found["tier"] == tier], tier) for tier in order]


def _lives(rows: "pd.DataFrame", tier: str) -> Chart:
    name = TIERS[tier]
    caption = (
        f"Bytes that were in {name}, by how often they were found and how old they were then at "
        "the last time; evicted ones, and those still there at the end. Numbers are % of all."
    )
    total = float(rows["bytes"].sum())
    shares = {key: size / total for key, size in _classes(rows).items()}
    ages, reuses = sorted(rows["age"].unique()), [place for place, _ in REUSES]
    drawn = figure("Age at the last use", "", height=330)
    drawn.update_layout(hovermode="closest", showlegend=False, margin_t=12)
    heads = [_age(age, ages) for age in ages]
    drawn.update_xaxes(type="category", categoryorder="array", categoryarray=heads)
    marks = [row + 0.5 for row in range(len(reuses))]
    drawn.update_yaxes(
        tickvals=marks, ticktext=[word for _, word in REUSES], range=[0, len(reuses)],
        showgrid=False, automargin=True, title_text="",
    )  # fmt: skip
    cells = [(ages.index(age), reuses.index(many), share)
             for (many, age), share in shares.items()]  # fmt: skip
    darkest = max(share for _, _, share in cells)
    opacity = [PALEST + (DEEPEST - PALEST) * (share / darkest) ** 0.5 for _, _, share in cells]
    red, green, blue = (int(BLUE[place : place + 2], 16) for place in (1, 3, 5))
    drawn.add_bar(
        x=[heads[column] for column, _, _ in cells], y=[1] * len(cells), width=0.96,
        base=[row for _, row, _ in cells],
        marker={"color": [f"rgba({red},{green},{blue},{part:.2f})" for part in opacity],
                "line": {"width": 0}},
        text=None, hoverinfo="skip",
    )  # fmt: skip
    drawn.add_scatter(
        x=[heads[column] for column, _, _ in cells], y=[row + 0.5 for _, row, _ in cells],
        mode="text", text=[_percent(share) for _, _, share in cells],
        customdata=[words.size(share * total) for _, _, share in cells],
        hovertemplate="%{customdata}<extra></extra>",
    )  # fmt: skip
    never = sum(share for (many, _), share in shares.items() if not many)
    finding = f"{share_of(never, 1)} of the bytes that {name} took were never found again"
    return Chart(f"lives-{tier}", finding, caption, drawn)


def _classes(rows: "pd.DataFrame") -> dict[tuple[int, float], float]:
    """Bytes by class of reuses and age."""
    edges, found = [least for least, _ in REUSES], dict[tuple[int, float], float]()
    for age, reuses, size in zip(rows["age"], rows["reuses"], rows["bytes"], strict=True):
        key = edges[bisect_right(edges, reuses) - 1], float(age)
        found[key] = found.get(key, 0.0) + float(size)
    return found


def _percent(share: float) -> str:
    return "<0.1" if share < 0.0005 else words.digits(100 * share, 2)


def _age(least: float, ages: list[float]) -> str:
    """A class of ages by its least one."""
    if not least:
        return "none"
    if least < SECOND:
        return "below 1 s"
    return f"{words.target(least / SECOND)}+" if least < 60 * SECOND else f"{_long(least)}+"


def _long(least: float) -> str:
    minutes = least / (60 * SECOND)
    return f"{minutes:g} min" if minutes < 60 else f"{minutes / 60:g} h"
