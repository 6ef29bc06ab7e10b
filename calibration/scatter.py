"""Measured against fitted, as an SVG: a point for each sample that a table holds or was held from.

Both scales are logarithmic; on the diagonal both agree. Follows the reader's light or dark scheme.
"""

from collections.abc import Iterator
from html import escape
from math import log10
from typing import NamedTuple

from kvsim.calibration.figure import STYLE
from kvsim.calibration.measured import Measured
from kvsim.calibration.operators import Gemms
from kvsim.calibration.samples import Samples
from kvsim.calibration.table import Table, line
from kvsim.hardware import GPU
from kvsim.models import Attention

SIDE, LEFT, TOP = 520, 70, 60
SHAPES = {"products": "circle", "decode attention": "square", "prompt attention": "triangle"}


class Pair(NamedTuple):
    """A time that was measured, and what the tables say."""

    kind: str
    measured: float
    fitted: float


def pairs(samples: Samples, table: Table, device: GPU) -> list[Pair]:
    """All products and attention of 16 bits."""
    found = Measured(table, device, 16, 16)
    return [*_products(samples, found), *_decodes(samples, found), *_prompts(samples, found)]


def _products(samples: Samples, found: Measured) -> Iterator[Pair]:
    for row in samples.of("gemm", form="bf16"):
        fitted = found.gemm(Gemms(row["n"], row["k"]), row["m"], 16).ns
        yield Pair("products", row["ns"], fitted)


def _head(row: dict[str, int]) -> Attention:
    width = row["width"]
    return Attention("full", 1, row["query_heads"], row["kv_heads"], width, width)


def _decodes(samples: Samples, found: Measured) -> Iterator[Pair]:
    for row in samples.of("decode", form="bf16"):
        times, _ = found.decode(_head(row), row["batch"])
        yield Pair("decode attention", row["ns"], line(times, row["batch"] * row["context"]))


def _prompts(samples: Samples, found: Measured) -> Iterator[Pair]:
    for row in samples.of("prefill", form="bf16", batch=1):
        fitted = found.chunk(_head(row), row["tokens"], row["history"]).alone
        yield Pair("prompt attention", row["ns"], fitted)


def draw(title: str, points: list[Pair]) -> str:
    """The figure, as the text of an SVG file."""
    values = [value for pair in points for value in pair[1:] if value > 0]
    low, high = int(log10(min(values))), int(log10(max(values))) + 1

    def at(ns: float) -> float:
        return (log10(max(ns, 1.0)) - low) / (high - low) * SIDE

    width, height = LEFT + SIDE + 190, TOP + SIDE + 60
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>Measured and fitted kernel times, {escape(title)}</title><style>{STYLE}",
        "  .products { fill: #0072b2; } .decode { fill: #d55e00; } .prompt { fill: #009e73; }",
        f'</style><rect class="card" width="{width}" height="{height}" rx="6"/>',
        f'<text class="title" x="20" y="32">Measured and fitted kernel times: {escape(title)}'
        "</text>",
    ]
    for power in range(low, high + 1):
        x, y, label = LEFT + at(10.0**power), TOP + SIDE - at(10.0**power), _label(power)
        parts.append(f'<path class="grid" d="M{x:.1f} {TOP}V{TOP + SIDE}M{LEFT} {y:.1f}h{SIDE}"/>')
        parts.append(
            f'<text class="quiet" x="{x:.1f}" y="{TOP + SIDE + 20}" text-anchor="middle">{label}'
            f'</text><text class="quiet" x="{LEFT - 8}" y="{y + 5:.1f}" text-anchor="end">{label}'
            "</text>"
        )
    parts.append(f'<path class="grid" d="M{LEFT} {TOP + SIDE}l{SIDE} -{SIDE}"/>')
    for kind, measured, fitted in points:
        parts.append(_mark(kind, LEFT + at(measured), TOP + SIDE - at(fitted)))
    for place, kind in enumerate(SHAPES):
        y = TOP + 20 + 24 * place
        parts.append(_mark(kind, LEFT + SIDE + 24, y))
        parts.append(f'<text x="{LEFT + SIDE + 36}" y="{y + 5}">{kind}</text>')
    parts.append(
        f'<text class="quiet" x="{LEFT}" y="{TOP + SIDE + 46}">across: measured; up: fitted</text>'
    )
    return "\n".join([*parts, "</svg>\n"])


def _label(power: int) -> str:
    for least, unit in ((9, "s"), (6, "ms"), (3, "us")):
        if power >= least:
            return f"{10 ** (power - least)} {unit}"
    return f"{10**power} ns"


def _mark(kind: str, x: float, y: float) -> str:
    style = kind.split(" ")[0]
    if SHAPES[kind] == "circle":
        return f'<circle class="{style}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
    if SHAPES[kind] == "square":
        return f'<rect class="{style}" x="{x - 3:.1f}" y="{y - 3:.1f}" width="6" height="6"/>'
    return f'<path class="{style}" d="M{x - 4:.1f} {y + 3:.1f}h8l-4 -7z"/>'
