"""What following the load costs and saves, beside fleets of one size: the table of autoscaling.md.

    python docs/experiments/autoscaling.py

The text around the table is written by hand; the command replaces what stands between the marks.
"""

import re
import sys
from pathlib import Path
from typing import Any

from kvsim.errors import InputError
from kvsim.scenario import load
from kvsim.scenario.run import run

PAGE = Path(__file__).with_suffix(".md")
FLEETS = {
    **{
        f"{replicas} always": ("policies.scaling=fixed", f"cluster.pools.0.replicas={replicas}")
        for replicas in (1, 2, 3, 4)
    },
    "running, 32 each": (),
    "running, 48 each": ("policies.scaling.utilization.target=48",),
    "running, 20 each": ("policies.scaling.utilization.target=20",),
    "running, 32 each, started in 5 s": ("cluster.pools.0.autoscale.startup=5 s",),
    "running, 32 each, started in 240 s": ("cluster.pools.0.autoscale.startup=240 s",),
    "queue, 5 each": ("policies.scaling=queue",),
    "queue, 1 each": ("policies.scaling={queue: {target: 1}}",),
}
HEADS = (
    "Replicas", "On average", "TTFT p50, s", "TTFT p99, s", "In time", "$",
    "$ per 1,000 requests in time",
)  # fmt: skip


def main() -> None:
    """Run everything and write the page."""
    try:
        rows = [row(name, run(load("autoscaling", FLEETS[name])).summary) for name in FLEETS]
    except InputError as fault:
        sys.exit(str(fault))
    rule = "|".join(("---", *("---:" for _ in HEADS[1:])))
    table = "\n".join((f"| {' | '.join(HEADS)} |", f"|{rule}|", *rows))
    mark = re.compile(r"(<!-- table -->\n).*?(\n<!-- end -->)", re.DOTALL)
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(mark.sub(lambda found: found[1] + table + found[2], text), encoding="utf-8")


def row(name: str, found: dict[str, Any]) -> str:
    """A line of a Markdown table."""
    cost, in_time = found["cost"], found["slo"]["attainment"]
    mean = cost["gpu_hours"] * 3600 / found["duration_s"] / 4
    cells = (
        name,
        f"{mean:.2f}",
        f"{found['ttft_s']['p50']:.2f}",
        f"{found['ttft_s']['p99']:.2f}",
        f"{in_time:.1%}",
        f"{cost['usd']:.2f}",
        f"{cost['usd'] / (in_time * found['requests']['arrived']) * 1000:.2f}",
    )
    line = f"| {' | '.join(cells)} |"
    print(line, file=sys.stderr, flush=True)
    return line


if __name__ == "__main__":
    main()
