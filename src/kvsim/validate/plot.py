"""Measured and predicted over time as an SVG that follows the reader's light or dark scheme."""

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, TOP, GAP = 860, 150, 84, 70, 56
TITLES = {
    "running": "requests running",
    "waiting": "requests waiting",
    "kv_cache_pct": "KV in use, %",
}
STYLE = """
  .card { fill: #ffffff; } text { fill: #1f2328; font: 14px system-ui, sans-serif; }
  .title { font-size: 17px; font-weight: 600; } .quiet { fill: #59636e; }
  .grid { stroke: #d1d9e0; } .real { stroke: #0072b2; } .told { stroke: #d55e00; }
  polyline { fill: none; stroke-width: 2; } .told { stroke-dasharray: 6 3; }
  @media (prefers-color-scheme: dark) {
    .card { fill: #0d1117; } text { fill: #f0f6fc; } .quiet { fill: #9198a1; }
    .grid { stroke: #3d444d; } .real { stroke: #56b4e9; } .told { stroke: #e69f00; }
  }"""


def draw(
    name: str, measured: Mapping[str, Sequence[float]], predicted: Mapping[str, Sequence[float]]
) -> str:
    """One panel for each series that was both recorded and is not always zero."""
    shown = [key for key in TITLES if key in predicted and any(measured.get(key, ()))]
    height = TOP + len(shown) * (HEIGHT + GAP) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(name)}: measured and predicted over time</title>",
        f"<style>{STYLE}\n</style>",
        f'<rect class="card" width="{WIDTH}" height="{height}" rx="6"/>',
        f'<text class="title" x="20" y="30">{escape(name)}</text>',
        f'<polyline class="real" points="{WIDTH - 300},25 {WIDTH - 270},25"/>',
        f'<text x="{WIDTH - 262}" y="30">measured</text>',
        f'<polyline class="told" points="{WIDTH - 170},25 {WIDTH - 140},25"/>',
        f'<text x="{WIDTH - 132}" y="30">predicted</text>',
    ]
    for place, key in enumerate(shown):
        parts += _panel(key, TOP + place * (HEIGHT + GAP), measured, predicted)
    return "\n".join([*parts, "</svg>\n"])


def _panel(
    key: str, top: int, measured: Mapping[str, Sequence[float]],
    predicted: Mapping[str, Sequence[float]],
) -> list[str]:  # fmt: skip
    times, end = measured["t"], measured["t"][-1]
    most = max(*measured[key], *predicted[key], 1.0)
    bottom = top + HEIGHT

    def line(values: Sequence[float], style: str) -> str:
        points = " ".join(
            f"{LEFT + at / end * (WIDTH - LEFT - 24):.1f},{bottom - value / most * HEIGHT:.1f}"
            for at, value in zip(times, values, strict=True)
        )
        return f'<polyline class="{style}" points="{points}"/>'

    parts = [f'<text class="quiet" x="{LEFT}" y="{top - 8}">{TITLES[key]}</text>']
    for part in (0.0, 0.5, 1.0):
        y = bottom - part * HEIGHT
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - 24}"/>')
        parts.append(f'<text class="quiet" x="{LEFT - 10}" y="{y + 5:.1f}" text-anchor="end">'
                     f"{part * most:.0f}</text>")  # fmt: skip
    for part in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = LEFT + part * (WIDTH - LEFT - 24)
        parts.append(f'<text class="quiet" x="{x:.1f}" y="{bottom + 20}" text-anchor="middle">'
                     f"{part * end:.0f} s</text>")  # fmt: skip
    return [*parts, line(measured[key], "real"), line(predicted[key], "told")]
