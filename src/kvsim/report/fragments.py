"""Pieces of the page as HTML. Everything that came from outside is escaped here."""

import re
from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Any

from kvsim.report import words
from kvsim.report.folder import RunFolder
from kvsim.report.measures import LATENCIES, QUANTILES, TIERS, Summary, at, number
from kvsim.report.measures import tier_shares as shares_by_tier
from kvsim.report.reasons import Context, pace_reason, reason, tpot, ttft
from kvsim.report.slowest import Row, around, by_tpot, by_ttft, usual
from kvsim.report.tables import facts
from kvsim.report.warnings import warnings
from kvsim.units import SECOND

WHY = "Why"
"""Heads the column of sentences."""
_UNIT = re.compile(r"(\d) (?=(?:%|[mµn]?s|min|h|[KMGT]iB|B)\b|%)")


def text(sentence: str) -> str:
    """`sentence` as HTML in which no number is parted from its unit."""
    return _UNIT.sub("\\1\u00a0", escape(sentence))


def subtitle(run: RunFolder) -> str:
    """Model and machine; the policies; version and seed: a line each."""
    scenario, manifest = run.scenario, at(run.summary, "manifest") or {}
    what = [scenario.get("model"), _machine(scenario), scenario.get("engine")]
    chosen = at(scenario, "policies") or {}
    policies = [f"{question} {_answer(answer)}" for question, answer in chosen.items() if answer]
    made = [
        f"{label} {manifest[key]}"
        for key, label in (("version", "kvsim"), ("seed", "seed"))
        if manifest.get(key) is not None
    ]
    return "".join(
        f'<p class="{kind}">{escape(" · ".join(str(part) for part in parts if part))}</p>'
        for kind, parts in (("what", what), ("made", policies), ("made", made))
        if any(parts)
    )


def _answer(answer: object) -> str:
    """A policy's name without its fields; of several, all names."""
    if isinstance(answer, Mapping):
        parts = (f"{k} {v}" if isinstance(v, str) else str(k) for k, v in answer.items())
        return ", ".join(parts)
    return ", ".join(map(_answer, answer)) if isinstance(answer, list) else str(answer)


def _machine(scenario: Mapping[str, Any]) -> str:
    """2 × 4 × h100-sxm: replicas, GPUs of each, their kind."""
    gpu = at(scenario, "cluster.node.gpu")
    found = []
    for pool in at(scenario, "cluster.pools") or ():
        parallel = at(pool, "parallel") or {}
        gpus = int(words.known(parallel.get("tensor")) or 1) * int(
            words.known(parallel.get("pipeline")) or 1
        )
        role = at(pool, "role")
        name = f" {role}" if role and role != "unified" else ""
        each = f"{gpus} " if gpus > 1 else ""
        kind = at(pool, "gpu") or gpu or "GPU"
        found.append(f"{at(pool, 'replicas') or 1}{name} × {each}{kind}")
    return ", ".join(found) or (str(gpu) if gpu else "")


def banner(run: RunFolder) -> str:
    """What to know before trusting the numbers; a partial run is said loudest."""
    found = warnings(run.summary)
    if run.missing:
        found.append(f"missing from the run folder: {', '.join(run.missing)}")
    if not found:
        return ""
    items = "".join(f"<li>{text(said[0].upper() + said[1:])}</li>" for said in found)
    partial = " partial" if run.summary.get("partial") else ""
    return f'<ul class="banner{partial}" role="alert">{items}</ul>'


def cards(summary: Summary) -> str:
    """The headline numbers that are known, each with what puts it in place."""
    found = (card for card in _cards(summary) if card[1] != words.MISSING)
    return "".join(
        f"<div><dt>{text(label)}</dt><dd>{text(value)}<small>{text(note)}</small></dd></div>"
        for label, value, note in found
    )


