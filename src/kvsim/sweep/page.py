"""sweep.html: all points as a table, and cost against goodput as a picture; opens offline."""

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from kvsim.sweep.grid import Point
from kvsim.sweep.table import MEASURED, row

WIDTH, HEIGHT, LEFT, BOTTOM = 860, 380, 80, 56
COST, GOOD = "usd_per_million_output_tokens", "goodput_rps"


def page(points: Sequence[Point], title: str) -> str:
    """The whole page."""
    rows = [row(point) for point in points]
    best = front([(r[COST], r[GOOD]) for r in rows])
    found = {
        "title": escape(title),
        "points": str(len(rows)),
        "failed": str(sum(one["error"] is not None for one in rows)),
        "picture": _picture(rows, best),
        "table": _table(points, rows, best),
    }
    template = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: found[match[1]], template)


def front(pairs: Sequence[tuple[float | None, float | None]]) -> set[int]:
    """Points that no other beats in both: lower cost and higher goodput."""
    known = [(cost, good, at) for at, (cost, good) in enumerate(pairs)
             if cost is not None and good is not None]  # fmt: skip
    found, most = set(), float("-inf")
    for _, good, at in sorted(known, key=lambda one: (one[0], -one[1])):
        if good > most:
            found.add(at)
            most = good
    return found


def _picture(rows: list[dict[str, object]], best: set[int]) -> str:
    known = [(float(str(r[COST])), float(str(r[GOOD])), at) for at, r in enumerate(rows)
             if r[COST] is not None and r[GOOD] is not None]  # fmt: skip
    if not known:
        return ""
    wide = max(cost for cost, _, _ in known) * 1.05 or 1.0
    high = max(good for _, good, _ in known) * 1.1 or 1.0

    def place(cost: float, good: float) -> tuple[float, float]:
        return (
            LEFT + cost / wide * (WIDTH - LEFT - 20),
            HEIGHT - BOTTOM - good / high * (HEIGHT - BOTTOM - 20),
        )

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Cost against goodput">']
    for step in range(5):
        x, y = place(wide * step / 4, high * step / 4)
        parts.append(f'<path class="rule" d="M{LEFT} {y:.1f}H{WIDTH - 20}"/>')
        parts.append(f'<text class="quiet" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">'
                     f"{high * step / 4:.3g}</text>")  # fmt: skip
        parts.append(f'<text class="quiet" x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" '
                     f'text-anchor="middle">{wide * step / 4:.3g}</text>')  # fmt: skip
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in sorted(
        place(cost, good) for cost, good, at in known if at in best))  # fmt: skip
    parts.append(f'<polyline class="front" points="{line}"/>')
    for cost, good, at in known:
        x, y = place(cost, good)
        kind = "win" if at in best else "dot"
        parts.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="5">'
                     f"<title>{escape(_named(rows[at]))}</title></circle>")  # fmt: skip
    parts.append(f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 12}" text-anchor="middle">'
                 "US dollars per million output tokens</text>")  # fmt: skip
    parts.append(f'<text transform="translate(18 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">'
                 "goodput, requests per second</text></svg>")  # fmt: skip
    return "".join(parts)


def _named(found: dict[str, object]) -> str:
    keep = [key for key in found if key not in MEASURED and key not in ("error", "key")]
    return ", ".join(f"{key}={found[key]}" for key in keep)


def _table(points: Sequence[Point], rows: list[dict[str, object]], best: set[int]) -> str:
    paths = list(points[0].values) if points else []
    head = "".join(f'<th class="left">{escape(p)}</th>' for p in paths)
    head += "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in MEASURED)
    body = []
    for at, found in enumerate(rows):
        cells = "".join(f'<td class="left">{escape(str(found[p]))}</td>' for p in paths)
        if found["error"] is not None:
            cells += (
                f'<td class="left" colspan="{len(MEASURED)}">{escape(str(found["error"]))}</td>'
            )
        else:
            cells += "".join(f"<td>{_number(found[name])}</td>" for name in MEASURED)
        body.append(f"<tr{' class=best' if at in best else ''}>{cells}</tr>")
    return (f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{''.join(body)}</tbody></table></div>")  # fmt: skip


def _number(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else escape(str(value))
