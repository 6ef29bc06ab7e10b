"""Unified against disaggregated at equal GPUs, by transfer and wire: fills disaggregation.md.

    python docs/experiments/disaggregation.py

The text around the tables is written by hand; the command replaces what stands between the marks.
Both traces come with kvsim.
"""

import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from kvsim.scenario import load
from kvsim.sweep import sweep
from kvsim.sweep.goodput import goodput
from kvsim.sweep.grid import settings

PAGE = Path(__file__).with_suffix(".md")
GPUS = 6


def pool(role: str, replicas: int) -> dict[str, Any]:
    """Replicas of two GPUs."""
    return {"role": role, "replicas": replicas, "parallel": {"tensor": 2}}


UNIFIED = {"unified, 3 pairs": [pool("unified", 3)]}
MANY_PREFILL = {"2 prefill, 1 decode": [pool("prefill", 2), pool("decode", 1)]}
MANY_DECODE = {"1 prefill, 2 decode": [pool("prefill", 1), pool("decode", 2)]}
INSIDE = {"NVLink": {"gpu": "h100-sxm", "gpus": 8}}
WIRES = {
    **INSIDE,
    "400 Gbit/s": {"gpu": "h100-sxm", "gpus": 2},  # every pair a node of its own
}
TRANSFERS = ("layerwise", "request", "pull")
TRACES: dict[str, tuple[str, dict[str, Any]]] = {
    "agents": ("recorded-agents", {"measure.to": "1800 s"}),
    "azure": ("azure", {
        "workload.trace.arrivals": None,  # as recorded, 5.5 a second, and three times as dense
        "workload.trace.rate_scale": 3,
        "policies.router": "least_loaded",
    }),
}  # fmt: skip
PACES = {"TPOT 50 ms": "50 ms", "TPOT 25 ms": "25 ms"}
FACTS = {
    "flowing": "handoff.transfer_s.p50", "flowing99": "handoff.transfer_s.p99",
    "room99": "handoff.room_s.p99",
}  # fmt: skip
HEADS = (
    "pools", "transfer", "wire", "TTFT p50, s", "TTFT p99, s", "TPOT p50, ms", "TPOT p99, ms",
    "in time", "goodput per GPU, 1/s", "hand-off p50, ms", "p99, ms", "room p99, ms",
)  # fmt: skip


def measured(name: str, changes: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Runs of one trace: unified once, the larger prefill pool over every wire, the other once."""
    grids = (
        (UNIFIED, ("layerwise",), INSIDE),
        (MANY_PREFILL, TRANSFERS, WIRES),
        (MANY_DECODE, ("layerwise",), INSIDE),
    )
    for pools, transfers, wires in grids:
        grid = {"cluster.pools": pools, "cluster.node": wires, "cluster.transfer": transfers}
        table = sweep(name, grid, changes, also=FACTS)
        assert table["error"].isna().all(), list(table["error"])
        yield from table.to_dict("records")


def line(row: dict[str, Any]) -> str:
    """A row of the table; what is unified hands nothing over."""
    is_unified = row["flowing"] is None or row["flowing"] != row["flowing"]
    told = ("–", "–") if is_unified else (row["cluster.transfer"], row["cluster.node"])
    waits = ("–",) * 3 if is_unified else tuple(
        short(row[key] * 1000) for key in ("flowing", "flowing99", "room99"))  # fmt: skip
    cells = (
        row["cluster.pools"], *told, f"{row['ttft_p50_s']:.3f}", f"{row['ttft_p99_s']:.2f}",
        f"{row['tpot_p50_s'] * 1000:.1f}", f"{row['tpot_p99_s'] * 1000:.1f}",
        f"{row['attainment']:.1%}", f"{row['goodput_rps'] / GPUS:.3f}", *waits,
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def short(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def table(heads: tuple[str, ...], texts: int, lines: list[str]) -> str:
    """Markdown; the first `texts` columns are words, the others numbers."""
    rule = ["---"] * texts + ["---:"] * (len(heads) - texts)
    return "\n".join((f"| {' | '.join(heads)} |", f"|{'|'.join(rule)}|", *lines))


def highest(task: tuple[list[dict[str, Any]], str]) -> float:
    """Requests per second and GPU at which 90 % of Azure's requests are in time."""
    pools, pace = task
    name, changes = TRACES["azure"]
    more = {"cluster.pools": pools, "slo.tpot": pace}
    return goodput(load(name, settings({**changes, **more})), 0.9).per_gpu


def rates() -> str:
    """The search, for every use of the GPUs and both paces."""
    shapes = {**UNIFIED, **MANY_PREFILL, **MANY_DECODE}
    tasks = [(pools, pace) for pools in shapes.values() for pace in PACES.values()]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        found = iter(list(pool.map(highest, tasks)))
    lines = [f"| {name} | {' | '.join(f'{next(found):.2f}' for _ in PACES)} |" for name in shapes]
    return table(("pools", *PACES), 1, lines)


def main() -> None:
    """Run everything and write the page."""
    text = PAGE.read_text(encoding="utf-8")
    tables = {
        mark: table(HEADS, 3, [line(row) for row in measured(*run)]) for mark, run in TRACES.items()
    }
    for mark, found in {**tables, "rates": rates()}.items():
        print(f"{mark}\n{found}\n")
        place = re.compile(rf"(<!-- {mark} -->\n).*?(\n<!-- end -->)", re.DOTALL)
        assert place.search(text), f"{PAGE} has no <!-- {mark} -->"
        text = place.sub(lambda old, new=found: old[1] + new + old[2], text)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
