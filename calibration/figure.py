"""Draw a calibration's held-back errors by regime as an SVG for the documentation.

    python -m kvsim.calibration.figure [GPU] [OUT.svg]

Follows the reader's light or dark scheme. The median is a bar, the 90th percentile a ring at the
end of a whisker, so that nothing is told by colour alone; the colours are Okabe and Ito's.
"""

import sys
from html import escape
from pathlib import Path

from kvsim.calibration.residuals import Residual, residuals

WIDTH, LEFT, RIGHT, TOP, ROW = 860, 280, 150, 84, 30
STEP = 0.05
"""Between two lines of the scale."""
STYLE = """
  .card { fill: #ffffff; } text { fill: #1f2328; font: 14px system-ui, sans-serif; }
  .title { font-size: 17px; font-weight: 600; } .quiet { fill: #59636e; }
  .grid { stroke: #d1d9e0; } .bar { fill: #0072b2; } .mark { stroke: #d55e00; fill: none; }
  @media (prefers-color-scheme: dark) {
    .card { fill: #0d1117; } text { fill: #f0f6fc; } .quiet { fill: #9198a1; }
    .grid { stroke: #3d444d; } .bar { fill: #56b4e9; } .mark { stroke: #e69f00; }
  }"""


def draw(gpu: str, rows: list[Residual]) -> str:
    """The figure, as the text of an SVG file."""
    steps = int(max(row.p90 for row in rows) / STEP) + 1
    scale = (WIDTH - LEFT - RIGHT) / (steps * STEP)
    bottom = TOP + ROW * len(rows)
    described = "; ".join(f"{r.regime}: median {r.p50:.1%}, 90 % below {r.p90:.1%}" for r in rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 66}" role="img">',
        f"<title>Held-back errors of the {escape(gpu)} calibration</title>",
        f"<desc>{escape(described)}</desc><style>{STYLE}\n</style>",
        f'<rect class="card" width="{WIDTH}" height="{bottom + 66}" rx="6"/>',
        f'<text class="title" x="20" y="32">How far predicted operator times are off: {gpu}</text>',
        '<text class="quiet" x="20" y="56">Measured kernels that were held back from the tables, '
        "|predicted / measured - 1|</text>",
        *_grid(steps, scale, bottom),
        *(_row(row, TOP + ROW * place, scale) for place, row in enumerate(rows)),
        *_legend(bottom + 48),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _grid(steps: int, scale: float, bottom: int) -> list[str]:
    parts = []
    for step in range(steps + 1):
        x = round(LEFT + step * STEP * scale, 1)
        parts.append(f'<path class="grid" d="M{x} {TOP - 8}V{bottom}"/>')
        label = f"{step * STEP:.0%}"
        parts.append(
            f'<text class="quiet" x="{x}" y="{bottom + 18}" text-anchor="middle">{label}</text>'
        )
    parts.append(
        f'<text class="quiet" x="{WIDTH - 20}" y="{TOP - 12}" text-anchor="end">'
        "median, points</text>"
    )
    return parts


def _row(row: Residual, y: int, scale: float) -> str:
    middle, median, most = y + 9, row.p50 * scale, LEFT + row.p90 * scale
    return (
        f'<text x="{LEFT - 12}" y="{y + 14}" text-anchor="end">{escape(row.regime)}</text>'
        f'<rect class="bar" x="{LEFT}" y="{y + 2}" width="{median:.1f}" height="14"/>'
        f'<path class="mark" stroke-width="2" d="M{LEFT + median:.1f} {middle}H{most - 5:.1f}"/>'
        f'<circle class="mark" stroke-width="2" cx="{most:.1f}" cy="{middle}" r="5"/>'
        f'<text x="{WIDTH - 20}" y="{y + 14}" text-anchor="end">{row.p50:.1%}'
        f' <tspan class="quiet">of {row.points:,}</tspan></text>'
    )


def _legend(y: int) -> list[str]:
    return [
        f'<rect class="bar" x="{LEFT}" y="{y - 11}" width="22" height="14"/>',
        f'<text x="{LEFT + 30}" y="{y}">median error</text>',
        f'<circle class="mark" stroke-width="2" cx="{LEFT + 160}" cy="{y - 5}" r="5"/>',
        f'<text x="{LEFT + 174}" y="{y}">90 % of points are closer than this</text>',
    ]


def main() -> None:
    """Write the figure."""
    gpu = sys.argv[1] if len(sys.argv) > 1 else "h100-sxm"
    out = Path(sys.argv[2] if len(sys.argv) > 2 else f"docs/figures/{gpu}-residuals.svg")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(draw(gpu, residuals(gpu)), encoding="utf-8")
    print(out)


if __name__ == "__main__":
    main()
