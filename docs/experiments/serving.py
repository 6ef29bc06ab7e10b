"""Schedulers, routers and disaggregation on two real traces: fills serving.md.

    python docs/experiments/serving.py CONVERSATION.jsonl.gz AZURE.csv.gz

The text around the tables is written by hand; the command replaces what stands between the marks.
"""

import re
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from kvsim.scenario import Scenario
from kvsim.scenario.load import parse
from kvsim.scenario.run import run
from kvsim.sweep.goodput import goodput

PAGE = Path(__file__).with_suffix(".md")
SCHEDULERS: dict[str, Any] = {
    "chunked_prefill": {"tokens": 2048, "sequences": 256},
    "sarathi": {"tokens": 512, "sequences": 256},
    "vllm_v0": {"tokens": 16384, "sequences": 256},
    "orca": {"sequences": 256},
    "sjf": {"tokens": 2048, "sequences": 256},
    "fastserve": {"tokens": 2048, "sequences": 64},
    "lpm": {"tokens": 2048, "sequences": 256},
}
ROUTERS = ("round_robin", "least_loaded", "prefix_aware")
SHAPES = {
    "unified": [{"role": "unified", "replicas": 4, "parallel": {"tensor": 2}}],
    "2P + 2D": [
        {"role": "prefill", "replicas": 2, "parallel": {"tensor": 2}},
        {"role": "decode", "replicas": 2, "parallel": {"tensor": 2}},
    ],
}
TRACES = {
    "conversation": {"format": "mooncake", "limit": 1500, "rate_scale": 0.3},
    "Azure": {"format": "azure", "limit": 3000, "rate_scale": 5.0},
}
"""Eight H100 each: rates at which the better settings cope and the others do not."""
SLO = {"conversation": {"ttft": "10 s", "tpot": "50 ms"}, "Azure": {"ttft": "1 s", "tpot": "50 ms"}}
Task = tuple[str, str, str, str, str]


def scenario(task: Task) -> Scenario:
    """One combination."""
    trace, file, scheduler, router, shape = task
    return parse(
        {
            "name": f"{trace} {scheduler} {router} {shape}",
            "model": "llama-3.1-70b",
            "precision": {"weights": "fp8"},
            "cluster": {"node": {"gpu": "h100-sxm", "gpus": 8}, "pools": SHAPES[shape]},
            "policies": {
                "router": router,
                "scheduler": {scheduler: SCHEDULERS[scheduler]},
                "predictor": "histogram",
            },
            "workload": {"trace": {"file": file, **TRACES[trace]}},
            "slo": SLO[trace],
        },
        "serving.py",
    )


def solve(task: Task) -> dict[str, Any]:
    """Its summary."""
    return run(scenario(task)).summary


def highest(task: Task) -> float:
    """Requests per second and GPU that 90 % of which are in time."""
    return goodput(scenario(task)).per_gpu


def _row(task: Task, found: dict[str, Any]) -> str:
    good = (found["slo"]["goodput_rps"] or 0.0) / 8
    return (
        f"| {task[2]} | {task[3]} | {task[4]} | {good:.3f} | {found['ttft_s']['p99']:.1f} s | "
        f"{found['slo']['attainment']:.1%} | {found['cache']['hit_rate']:.1%} |"
    )


def main() -> None:
    """Run all, search for the best three of each trace, write both tables."""
    files = dict(zip(TRACES, sys.argv[1:3], strict=True))
    text = PAGE.read_text(encoding="utf-8")
    with ProcessPoolExecutor(2) as pool:
        for trace, file in files.items():
            tasks = [(trace, file, s, r, h) for h in SHAPES for s in SCHEDULERS for r in ROUTERS]
            found = list(zip(tasks, pool.map(solve, tasks, chunksize=2), strict=True))
            found.sort(key=lambda one: -(one[1]["slo"]["goodput_rps"] or 0.0))
            rows = [
                "| scheduler | router | GPUs | goodput per GPU | TTFT p99 | SLO | hits |",
                "|---|---|---|---:|---:|---:|---:|",
                *(_row(*one) for one in found),
            ]
            best = [task for task, _ in found[:3]]
            most = [
                "| scheduler | router | GPUs | goodput per GPU, searched |",
                "|---|---|---|---:|",
            ]
            for task, rate in zip(best, pool.map(highest, best), strict=True):
                most.append(f"| {task[2]} | {task[3]} | {task[4]} | {rate:.3f} |")
            for mark, table in ((trace, rows), (f"{trace} best", most)):
                pattern = rf"(<!-- {mark} -->\n).*?(<!-- end -->)"
                told = "\n".join(table)
                print(told)
                text = re.sub(
                    pattern, lambda m, told=told: f"{m[1]}{told}\n{m[2]}", text, flags=re.S
                )
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
