"""What each tier is worth to coding agents, by eviction policy: measures the tables of agentic.md.

    python docs/experiments/agentic.py --trace agentic_cc_stream120_blk512.jsonl.gz

The text around the tables is written by hand; the command replaces what stands between the marks.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from kvsim.errors import InputError
from kvsim.scenario import load
from kvsim.scenario.run import run

PAGE = Path(__file__).with_suffix(".md")
LOAD = (
    "workload.trace.replay=sessions",
    "workload.trace.max_context=262144",  # the model's own; longer requests are dropped and counted
    "workload.trace.rate_scale=4",  # sessions begin 4 times as densely as in the file
    "measure.to=3600 s",
)
BACKLOG = "backlog: 64 GiB"
"""More than one request's KV (24 GiB at 262,144 tokens): a tier refuses what exceeds it at once."""
DRAM = f"dram: {{capacity: 512 GiB, {BACKLOG}}}"
TIERS = {
    "HBM only": "{}",
    "+ DRAM": f"{{{DRAM}}}",
    "+ DRAM + SSD": f"{{{DRAM}, ssd: {{capacity: 2 TiB, drives: 2, {BACKLOG}}}}}",
    "+ DRAM + remote": f"{{{DRAM}, remote: {{capacity: 2 TiB, servers: 2, {BACKLOG}}}}}",
}
WITHOUT_DRAM = {"+ SSD alone": f"{{ssd: {{capacity: 2 TiB, drives: 2, {BACKLOG}}}}}"}
ROUTED = {"HBM only": TIERS["HBM only"], "+ DRAM": TIERS["+ DRAM"], **WITHOUT_DRAM}
EVICTIONS = ("lru", "lfu", "s3fifo", "cost_aware")
ROUTERS = ("prefix_aware", "least_loaded")
HOUR = 3600


class Row(NamedTuple):
    """One run."""

    tiers: str
    policy: str
    summary: dict[str, Any]

    def __str__(self) -> str:
        """A line of a Markdown table."""
        found = self.summary
        slo, cache, cost = found["slo"], found["cache"], found["cost"]
        in_time = slo["goodput_rps"] * HOUR
        cells = (
            self.tiers,
            self.policy,
            f"{found['ttft_s']['p50']:.2f}",
            f"{found['ttft_s']['p99']:.1f}",
            f"{slo['goodput_rps']:.2f}",
            f"{slo['attainment']:.1%}",
            f"{cache['by_tier']['hbm'] / cache['prompt_tokens']:.1%}",
            f"{cache['hit_rate']:.1%}",
            f"{cost['usd_per_million_output_tokens']:.2f}",
            f"{cost['usd'] / in_time * 1000:.2f}",
        )
        return f"| {' | '.join(cells)} |"


def main() -> None:
    """Run everything and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trace", required=True, help="the stream of 120 sessions")
    trace = parser.parse_args().trace
    try:
        text = PAGE.read_text(encoding="utf-8")
        evictions = measured(trace, TIERS, EVICTIONS, "policies.eviction")
        text = replaced(text, "eviction", table("Eviction", evictions))
        routers = measured(trace, ROUTED, ROUTERS, "policies.router")
        text = replaced(text, "router", table("Router", routers))
        PAGE.write_text(text, encoding="utf-8")
    except InputError as fault:
        sys.exit(str(fault))


def measured(
    trace: str, tiers_by_name: dict[str, str], answers: Iterable[str], question: str
) -> Iterator[Row]:
    """A run for each choice of tiers and answer to `question`; the router is prefix_aware and the
    eviction lru unless they are asked about."""
    for tiers, answer in product(tiers_by_name, answers):
        others = ("policies.router=prefix_aware", "policies.eviction=lru")
        chosen = f"cluster.tiers={tiers_by_name[tiers]}"
        changes = (*LOAD, chosen, *others, f"{question}={answer}")
        row = Row(tiers, answer, run(load("agentic", changes, trace)).summary)
        print(row, counts(row.summary), file=sys.stderr, flush=True)
        yield row


def counts(summary: dict[str, Any]) -> str:
    """What a table has no room for."""
    asked = summary["requests"]
    return (
        f"{asked['finished']} of {asked['arrived']} finished, {asked['rejected']} rejected, "
        f"{asked['dropped']} too long; GPUs busy {summary['gpu']['busy_fraction']:.0%}, "
        f"{summary['preemptions']} preemptions; {summary['simulator']['wall_s']:.1f} s to simulate"
    )


def table(question: str, rows: Iterable[Row]) -> str:
    """Rows below their heading."""
    heads = (
        "Tiers", question, "TTFT p50, s", "TTFT p99, s", "Goodput, 1/s", "In time", "Hits in HBM",
        "Hits in all", "$ per M output tokens", "$ per 1,000 requests in time",
    )  # fmt: skip
    rule = "|".join(("---", "---", *("---:" for _ in heads[2:])))
    return "\n".join((f"| {' | '.join(heads)} |", f"|{rule}|", *map(str, rows)))


def replaced(text: str, name: str, new: str) -> str:
    """`text` with what stands between the marks of `name` replaced."""
    mark = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- end -->)", re.DOTALL)
    if not mark.search(text):
        raise InputError(f"{PAGE} has no place for the table {name!r}: <!-- {name} --> is missing.")
    return mark.sub(lambda found: found[1] + new + found[2], text)


if __name__ == "__main__":
    main()