def _cards(summary: Summary) -> Iterable[tuple[str, str, str]]:
    def shown(path: str, write: Any = words.percent) -> str:
        return str(write(number(summary, path)))

    def note(**parts: str) -> str:
        return ", ".join(f"{key} {part}" for key, part in parts.items() if part != words.MISSING)

    asked = {name: f"slo.{name.lower()}_attainment" for name in ("TTFT", "TPOT", "ITL", "E2E")}
    met = {name: shown(path) for name, path in asked.items()}
    yield "SLO attainment", shown("slo.attainment"), note(**met)
    rate = shown("throughput.requests_per_s", words.amount)
    yield "Goodput", _with(shown("slo.goodput_rps", words.amount), "/s"), f"of {rate} requests/s"
    for name in ("ttft_s", "tpot_s"):
        tail = note(p99=shown(f"{name}.p99", words.duration))
        yield f"{LATENCIES[name]}, median", shown(f"{name}.p50", words.duration), tail
    given = note(input=shown("throughput.input_tokens_per_s", words.amount))
    yield "Output tokens/s", shown("throughput.output_tokens_per_s", words.amount), given
    shares = shares_by_tier(summary)
    tiers = ", ".join(f"{TIERS.get(t, t)} {words.percent(share)}" for t, share in shares.items())
    yield "Cache hit rate", shown("cache.hit_rate"), tiers
    capacity = note(of=_with(shown("memory.kv_capacity_tokens", words.amount), " tokens"))
    yield "KV memory, peak", shown("memory.kv_peak_fraction"), capacity
    yield "GPU busy", shown("gpu.busy_fraction"), note(MFU=shown("gpu.mfu"), MBU=shown("gpu.mbu"))
    cost = shown("cost.usd_per_million_output_tokens", words.dollars)
    yield "Per million output tokens", cost, note(total=shown("cost.usd", words.dollars))


def _with(shown: str, unit: str) -> str:
    return shown if shown == words.MISSING else shown + unit


def latency_table(summary: Summary) -> str:
    """Every latency at every quantile."""
    rows = []
    for name, label in LATENCIES.items():
        cells = [words.duration(number(summary, f"{name}.{q}")) for q in QUANTILES]
        if any(cell != words.MISSING for cell in cells):
            rows.append([label, *cells])
    return table("Latencies", ["", *QUANTILES], rows) if rows else ""


def facts_table(summary: Summary) -> str:
    """Everything else that the summary says."""
    rows = "".join(
        f"<dt>{escape(label)}</dt><dd>{text(' · '.join(parts))}</dd>"
        for label, parts in facts(summary)
    )
    return f'<dl class="facts">{rows}</dl>'


def slow_table(run: RunFolder, many: int, paces: int) -> str:
    """The slowest requests and why, by time to first token and by time per token."""
    medians = usual(run)
    first = [_slow(run, row, medians, ttft(row), reason) for row in by_ttft(run, many)]
    pace = [_slow(run, row, medians, tpot(row), pace_reason) for row in by_tpot(run, paces)]
    if not first:
        return "<p>No request was served.</p>"
    found = table("Longest until the first token", _slow_heads("TTFT"), first)
    if pace:
        return found + table("Slowest answers, by time per token", _slow_heads("TPOT"), pace)
    return found + "<p>No answer came much slower than the median one.</p>"


def _slow_heads(latency: str) -> list[str]:
    return ["Request", latency, "Prompt", "Output", WHY]


def _slow(
    run: RunFolder, row: Row, medians: Context, ns: float | None, why: Callable[[Row, Context], str]
) -> list[str]:
    return [
        words.count(row["id"]),
        words.duration(None if ns is None else ns / SECOND),
        words.amount(row["prompt_tokens"]),
        words.amount(row["output_tokens"]),
        why(row, around(run, row, medians)),
    ]


def table(caption: str, heads: list[str], rows: list[list[str]]) -> str:
    """A table whose first column heads the rows; all others are numbers, except "Why"."""
    kinds = [' class="why"' if head == WHY else ' class="number"' for head in heads]
    head = "".join(
        f'<th scope="col"{kind}>{escape(name)}</th>'
        for kind, name in zip(["", *kinds[1:]], heads, strict=True)
    )
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td{kind}>{text(c)}</td>" for kind, c in zip(kinds[1:], row[1:], strict=True))
        + "</tr>"
        for row in rows
    )
    look = ' class="told"' if WHY in heads else ""
    return (
        f'<div class="scroll"><table{look}><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
