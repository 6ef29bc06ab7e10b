"""Fill the tables of docs/trust.md with what the commands say today.

    python docs/trust.py MEASUREMENTS

MEASUREMENTS holds `llmservingsim/runs` and `silicon`; about two minutes on one core. Each table
stands between a mark `<!-- NAME -->` and `<!-- end -->`; what is between them is made here.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kvsim.calibration import calibrations, engine, engines
from kvsim.calibration.residuals import residuals
from kvsim.validate.recorded import recorded
from kvsim.validate.replay import replay
from kvsim.validate.silicon import Point, Predicted, predictions, rows, tables

PAGE = Path(__file__).with_name("trust.md")
RUN, POINTS = "llmservingsim/runs/RTXPRO6000_Llama-3.1-8B", "silicon/dense_hopper_dev.csv"
SHOWN = {"ttft_s": ("TTFT", 1e3, "ms"), "tpot_s": ("TPOT", 1e3, "ms"), "e2e_s": ("latency", 1, "s")}
OVERHEADS = (
    "utilization", "context_bytes", "graph_bytes", "activation_tensors", "step_ns", "sequence_ns",
    "prompt_step_ns", "prompt_layer_ns", "request_ns", "sampler_ns", "sampler_passes", "runs_ahead",
    "spare_slots",
)  # fmt: skip


def table(head: str, lines: Iterable[Iterable[str]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    names = head.split("|")
    rule = "|".join(["---", *["---:"] * (len(names) - 1)])
    return "\n".join([f"|{head}|", f"|{rule}|", *(f"|{'|'.join(cells)}|" for cells in lines)])


def run_table(measurements: Path) -> str:
    """The recorded run: measured, predicted, error."""
    told = replay(recorded(measurements / RUN))

    def lines() -> Iterator[tuple[str, ...]]:
        for metric, (name, scale, unit) in SHOWN.items():
            for statistic, value in told.measured[metric].items():
                other = told.predicted[metric][statistic]
                yield (f"{name} {statistic}, {unit}", f"{value * scale:,.1f}",
                       f"{other * scale:,.1f}", f"{other / value - 1:+.1%}")  # fmt: skip
        for name, value in told.measured["throughput"].items():
            other = told.predicted["throughput"][name]
            yield (
                name.replace("_", " "),
                f"{value:,.1f}",
                f"{other:,.1f}",
                f"{other / value - 1:+.1%}",
            )

    return table("|measured|predicted|error", lines())


def silicon_table(measurements: Path) -> str:
    """Closed-loop points, by regime; then what was left out, and why."""
    asked = list(rows(measurements / POINTS))
    told = predictions([one for one in asked if isinstance(one, Point)])
    done = [one for one in told if isinstance(one, Predicted)]
    found = table(
        "regime|points|TPOT p50|p90|bias|TTFT p50|p90|bias",
        ((group["regime"], str(group["points"]), *_errors(group["tpot"]), *_errors(group["ttft"]))
         for group in tables(done)),
    )  # fmt: skip
    return f"{found}\n\n{len(asked)} rows, {len(asked) - len(done)} of them left out."


def _errors(found: dict[str, Any]) -> tuple[str, str, str]:
    return f"{found['median']:.1%}", f"{found['p90']:.1%}", f"{found['bias']:+.1%}"


def kernel_table(_: Path) -> str:
    """Held-back errors of every shipped calibration."""
    return table(
        "calibration|held-back regime|points|mean|p50|p90|worst",
        (
            (f"`{name}`", one.regime, f"{one.points:,}", *(f"{part:.1%}" for part in one[2:]))
            for name in sorted(calibrations()) for one in residuals(name)
        ),
    )  # fmt: skip


def engine_table(_: Path) -> str:
    """The engine profiles' numbers, side by side."""
    profiles = [engine(name) for name in engines()]
    return table(
        "|".join(["field", *(one.name for one in profiles)]),
        ((f"`{field}`", *(_value(getattr(one, field)) for one in profiles)) for field in OVERHEADS),
    )


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {slots}" for name, slots in value.items()) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}"


TABLES = {"run": run_table, "silicon": silicon_table, "kernels": kernel_table,
          "engines": engine_table}  # fmt: skip


def filled(page: str, name: str, text: str) -> str:
    """The page with the table called `name` replaced."""
    mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    assert mark.search(page), f"the page has no mark {name}"
    return mark.sub(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", page)


def main() -> None:
    """Make all tables, or the page stays as it was."""
    page = PAGE.read_text(encoding="utf-8")
    for name, make in TABLES.items():
        page = filled(page, name, make(Path(sys.argv[1])))
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
