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
    from plotly.graph_objects import Figure

REUSES = ((0, "never found"), (1, "once"), (2, "twice"), (3, "3–4 times"), (5, "5–9 times"),
          (10, "10–99 times"), (100, "100 times on"))  # fmt: skip
"""Classes of how often a block was found: from how many times on, and their names."""
AGES = ((0, "unused"), (1, "0 s"), (SECOND, "1 s"), (10 * SECOND, "10 s"),
        (60 * SECOND, "1 min"), (600 * SECOND, "10 min"), (3600 * SECOND, "1 h"))  # fmt: skip
"""Classes of age at the last use: from how many ns on, and their names; edges are also edges of
`kvsim.sim.lifetime.AGES`."""
DEEPEST = 0.6
"""Opacity of the fullest cell: numbers can be read on it, on a light page and a dark one."""
PALEST = 0.1
CLOSE = 0.02
"""An optimum that finds less than this share of tokens more is called near."""


def bounds(run: RunFolder) -> Chart:
    """Per tier: what the run found, what its eviction finds without time, and the optimum.

    Of a run whose requests have block ids; without them nothing can be found.
    """
    caption = (
        "Share of the tokens that a tier was asked for, which for lower tiers is what those above "
        "did not have. Without time: the same look-ups replayed in order, with all of the tier's "
        "memory for cached blocks and nothing on its way. Optimum: Belady's MIN on these look-ups, "
        "which knows the future; no eviction finds more of them."
    )
    found = at(run.summary, "cache.bound")
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
    shares = {place: size / total for place, size in _classes(rows).items()}
    across = range(max(age for _, age in shares) + 1)
    drawn = figure("Age at the last use, from", "", height=330, margin_t=12)
    drawn.update_layout(hovermode="closest", showlegend=False)
    drawn.update_xaxes(
        tickvals=[*across], ticktext=[AGES[age][1] for age in across], tickangle=0,
        tickfont={"size": 11}, range=[-0.5, len(across) - 0.5], fixedrange=True,
    )  # fmt: skip
    drawn.update_yaxes(
        tickvals=[*range(len(REUSES))], ticktext=[word for _, word in REUSES], showgrid=False,
        range=[-0.5, len(REUSES) - 0.5], automargin=True, title_text="",
    )  # fmt: skip
    _cells(drawn, shares, total)
    never = sum(share for (many, _), share in shares.items() if not many)
    finding = f"{share_of(never, 1)} of the bytes that {name} took were never found again"
    return Chart(f"lives-{tier}", finding, caption, drawn)


def _cells(drawn: "Figure", shares: dict[tuple[int, int], float], total: float) -> None:
    """A square for each class of reuses and age, the darker the more bytes, with its number."""
    most = max(shares.values())
    opacity = [PALEST + (DEEPEST - PALEST) * (share / most) ** 0.5 for share in shares.values()]
    colour = ",".join(str(int(BLUE[place : place + 2], 16)) for place in (1, 3, 5))
    columns, rows = [age for _, age in shares], [many for many, _ in shares]
    drawn.add_bar(
        x=columns, y=[0.96] * len(rows), base=[row - 0.48 for row in rows], width=0.96,
        marker_color=[f"rgba({colour},{part:.2f})" for part in opacity], hoverinfo="skip",
    )  # fmt: skip
    drawn.add_scatter(
        x=columns, y=rows, mode="text", text=[_percent(share) for share in shares.values()],
        customdata=[words.size(share * total) for share in shares.values()],
        hovertemplate="%{customdata}<extra></extra>",
    )  # fmt: skip


def _classes(rows: "pd.DataFrame") -> dict[tuple[int, int], float]:
    """Bytes by class of reuses and class of age."""
    many, old = ([least for least, _ in classes] for classes in (REUSES, AGES))
    found: dict[tuple[int, int], float] = {}
    for age, reuses, size in zip(rows["age"], rows["reuses"], rows["bytes"], strict=True):
        key = bisect_right(many, reuses) - 1, bisect_right(old, age) - 1
        found[key] = found.get(key, 0.0) + float(size)
    return found


def _percent(share: float) -> str:
    percent = 100 * share
    return "<0.1" if percent < 0.05 else f"{percent:.1f}" if percent < 9.95 else f"{percent:.0f}"
