"""A sweep as a table: a row a point, its parameters first, then what was measured."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvsim.sweep.grid import Point

if TYPE_CHECKING:
    import pandas as pd

MEASURED = {
    "goodput_rps": "slo.goodput_rps", "attainment": "slo.attainment", "ttft_p50_s": "ttft_s.p50",
    "ttft_p99_s": "ttft_s.p99", "tpot_p50_s": "tpot_s.p50", "tpot_p99_s": "tpot_s.p99",
    "output_tokens_per_s": "throughput.output_tokens_per_s", "hit_rate": "cache.hit_rate",
    "kv_peak_fraction": "memory.kv_peak_fraction", "gpu_busy": "gpu.busy_fraction",
    "preemptions": "preemptions", "usd_per_million_output_tokens":
    "cost.usd_per_million_output_tokens", "usd": "cost.usd", "finished": "requests.finished",
    "rejected": "requests.rejected", "extrapolated": "extrapolated_fraction",
}  # fmt: skip
"""Columns and where a summary has them."""


def at(summary: dict[str, Any], path: str) -> Any:
    """The value at a dotted path of a summary; None where there is none."""
    found: Any = summary
    for part in path.split("."):
        if not isinstance(found, dict) or part not in found:
            return None
        found = found[part]
    return found


def row(point: Point) -> dict[str, Any]:
    """One row."""
    told = {name: at(point.summary or {}, path) for name, path in MEASURED.items()}
    return {**point.values, **told, "error": point.error, "key": point.key}


def frame(points: Iterable[Point]) -> "pd.DataFrame":
    """All rows."""
    import pandas as pd

    return pd.DataFrame([row(point) for point in points])


def write(points: list[Point], folder: Path, title: str) -> None:
    """`points.parquet`, `points.csv` and `sweep.html`."""
    from kvsim.sweep.page import page

    table = frame(points)
    kept = table.copy()
    for column in kept.columns:
        if kept[column].dtype == object:
            kept[column] = kept[column].map(lambda value: None if value is None else str(value))
    kept.to_parquet(folder / "points.parquet", index=False)
    table.to_csv(folder / "points.csv", index=False)
    (folder / "sweep.html").write_text(page(points, title), encoding="utf-8")
