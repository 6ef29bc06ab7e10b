"""What charts share: a finding as title, colours that everybody can tell apart, axes with units.

Colours are those of Okabe and Ito, "Color Universal Design" (2008). Text, grid and lines take the
colour of the page, light or dark, when it is shown; only data has a colour of its own here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kvsim.report import words

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# fmt: off
BLUE, SKY, GREEN, ORANGE = "#0072B2", "#56B4E9", "#009E73", "#E69F00"
VERMILLION, PURPLE, GREY = "#D55E00", "#CC79A7", "#8C8C8C"
# fmt: on
HEIGHT = 300
"""Of a plot, in pixels; widths follow the page."""
SIGNIFICANT = 4
"""Digits of each drawn number; more cannot be seen."""
TIME_UNITS = ((3 * 3600.0, 3600.0, "h"), (600.0, 60.0, "min"), (0.0, 1.0, "s"))
"""(From how many seconds on, seconds per unit, name) for axes of time since the start."""


@dataclass(frozen=True)
class Chart:
    """One finding and the picture that shows it; without a picture the finding stands alone."""

    name: str
    finding: str
    caption: str
    figure: "Figure | None" = None


def figure(x: str, y: str, height: int = HEIGHT, **layout: Any) -> "Figure":
    """An empty figure with labelled axes and the look that all charts share."""
    from plotly.graph_objects import Figure

    drawn = Figure()
    drawn.update_layout(
        template="none",
        height=height,
        margin={"l": 64, "r": 16, "t": 40, "b": 48},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 13},
        hovermode="x unified",
        uniformtext={"minsize": 11, "mode": "hide"},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "xanchor": "left"},
        xaxis={"title": _title(x), "showgrid": False, **_AXIS, **_POINTER},
        yaxis={"title": _title(y), "rangemode": "tozero", "fixedrange": True, **_AXIS},
    )
    drawn.update_layout(**layout)
    return drawn


_AXIS: dict[str, Any] = {
    "zeroline": False,
    "ticks": "outside",
    "ticklen": 5,
    "tickcolor": "rgba(0,0,0,0)",
}
"""Ticks are there to keep numbers off the axis, not to be seen."""

_POINTER: dict[str, Any] = {
    "hoverformat": ".4~g",
    "spikethickness": 1,
    "spikedash": "dot",
    "spikecolor": GREY,
}
"""The upright line under the mouse."""


def _title(text: str) -> dict[str, Any]:
    return {"text": text, "standoff": 8, "font": {"size": 13}}


def short(values: Iterable[float]) -> list[float | None]:
    """Numbers with as many digits as can be seen; NaN is null, a gap in a line."""
    return [None if value != value else float(f"{value:.{SIGNIFICANT}g}") for value in values]


def time_unit(end: float) -> tuple[float, str]:
    """(Seconds per unit, name) for an axis that ends `end` seconds after the start."""
    return next((scale, name) for least, scale, name in TIME_UNITS if end >= least)


def marked(drawn: "Figure", x: float, label: str, place: float, log: bool = False) -> None:
    """A dashed upright line at `x` with a label above; `place` is where on the axis, 0 to 1."""
    import math

    at = math.log10(x) if log else x
    drawn.add_shape(
        type="line", x0=x, x1=x, y0=0, y1=1, yref="paper", line={"dash": "dash", "width": 1.5}
    )
    drawn.add_annotation(
        x=at,
        y=1,
        yref="paper",
        yanchor="bottom",
        xanchor="right" if place > 0.6 else "left" if place < 0.2 else "center",
        text=label,
        showarrow=False,
    )


def level(drawn: "Figure", y: float, label: str) -> None:
    """A dashed level line at `y` with a label above its right end."""
    drawn.add_shape(
        type="line", x0=0, x1=1, xref="paper", y0=y, y1=y, line={"dash": "dash", "width": 1.5}
    )
    drawn.add_annotation(
        x=1, xref="paper", xanchor="right", y=y, yanchor="bottom", text=label, showarrow=False
    )


def listed(names: list[str]) -> str:
    """a, b and c."""
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def share_of(part: float, whole: float) -> str:
    """`part` as a share of `whole`, in words."""
    return words.percent(part / whole if whole else None)
