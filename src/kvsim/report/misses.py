"""Miss ratio by cache size, a line per eviction policy, as one offline page."""

from pathlib import Path
from typing import Any

from kvsim.report.chart import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION, figure

COLOURS = (BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY)
DASHES = ("solid", "dash", "dot", "dashdot")
"""Colours first, then dashes: 24 lines that can be told apart."""
ORACLES = ("belady",)


def write_misses(curves: list[dict[str, Any]], path: Path) -> Path:
    """Draw `kvsim hitrate`'s curves into `path`."""
    drawn = figure("Cache size (blocks)", "Miss ratio", height=520, hovermode="closest")
    drawn.update_xaxes(type="log")
    drawn.update_layout(margin={"t": 90}, font={"color": GREY})
    names = list(dict.fromkeys(point["policy"] for point in curves))
    for index, name in enumerate(names):
        points = [point for point in curves if point["policy"] == name]
        oracle = name in ORACLES
        drawn.add_scatter(
            x=[point["capacity_blocks"] for point in points],
            y=[1 - point["hit_rate"] for point in points],
            name=f"{name} (optimum)" if oracle else name,
            mode="lines+markers",
            line={
                "color": GREY if oracle else COLOURS[index % len(COLOURS)],
                "dash": DASHES[index // len(COLOURS) % len(DASHES)],
                "width": 4 if oracle else 2,
            },
        )
    drawn.write_html(str(path), include_plotlyjs=True, full_html=True)
    return path
