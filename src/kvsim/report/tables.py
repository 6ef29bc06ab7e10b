"""Summaries as tables for an 80-column terminal: one run, or several side by side."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from kvsim.report import tier_words, waste, words
from kvsim.report.comparing import Change, changes
from kvsim.report.measures import (
    LATENCIES,
    PARTS,
    QUANTILES,
    TIERS,
    Summary,
    at,
    doubts,
    number,
    tier_shares,
)
from kvsim.report.warnings import warnings

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

ACROSS = 3
"""Runs that fit beside the first one in 80 columns."""
LARGE = 100_000
"""A row whose largest number would reach this in ms is written in s."""
NAME = 12
"""Longer names of runs are replaced by letters, and listed above the table."""


def overview(summary: Summary, title: str = "") -> "RenderableType":
    """What `kvsim run` prints: warnings, latencies, where TTFT went, and the rest as facts."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [Text(title, style="bold")] if title else []
    parts += [Text(f"! {text}", style="bold yellow") for text in warnings(summary)]
    if parts:
        parts.append(Text())
    latencies, breakdown = _latencies(summary), _breakdown(summary)
    parts += [part for table in (latencies, breakdown) if table for part in (table, Text())]
    parts.append(_facts(summary))
    return Group(*parts)


def comparison(names: Sequence[str], summaries: Sequence[Summary]) -> "RenderableType":
    """What `kvsim compare` prints: runs side by side, each against the first."""
    from rich.console import Group
    from rich.text import Text

    found = changes(names, summaries)
    heads = _letters(len(names)) if max(map(len, names)) > NAME else list(names)
    parts: list[RenderableType] = [
        Text(f"{head}  {name}") for head, name in zip(heads, names, strict=True) if head != name
    ]
    parts += [
        Text(f"! {head}: {text}", style="bold yellow")
        for head, summary in zip(heads, summaries, strict=True)
        for text in doubts(summary)
    ]
    parts += [Text()] if parts else []
    if len(names) == 2:
        return Group(*parts, _pair(heads, found))
    for first in range(1, max(2, len(names)), ACROSS):
        parts += [_beside(heads, found, range(first, min(first + ACROSS, len(names)))), Text()]
    return Group(*parts[:-1])


def _letters(many: int) -> list[str]:
    """A to Z, then numbers."""
    return [chr(ord("A") + i) if i < 26 else str(i + 1) for i in range(many)]


