"""What copying ahead is worth if returns can be foreseen, and if they cannot: fills prefetch.md.

    python docs/experiments/prefetch.py

The text around the table is written by hand; the command replaces what stands between the marks.
"""

import re
from pathlib import Path
from typing import Any

from kvsim.scenario import load
from kvsim.scenario.run import run

PAGE = Path(__file__).with_suffix(".md")
ANSWERS = ("none", "layerwise", "queue", "session_return", "{session_return: {layers: true}}")
THINKING = (0.05, 0.3, 1.0)
"""Coefficients of variation of the think time, whose median is 90 s."""
CHANGES = (
    "workload.sessions.rate=0.15/s", "cluster.tiers.dram.capacity=64GiB", "policies.eviction=lru",
)  # fmt: skip
"""What differs from scenarios/dram-ssd.yaml: DRAM for some of those who think, drives not busy."""


def summary(prefetch: str, variation: float) -> dict[str, Any]:
    """Of one run."""
    think = f"workload.sessions.think_time={{lognormal: {{median: 90 s, cv: {variation}}}}}"
    return run(load("dram-ssd", (*CHANGES, f"policies.prefetch={prefetch}", think))).summary


def table() -> str:
    """A row for each answer and think time."""
    lines = [
        "| think time varies by | prefetch | TTFT p50 | p99 | hits in DRAM | in SSD | copied ahead "
        "|",
        "|--:|---" + "|--:" * 5 + "|",
    ]
    for variation in THINKING:
        for prefetch in ANSWERS:
            told = summary(prefetch, variation)
            ttft, hits, prompts = told["ttft_s"], told["cache"]["by_tier"], told["cache"]
            shares = [hits[tier] / prompts["prompt_tokens"] for tier in ("dram", "ssd")]
            ahead = told["tiers"]["dram"]["stored_bytes"]["ahead"] / 1e9
            lines.append(
                f"| {variation:.0%} | {prefetch} | {ttft['p50'] * 1e3:,.0f} ms | "
                f"{ttft['p99']:.2f} s | {shares[0]:.1%} | {shares[1]:.1%} | {ahead:,.0f} GB |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    told = table()
    print(told)
    mark = re.compile(r"(<!-- table -->\n).*?(<!-- end -->)", re.DOTALL)
    PAGE.write_text(mark.sub(lambda found: found[1] + told + "\n" + found[2], PAGE.read_text()))
