"""How KV comes back from DRAM and SSD, by restore answer, at two loads: fills restore.md.

    python docs/experiments/restore.py

The text around the tables is written by hand; the command replaces what stands between the marks.
"""

import re
from pathlib import Path
from typing import Any

from kvsim.scenario import load
from kvsim.scenario.run import run

PAGE = Path(__file__).with_suffix(".md")
ANSWERS = (
    ("recompute", "none"), ("load", "none"), ("load", "layerwise"), ("break_even", "none"),
    ("cake", "none"), ("pensieve", "none"), ("hcache", "layerwise"), ("kvpr", "layerwise"),
)  # fmt: skip
"""Restore and prefetch."""
MODELS = {
    "llama-3.1-8b": ((0.6, 1.2), ()),
    "qwen1.5-72b": (
        (0.05, 0.15),
        (
            "cluster.pools.0.parallel.tensor=4",
            "workload.sessions.first_input_tokens={lognormal: {median: 8000, cv: 0.6, max: 24000}}",
            "workload.sessions.max_context=32768",
        ),
    ),
}  # fmt: skip
"""Sessions per second of the two loads, and what else differs from scenarios/dram-ssd.yaml."""


def row(model: str, rate: float, restore: str, prefetch: str) -> dict[str, Any]:
    """The summary of one run."""
    changes = (
        f"model={model}", f"workload.sessions.rate={rate}/s", *MODELS[model][1],
        f"policies.restore={restore}", f"policies.prefetch={prefetch}",
    )  # fmt: skip
    return run(load("dram-ssd", changes)).summary


def table(model: str) -> str:
    """One model, both loads side by side."""
    rates = MODELS[model][0]
    head = [f"{what} at {rate}/s" for rate in rates for what in ("TTFT p50", "p99", "loaded")]
    lines = [
        f"| restore, prefetch | {' | '.join(head)} | stored |",
        "|---" + "|--:" * (len(head) + 1) + "|",
    ]
    for restore, prefetch in ANSWERS:
        cells, stored = [], 0.0
        for rate in rates:
            told = row(model, rate, restore, prefetch)
            tiers = told["tiers"].values()
            stored = sum(tier["written_bytes"] for tier in tiers)
            loaded = sum(tier["loaded_bytes"] for tier in tiers)
            ttft = told["ttft_s"]
            cells += [f"{ttft['p50']:.3f} s", f"{ttft['p99']:.2f} s", f"{loaded / 1e9:,.0f} GB"]
        lines.append(f"| {restore}, {prefetch} | {' | '.join(cells)} | {stored / 1e9:,.0f} GB |")
    return "\n".join(lines)


if __name__ == "__main__":
    text = PAGE.read_text()
    for model in MODELS:
        mark = re.compile(rf"(<!-- {re.escape(model)} -->\n).*?(<!-- end -->)", re.DOTALL)
        told = table(model)
        print(told)
        text = mark.sub(lambda found, told=told: found[1] + told + "\n" + found[2], text)
    PAGE.write_text(text)