def _table(*columns: str, numbers: int) -> "Table":
    """A table without frames whose last `numbers` columns are right-aligned."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for index, column in enumerate(columns):
        is_number = index >= len(columns) - numbers
        table.add_column(column, justify="right" if is_number else "left", no_wrap=True)
    return table


def _latencies(summary: Summary) -> "Table | None":
    rows = {name: at(summary, name) for name in LATENCIES}
    rows = {
        name: row for name, row in rows.items() if row and words.known(row.get("p50")) is not None
    }
    if not rows:
        return None
    table = _table("Latency", *QUANTILES, numbers=len(QUANTILES))
    for name, row in rows.items():
        scale, unit = _unit(row)
        cells = (words.known(row.get(quantile)) for quantile in QUANTILES)
        shown = (words.MISSING if x is None else words.digits(x / scale) for x in cells)
        table.add_row(f"{LATENCIES[name]}, {unit}", *shown)
    return table


def _unit(row: Summary) -> tuple[float, str]:
    """ms where the median is below a second, else s."""
    middle, top = words.known(row.get("p50")) or 0.0, words.known(row.get("max")) or 0.0
    in_ms = 0 < top < 1 or (0 < middle < 1 and top * 1000 < LARGE)
    return (1e-3, "ms") if in_ms else (1.0, "s")


def _breakdown(summary: Summary) -> "Table | None":
    means = {part: number(summary, f"ttft_breakdown_s.{part}") for part in PARTS}
    total = sum(mean or 0.0 for mean in means.values())
    if not total:
        return None
    table = _table("TTFT spent in", *PARTS, numbers=len(PARTS))
    table.add_row("mean", *map(words.duration, means.values()))
    shares = (words.percent(None if mean is None else mean / total) for mean in means.values())
    table.add_row("share", *shares)
    return table


def _facts(summary: Summary) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, parts in facts(summary):
        table.add_row(label, Text(" · ".join(parts)))
    return table


def facts(summary: Summary) -> Iterator[tuple[str, list[str]]]:
    """Everything that is not a latency, as (label, phrases); what is not known is left out."""
    for label, phrases in _PHRASES.items():
        found = [
            form.format(write(value))
            for path, form, write in phrases
            if (value := number(summary, path)) is not None
        ]
        found += _additions(summary, label)
        if found:
            yield label, found


# fmt: off
_PHRASES = {
    "Requests": (("requests.arrived", "{} arrived", words.count),
                 ("requests.finished", "{} finished", words.count),
                 ("requests.rejected", "{} rejected", words.count)),
    "Measured": (("duration_s", "{}", words.duration),),
    "Throughput": (("throughput.requests_per_s", "{} requests/s", words.amount),
                   ("throughput.input_tokens_per_s", "{} input tokens/s", words.amount),
                   ("throughput.output_tokens_per_s", "{} output tokens/s", words.amount)),
    "SLO": (("slo.attainment", "met {}", words.percent),
            ("slo.ttft_attainment", "TTFT {}", words.percent),
            ("slo.tpot_attainment", "TPOT {}", words.percent),
            ("slo.itl_attainment", "ITL {}", words.percent),
            ("slo.e2e_attainment", "E2E {}", words.percent),
            ("slo.normalized_attainment", "E2E per token {}", words.percent),
            ("slo.goodput_rps", "goodput {} requests/s", words.amount)),
    "SLO by class": (),
    "Fairness": (("fairness.jain_index", "Jain's index {}", words.digits),
                 ("fairness.largest_difference",
                  "one client at most {} weighted tokens ahead while both waited", words.amount)),
    "Cache hits": (("cache.hit_rate", "{} of prompt tokens", words.percent),),
    "KV memory": (("memory.kv_peak_fraction", "peak {}", words.percent),
                  ("memory.kv_capacity_tokens", "capacity {} tokens", words.amount),
                  ("memory.weights_bytes", "weights {}", words.size)),
    "KV waste": (),
    "GPU": (("gpu.busy_fraction", "busy {}", words.percent),
            ("gpu.mfu", "MFU {}", words.percent),
            ("gpu.mbu", "MBU {}", words.percent)),
    "Preemptions": (("preemptions", "{}", words.count),
                    ("recomputed_tokens", "{} tokens recomputed", words.amount)),
    "Eviction": (),
    "Tiers": (),
    "Links": (),
    "SSD wear": (),
    "Cost": (("cost.usd", "{}", words.dollars),
             ("cost.gpu_hours", "{} GPU hours", words.amount),
             ("cost.usd_per_million_output_tokens", "{} per million output tokens", words.dollars)),
    "Step times": (("extrapolated_fraction", "{} outside the measured range", words.percent),),
    "95 % sure": (),
    "Simulated in": (("simulator.wall_s", "{}", words.duration),),
}
# fmt: on


def _additions(summary: Summary, label: str) -> list[str]:
    """Phrases that are not one number."""
    if label == "Cache hits":
        shares = tier_shares(summary)
        return [f"{TIERS.get(tier, tier)} {words.percent(share)}" for tier, share in shares.items()]
    said = _SAID.get(label)
    return said(summary) if said else []


def _confidence(summary: Summary) -> list[str]:
    found = []
    for path, bounds in (at(summary, "confidence") or {}).items():
        if isinstance(bounds, Sequence) and len(bounds) == 2:
            low, high = (words.amount(bound) for bound in bounds)
            found.append(f"{path} {low} to {high}")
    return found


def _speed(summary: Summary) -> list[str]:
    """How fast the simulator was against the time it simulated."""
    wall, simulated = number(summary, "simulator.wall_s"), number(summary, "duration_s")
    found = []
    if wall and simulated:
        found.append(f"{words.amount(simulated / wall)}× real time")
    counts = {name: number(summary, f"simulator.{name}") for name in ("events", "steps", "spans")}
    return found + [f"{words.amount(many)} {name}" for name, many in counts.items() if many]


def _classes(summary: Summary) -> list[str]:
    """Who met their objectives, by class."""
    return [
        f"{name}: {words.percent(found.get('attainment'))} of {words.count(found.get('requests'))}"
        for name, found in (at(summary, "slo.by_class") or {}).items()
    ]


CAUSES = {
    "decode": "no room for the next tokens",
    "prompt": "no room for a prompt",
    "scheduler": "wanted by the scheduler",
    "failure": "lost with a replica",
}
"""Why requests lost their memory, as it is said."""


def _causes(summary: Summary) -> list[str]:
    found = at(summary, "preemption_causes") or {}
    return [f"{CAUSES.get(cause, cause)} {words.count(many)}" for cause, many in found.items()]


_SAID = {
    "SLO by class": _classes,
    "KV waste": waste.said,
    "Eviction": tier_words.bounds,
    "Tiers": tier_words.amounts,
    "Links": tier_words.links,
    "SSD wear": tier_words.wear,
    "Preemptions": _causes,
    "95 % sure": _confidence,
    "Simulated in": _speed,
}
"""By label: phrases that are not one number each."""


def _pair(heads: Sequence[str], found: Sequence[Sequence[Change]]) -> "Table":
    """Two runs: values, absolute and relative difference, verdict."""
    table = _table("", *map(_plain, heads), "difference", "", "", numbers=5)
    for index, group in enumerate(found):
        if index:
            table.add_row()
        for change in group:
            difference, share = change.difference_text(1), change.share_text(1)
            verdict = _verdict(change, 1)
            table.add_row(change.measure.label, *change.texts, difference, share, verdict)
    return table


def _beside(heads: Sequence[str], found: Sequence[Sequence[Change]], others: range) -> "Table":
    """The first run and some others; under each value its difference from the first."""
    shown = [heads[0], *(heads[index] for index in others)]
    table = _table("", *map(_plain, shown), numbers=len(shown))
    for index, group in enumerate(found):
        if index:
            table.add_row()
        for change in group:
            cells = [_cell(change, index) for index in others]
            table.add_row(change.measure.label, change.texts[0], *cells)
    return table


def _plain(text: str) -> str:
    """`text` as rich prints it, whatever brackets it has."""
    from rich.markup import escape

    return escape(text)


def _cell(change: Change, index: int) -> str:
    if not change.difference(index):
        return change.texts[index]
    mark = _verdict(change, index, f"{change.difference_text(index)} {change.share_text(index)}")
    return f"{change.texts[index]}\n{mark}"


def _verdict(change: Change, index: int, text: str = "") -> str:
    """The verdict, or `text` in its colour; nothing is said of what is the same."""
    verdict = change.verdict(index)
    colour = {"better": "green", "worse": "red"}.get(verdict, "dim")
    shown = text or ("" if verdict == "same" else verdict)
    return f"[{colour}]{shown}[/]" if shown else ""
