"""How fast is kvsim? Whole processes on real traces, beside a bare loop measured in the same run.

    python tests/bench/bench.py [--json]

The bare loop does the arithmetic only: it adds up the boundaries of as many spans as the run had,
with no queue, no memory and no recorder. Nothing that tells more can be faster.
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from shared import SHARED

TRACES = SHARED / "traces"
RUNS = {
    "mooncake": ("mooncake", TRACES / "mooncake_conversation.jsonl.gz"),
    "azure": ("azure", TRACES / "azure2023_conv.csv.gz"),
    "multiturn": ("multiturn", None),
}
REPEATS = 3
MIB = 1024


def measured(scenario: str, trace: Path | None) -> dict[str, float]:
    """The best of a few whole processes: seconds, MiB, and what the run says of itself."""
    command = [sys.executable, "-m", "kvsim", "run", scenario, "--json"]
    if trace is not None:
        command += ["--trace", str(trace)]
    walls, summary = [], {}
    for _ in range(REPEATS):
        began = time.perf_counter()
        answer = subprocess.run(command, check=True, capture_output=True, text=True)
        walls.append(time.perf_counter() - began)
        summary = json.loads(answer.stdout)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / MIB
    simulator, requests = summary["simulator"], summary["requests"]["finished"]
    return {
        "process_s": min(walls),
        "peak_mib": peak,
        "requests": requests,
        "requests_per_s": requests / min(walls),
        "events_per_s": simulator["events"] / simulator["wall_s"],
        "us_per_step": simulator["wall_s"] / simulator["steps"] * 1e6,
        "us_per_span": simulator["wall_s"] / simulator["spans"] * 1e6,
        "spans": simulator["spans"],
        "bare_loop_s": bare_loop(simulator["spans"]),
    }


def bare_loop(spans: int) -> float:
    """Seconds to add up `spans` boundaries: time, context, batch."""
    began = time.perf_counter()
    clock = context = 0
    for index in range(spans):
        steps = index % 61 + 1
        first, growth = 7_000_000 + context % 4096 * 40, 256 * 40
        clock += steps * first + steps * (steps - 1) // 2 * growth
        context += 256 * steps
        if context > 1_000_000:
            context -= 1_000_000
    return time.perf_counter() - began


def main() -> None:
    """Print a line a run, or one JSON object."""
    found = {}
    for name, (scenario, trace) in RUNS.items():
        if trace is not None and not trace.is_file():
            print(f"{name}: skipped, {trace} is not there", file=sys.stderr)
            continue
        found[name] = measured(scenario, trace)
    if "--json" in sys.argv:
        print(json.dumps(found, indent=2))
        return
    for name, run in found.items():
        print(
            f"{name:10} {run['process_s']:6.2f} s whole process, {run['peak_mib']:4.0f} MiB, "
            f"{run['requests_per_s']:8,.0f} requests/s, {run['events_per_s']:9,.0f} events/s, "
            f"{run['us_per_step']:5.2f} us/step, {run['us_per_span']:5.1f} us/span; "
            f"bare loop {run['bare_loop_s']:.3f} s"
        )


if __name__ == "__main__":
    main()
