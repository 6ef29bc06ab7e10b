"""Sessions loaded from local and remote drives beside a published measurement: fills nvme.md.

    python docs/experiments/nvme.py

The text around the tables is written by hand; the command replaces what stands between the marks.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from kvsim.scenario import load
from kvsim.scenario.run import run

PAGE = Path(__file__).with_suffix(".md")
HERE = Path(__file__).with_suffix("")
SESSIONS = 34
TOKENS = 29_800
"""Of a session's prompt: "~29.8K"."""
ANSWER = 64
LABEL = 512
"""Tokens a block id stands for in the trace."""
MINUTE = 60_000
"""Milliseconds."""


class Published(NamedTuple):
    """A row of the report: seconds, and output tokens per second of the wave."""

    ttft_p50: float
    throughput: float


# Mingxin Technology, mingxin-kvcache-bench (CC-BY-4.0), results/kvcache_bench_results.json,
# experiment tp8_three_way_comparison; by medium and concurrency
MEASURED = {
    ("Local NVMe", 8): Published(10.17, 43.9),
    ("Local NVMe", 16): Published(17.31, 53.6),
    ("Local NVMe", 32): Published(35.73, 53.9),
    ("NVMe-oF", 8): Published(7.53, 56.6),
    ("NVMe-oF", 16): Published(11.85, 74.9),
    ("NVMe-oF", 32): Published(26.35, 71.6),
    ("Recompute", 16): Published(149.48, 4.1),
}
REMOTE = "{{remote: {{capacity: 14 TB, link: {link}, backlog: 64 GiB}}}}"
SHEETS = {
    "Local NVMe": "cluster.tiers.ssd.device=nvme-gen4",
    "NVMe-oF": f"cluster.tiers={REMOTE.format(link='rdma-100g')}",
    "Recompute": "cluster.tiers={}",
}
"""Media by data sheets: the catalogue's drive; four such drives behind a port that is slower."""
IOSTAT = {
    **SHEETS,
    "Local NVMe": f"cluster.tiers.ssd.device={HERE / 'drive.yaml'}",
    "NVMe-oF": f"cluster.tiers={REMOTE.format(link=HERE / 'port.yaml')}",
}
"""Media by the highest bandwidth the report saw on them."""


def main() -> None:
    """Run everything and write the page."""
    text = PAGE.read_text(encoding="utf-8")
    sheets, iostat = predicted(SHEETS), predicted(IOSTAT)
    for name, lines in (("ttft", times(sheets, iostat)), ("ratios", ratios(sheets, iostat))):
        mark = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- end -->)", re.DOTALL)
        text = mark.sub("\\1" + "\n".join(lines) + "\\2", text)
    PAGE.write_text(text, encoding="utf-8")


def predicted(media: dict[str, str]) -> dict[tuple[str, int], Published]:
    """What kvsim says of every measured row."""
    found = {}
    with TemporaryDirectory() as folder:
        for medium, concurrency in MEASURED:
            file = Path(folder) / f"{concurrency}.jsonl"
            begin = write(file, concurrency)
            changes = (f"workload.trace.file={file}", f"measure.from={begin} ms", media[medium])
            summary = run(load(str(HERE / "scenario.yaml"), changes)).summary
            found[medium, concurrency] = Published(
                summary["ttft_s"]["p50"], summary["throughput"]["output_tokens_per_s"]
            )
    return found


def write(file: Path, concurrency: int) -> int:
    """The requests: every session once, so that its KV is stored; as many others, so that HBM holds
    none of it; then the wave. Returns when the wave comes, in ms."""
    rows = [row(MINUTE * session, session) for session in range(2 * SESSIONS)]
    begin = MINUTE * (2 * SESSIONS + 10)
    rows += [row(begin, session) for session in range(concurrency)]
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return begin


def row(at: int, session: int) -> dict[str, Any]:
    """A request with all of a session's prompt."""
    blocks = -(-TOKENS // LABEL)
    first = session * (blocks + 1)
    return {
        "timestamp": at,
        "input_length": TOKENS,
        "output_length": ANSWER,
        "hash_ids": list(range(first, first + blocks)),
    }


def times(*predictions: dict[tuple[str, int], Published]) -> Iterator[str]:
    """Lines of the table of times and throughputs."""
    yield (
        "| Medium | At once | TTFT p50 measured, s | by data sheets | | by iostat | "
        "| Output tokens/s measured | by data sheets | | by iostat | |"
    )
    yield "|---|" + "---:|" * 11
    for (medium, concurrency), measured in MEASURED.items():
        said = [each[medium, concurrency] for each in predictions]
        cells = [medium, str(concurrency)]
        for field in Published._fields:
            published = getattr(measured, field)
            cells.append(f"{published:.1f}")
            for each in said:
                value = getattr(each, field)
                cells += [f"{value:.1f}", f"{value / published - 1:+.0%}"]
        yield f"| {' | '.join(cells)} |"


def ratios(*predictions: dict[tuple[str, int], Published]) -> Iterator[str]:
    """Lines of the table of TTFT against TTFT."""
    yield "| TTFT p50 against TTFT p50 | measured | by data sheets | | by iostat | |"
    yield "|---|" + "---:|" * 5
    local, remote = "Local NVMe", "NVMe-oF"
    pairs = [
        *(((medium, more), (medium, more // 2)) for medium in (local, remote) for more in (16, 32)),
        *(((local, at_once), (remote, at_once)) for at_once in (8, 16, 32)),
        (("Recompute", 16), (remote, 16)),
    ]
    for above, below in pairs:
        measured = MEASURED[above].ttft_p50 / MEASURED[below].ttft_p50
        cells = [f"{above[0]}, {above[1]} : {below[0]}, {below[1]}", f"{measured:.2f}"]
        for each in predictions:
            value = each[above].ttft_p50 / each[below].ttft_p50
            cells += [f"{value:.2f}", f"{value / measured - 1:+.0%}"]
        yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
