"""Error tables of trust.md: predicted against measured.

    python docs/trust.py RUN_DIR SILICON.csv

The text is written by hand; the command replaces what stands between the marks.
"""

import re
import sys
from pathlib import Path
from typing import Any

from kvsim.calibration import calibrations
from kvsim.calibration.residuals import residuals
from kvsim.validate.recorded import recorded
from kvsim.validate.replay import replay
from kvsim.validate.silicon import Point, Predicted, Skipped, predictions, rows, tables

PAGE = Path(__file__).with_suffix(".md")
SHOWN = {"ttft_s": ("TTFT", 1e3, "ms"), "tpot_s": ("TPOT", 1e3, "ms"), "e2e_s": ("latency", 1, "s")}


def run_table(place: Path) -> list[str]:
    """One recorded run."""
    told = replay(recorded(place))
    found = ["| | measured | predicted | error |", "|---|---:|---:|---:|"]
    for metric, (name, scale, unit) in SHOWN.items():
        for statistic, value in told.measured[metric].items():
            other = told.predicted[metric][statistic]
            found.append(
                f"| {name} {statistic} | {value * scale:,.1f} {unit} | {other * scale:,.1f} {unit} "
                f"| {other / value - 1:+.1%} |"
            )
    return found


def silicon_table(file: Path) -> list[str]:
    """All closed-loop points of a file, by group."""
    asked = list(rows(file))
    told: list[Any] = predictions([one for one in asked if isinstance(one, Point)], 2)
    done = [one for one in told if isinstance(one, Predicted)]
    left = [one for one in (*asked, *told) if isinstance(one, Skipped)]
    found = [
        "| points | n | TPOT median | p90 | bias | TTFT median | p90 | bias |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
        *(_group(group) for group in tables(done)),
    ]
    return [*found, "", f"{len(left)} rows could not be simulated."]


def _group(group: dict[str, Any]) -> str:
    tpot, ttft = group["tpot"], group["ttft"]
    return (
        f"| {group['regime']} | {group['points']} | {tpot['median']:.1%} | {tpot['p90']:.1%} | "
        f"{tpot['bias']:+.1%} | {ttft['median']:.1%} | {ttft['p90']:.1%} | {ttft['bias']:+.1%} |"
    )


def kernel_table() -> list[str]:
    """Held-back errors of every shipped calibration."""
    found = ["| GPU | held-back regime | points | mean | p50 | p90 | worst |",
             "|---|---|---:|---:|---:|---:|---:|"]  # fmt: skip
    for gpu in calibrations():
        for one in residuals(gpu):
            found.append(
                f"| {gpu} | {one.regime} | {one.points:,} | {one.mean:.1%} | {one.p50:.1%} | "
                f"{one.p90:.1%} | {one.worst:.1%} |"
            )
    return found


def main() -> None:
    """Fill all tables."""
    parts = {
        "run": run_table(Path(sys.argv[1])),
        "silicon": silicon_table(Path(sys.argv[2])),
        "kernels": kernel_table(),
    }
    text = PAGE.read_text(encoding="utf-8")
    for mark, table in parts.items():
        told = "\n".join(table)
        pattern = rf"(<!-- {mark} -->\n).*?(<!-- end -->)"
        text = re.sub(pattern, lambda m, told=told: f"{m[1]}{told}\n{m[2]}", text, flags=re.S)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
