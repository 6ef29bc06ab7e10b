"""What it costs a router to hear of caches late, and not of all: measures staleness.md's table.

    python docs/experiments/staleness.py

The text around the table is written by hand; the command replaces what stands between the marks.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kvsim.errors import InputError
from kvsim.scenario import load
from kvsim.scenario.run import run

PAGE = Path(__file__).with_suffix(".md")
SCENARIOS = ("multiturn", "agentic")
DELAYS = ("0 s", "0.1 s", "1 s", "10 s")
LOSSES = (0.0, 0.01, 0.1)
ROUTERS = {
    **{
        f"precise, {delay} late, {loss:.0%} lost": f"{{precise: {{delay: {delay}, loss: {loss}}}}}"
        for loss in LOSSES
        for delay in DELAYS
    },
    "session": "session",
    "least_loaded": "least_loaded",
}
HEADS = ("Scenario", "Router", "Hits in HBM", "TTFT p50, s", "TTFT p99, s", "In time")


def main() -> None:
    """Run everything and write the page."""
    try:
        rows = list(measured())
    except InputError as fault:
        sys.exit(str(fault))
    rule = "|".join(("---", "---", *("---:" for _ in HEADS[2:])))
    table = "\n".join((f"| {' | '.join(HEADS)} |", f"|{rule}|", *rows))
    mark = re.compile(r"(<!-- table -->\n).*?(\n<!-- end -->)", re.DOTALL)
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(mark.sub(lambda found: found[1] + table + found[2], text), encoding="utf-8")


def measured() -> Iterator[str]:
    """A line of the table for each scenario and router."""
    for scenario in SCENARIOS:
        for name, router in ROUTERS.items():
            found = run(load(scenario, (f"policies.router={router}",))).summary
            line = f"| {scenario} | {name} | {' | '.join(cells(found))} |"
            print(line, file=sys.stderr, flush=True)
            yield line


def cells(found: dict[str, Any]) -> tuple[str, ...]:
    """What one run gave."""
    cache, ttft = found["cache"], found["ttft_s"]
    return (
        f"{cache['by_tier']['hbm'] / cache['prompt_tokens']:.1%}",
        f"{ttft['p50']:.3f}",
        f"{ttft['p99']:.2f}",
        f"{found['slo']['attainment']:.1%}",
    )


if __name__ == "__main__":
    main()
