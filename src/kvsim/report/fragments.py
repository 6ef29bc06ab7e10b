"""Pieces of the page as HTML. Everything that came from outside is escaped here."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from kvsim.report import words
from kvsim.report.folder import RunFolder
from kvsim.report.measures import LATENCIES, QUANTILES, TIERS, Summary, at, number, warnings
from kvsim.report.measures import tier_shares as shares_by_tier
from kvsim.report.reasons import Context, reason, tpot, ttft
from kvsim.report.slowest import Row, around, by_tpot, by_ttft, usual
from kvsim.report.tables import facts
from kvsim.units import SECOND


def subtitle(run: RunFolder) -> str:
    """Model, machine and policies in a line; version and seed in another."""
    scenario, manifest = run.scenario, at(run.summary, "manifest") or {}
    parts = [scenario.get("model"), _machine(scenario), scenario.get("engine")]
    what = " · ".join(escape(str(part)) for part in parts if part)
    made = " · ".join(
        f"{label} {escape(str(manifest[key]))}"
        for key, label in (("version", "kvsim"), ("seed", "seed"))
        if manifest.get(key) is not None
    )
    return f'<p class="what">{what}</p><p class="made">{made}</p>'


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
        found.append(f"{at(pool, 'replicas') or 1}{name} × {gpus} {at(pool, 'gpu') or gpu or 'GPU'}")
    return ", ".join(found) or (str(gpu) if gpu else "")


def banner(run: RunFolder) -> str:
    """What to know before trusting the numbers; a partial run is said loudest."""
    found = warnings(run.summary)
    if run.missing:
        found.append(f"missing from the run folder: {', '.join(run.missing)}")
    if not found:
        return ""
    items = "".join(f"<li>{escape(text[0].upper() + text[1:])}</li>" for text in found)
    partial = " partial" if run.summary.get("partial") else ""
    return f'<ul class="banner{partial}" role="alert">{items}</ul>'


def cards(summary: Summary) -> str:
    """The headline numbers that are known, each with what puts it in place."""
    found = (card for card in _cards(summary) if card[1] != words.MISSING)
    return "".join(
        f"<div><dt>{escape(label)}</dt><dd>{escape(value)}<small>{escape(note)}</small></dd></div>"
        for label, value, note in found
    )


def _cards(summary: Summary) -> Iterable[tuple[str, str, str]]:
    def text(path: str, write: Any = words.percent) -> str:
        return str(write(number(summary, path)))

    def note(**parts: str) -> str:
        return ", ".join(f"{key} {part}" for key, part in parts.items() if part != words.MISSING)

    ttft_slo, tpot_slo = text("slo.ttft_attainment"), text("slo.tpot_attainment")
    yield "SLO attainment", text("slo.attainment"), note(TTFT=ttft_slo, TPOT=tpot_slo)
    rate = text("throughput.requests_per_s", words.amount)
    yield "Goodput", _with(text("slo.goodput_rps", words.amount), "/s"), f"of {rate} requests/s"
    for name in ("ttft_s", "tpot_s"):
        tail = note(p99=text(f"{name}.p99", words.duration))
        yield f"{LATENCIES[name]}, median", text(f"{name}.p50", words.duration), tail
    given = note(input=text("throughput.input_tokens_per_s", words.amount))
    yield "Output tokens/s", text("throughput.output_tokens_per_s", words.amount), given
    shares = shares_by_tier(summary)
    tiers = ", ".join(f"{TIERS.get(t, t)} {words.percent(share)}" for t, share in shares.items())
    yield "Cache hit rate", text("cache.hit_rate"), tiers
    capacity = note(of=_with(text("memory.kv_capacity_tokens", words.amount), " tokens"))
    yield "KV memory, peak", text("memory.kv_peak_fraction"), capacity
    yield "GPU busy", text("gpu.busy_fraction"), note(MFU=text("gpu.mfu"), MBU=text("gpu.mbu"))
    cost = text("cost.usd_per_million_output_tokens", words.dollars)
    yield "Per million output tokens", cost, note(total=text("cost.usd", words.dollars))


def _with(text: str, unit: str) -> str:
    return text if text == words.MISSING else text + unit


def latency_table(summary: Summary) -> str:
    """Every latency at every quantile."""
    rows = []
    for name, label in LATENCIES.items():
        cells = [words.duration(number(summary, f"{name}.{q}")) for q in QUANTILES]
        if any(cell != words.MISSING for cell in cells):
            rows.append([label, *cells])
    return table("Latencies", ["", *QUANTILES], rows, numbers=len(QUANTILES)) if rows else ""


def facts_table(summary: Summary) -> str:
    """Everything else that the summary says."""
    rows = "".join(
        f"<dt>{escape(label)}</dt><dd>{escape(' · '.join(parts))}</dd>"
        for label, parts in facts(summary)
    )
    return f'<dl class="facts">{rows}</dl>'


def slow_table(run: RunFolder, many: int, paces: int) -> str:
    """The slowest requests and why, by time to first token and by time per token."""
    medians = usual(run)
    first = [_slow(run, row, medians, ttft(row)) for row in by_ttft(run, many)]
    pace = [_slow(run, row, medians, tpot(row)) for row in by_tpot(run, paces)]
    heads = ("Request", "Prompt", "Output", "Why")
    found = [
        table(caption, [heads[0], name, *heads[1:]], rows, numbers=4)
        for caption, name, rows in (
            ("Longest until the first token", "TTFT", first),
            ("Slowest answers, by time per token", "TPOT", pace),
        )
        if rows
    ]
    return "".join(found) or "<p>No request was served.</p>"


def _slow(run: RunFolder, row: Row, medians: Context, ns: float | None) -> list[str]:
    return [
        words.count(row["id"]),
        words.duration(None if ns is None else ns / SECOND),
        words.amount(row["prompt_tokens"]),
        words.amount(row["output_tokens"]),
        reason(row, around(run, row, medians)),
    ]


def table(caption: str, heads: list[str], rows: list[list[str]], numbers: int) -> str:
    """A table whose first column heads the rows; `numbers` columns are right-aligned."""
    is_last_text = len(heads) > numbers + 1 or heads[-1] == "Why"
    right = range(1, len(heads) - is_last_text)
    kind = [' class="number"' if i in right else "" for i in range(len(heads))]
    head = "".join(f'<th scope="col"{kind[i]}>{escape(h)}</th>' for i, h in enumerate(heads))
    body = "".join(
        "<tr>"
        + f'<th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td{kind[i]}>{escape(c)}</td>" for i, c in enumerate(row[1:], 1))
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
