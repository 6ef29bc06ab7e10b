"""sweep.html: all points as a table, and cost against goodput as a picture; opens offline."""

import re
from collections.abc import Sequence
from html import escape
from math import ceil, floor, log10
from pathlib import Path

import yaml

from kvsim.sweep.grid import Point
from kvsim.sweep.table import MEASURED, row

WIDTH, HEIGHT, LEFT, BOTTOM, EDGE = 860, 380, 80, 56, 20
"""Of the picture and its margins, in pixels; `EDGE` is the top's and the right's."""
SHARES = ("attainment", "hit_rate", "kv_peak_fraction", "gpu_busy", "extrapolated")
LATENCIES = ("ttft", "tpot")
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
    across = ticks([cost for cost, _, _ in known])
    upward = ticks([good for _, good, _ in known])

    def place(cost: float, good: float) -> tuple[float, float]:
        right, up = _share(cost, across), _share(good, upward)
        return LEFT + right * (WIDTH - LEFT - EDGE), HEIGHT - BOTTOM - up * (HEIGHT - BOTTOM - EDGE)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Cost against goodput">']
    for tick in upward:
        y = place(across[0], tick)[1]
        parts.append(f'<path class="rule" d="M{LEFT} {y:.1f}H{WIDTH - EDGE}"/>')
        parts.append(f'<text class="quiet" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">'
                     f"{tick:g}</text>")  # fmt: skip
    for tick in across:
        x = place(tick, upward[0])[0]
        parts.append(f'<text class="quiet" x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" '
                     f'text-anchor="middle">{tick:g}</text>')  # fmt: skip
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


def ticks(values: Sequence[float]) -> list[float]:
    """Round numbers, two to ten of them, from at most the least value to at least the largest."""
    low, high = min(values), max(values)
    spread = high - low or abs(high) or 1.0
    power = 10.0 ** floor(log10(spread / 4))
    step = next(one * power for one in (5, 2, 1) if spread / (one * power) >= 2)
    first, last = floor(low / step), ceil(high / step)
    if first == last:
        first, last = first - (low < 0), last + 1
    return [round(at * step, 12) for at in range(first, last + 1)]


def _share(value: float, ticks: Sequence[float]) -> float:
    return (value - ticks[0]) / (ticks[-1] - ticks[0])


def _named(found: dict[str, object]) -> str:
    keep = [key for key in found if key not in MEASURED and key not in ("error", "key")]
    return ", ".join(f"{key}={found[key]}" for key in keep)


def _table(points: Sequence[Point], rows: list[dict[str, object]], best: set[int]) -> str:
    paths = list(points[0].values) if points else []
    head = "".join(f'<th class="left">{escape(p)}</th>' for p in paths)
    head += "".join(f"<th>{escape(_head(name))}</th>" for name in MEASURED)
    body = []
    for at, found in enumerate(rows):
        cells = "".join(f'<td class="left">{escape(_value(found[p]))}</td>' for p in paths)
        if found["error"] is not None:
            cells += (f'<td class="left fault" colspan="{len(MEASURED)}">'
                      f"{escape(str(found['error']))}</td>")  # fmt: skip
        else:
            cells += "".join(f"<td>{_number(name, found[name])}</td>" for name in MEASURED)
        body.append(f"<tr{' class=best' if at in best else ''}>{cells}</tr>")
    return (f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{''.join(body)}</tbody></table></div>")  # fmt: skip


def _head(name: str) -> str:
    """`ttft_p99_s` as TTFT p99, ms."""
    if name.startswith(LATENCIES):
        name = name.removesuffix("_s") + ", ms"
    for suffix, unit in (("_per_s", ", 1/s"), ("_rps", ", 1/s"), ("_s", ", s")):
        if name.endswith(suffix):
            name = name.removesuffix(suffix) + unit
            break
    words = name.replace("usd", "US$").replace("_", " ")
    for short in ("ttft", "tpot", "kv", "gpu"):
        words = words.replace(short, short.upper())
    return words[0].upper() + words[1:] + (", %" if name in SHARES else "")


def _value(value: object) -> str:
    """A value of the grid as it stands in YAML."""
    if isinstance(value, dict | list):
        return yaml.safe_dump(value, default_flow_style=True, width=10_000).strip()
    return "none" if value is None else str(value)


def _number(name: str, value: object) -> str:
    if value is None:
        return "–"
    if name in SHARES and isinstance(value, float):
        return f"{value * 100:.1f}"
    if name.startswith(LATENCIES) and isinstance(value, float):
        return f"{value * 1000:,.4g}" if value < 1 else f"{value * 1000:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if isinstance(value, float) and value >= 1000 else f"{value:.4g}"
