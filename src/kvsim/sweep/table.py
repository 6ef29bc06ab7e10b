"""A sweep as a table: a row a point, its parameters first, then what was measured."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvsim.sweep.grid import Point, combinations, settings, solved

if TYPE_CHECKING:
    import pandas as pd

MEASURED = {
    "goodput_rps": "slo.goodput_rps",
    "usd_per_million_output_tokens": "cost.usd_per_million_output_tokens",
    "attainment": "slo.attainment",
    "ttft_p50_s": "ttft_s.p50", "ttft_p99_s": "ttft_s.p99",
    "tpot_p50_s": "tpot_s.p50", "tpot_p99_s": "tpot_s.p99",
    "output_tokens_per_s": "throughput.output_tokens_per_s", "hit_rate": "cache.hit_rate",
    "kv_peak_fraction": "memory.kv_peak_fraction", "gpu_busy": "gpu.busy_fraction",
    "preemptions": "preemptions", "usd": "cost.usd", "duration_s": "duration_s",
    "finished": "requests.finished", "rejected": "requests.rejected",
    "extrapolated": "extrapolated_fraction",
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


def row(point: Point, columns: Mapping[str, str] = MEASURED) -> dict[str, Any]:
    """One row."""
    told = {name: at(point.summary or {}, path) for name, path in columns.items()}
    return {**point.values, **told, "error": point.error, "key": point.key}


def frame(points: Iterable[Point], columns: Mapping[str, str] = MEASURED) -> "pd.DataFrame":
    """All rows."""
    import pandas as pd

    return pd.DataFrame([row(point, columns) for point in points])


Axis = Iterable[Any] | Mapping[Any, Any]
"""Values of one path; as a mapping, by the names that the table is to show for them."""


def sweep(
    scenario: str | Path, grid: Mapping[str, Axis], changes: Mapping[str, Any] | None = None,
    *, also: Mapping[str, str] | None = None, folder: str | Path | None = None,
    jobs: int | None = None,
) -> "pd.DataFrame":  # fmt: skip
    """Run every combination of a grid over paths of a scenario; a row a point.

    `changes` are set in all of them; `also` are columns beside the usual ones, and where a summary
    has them. With a `folder` finished points are kept there: a sweep that was killed goes on where
    it was, and a repeated one costs nothing. `jobs` run at a time, one a core if it is left out.
    """
    axes = {path: axis if isinstance(axis, Mapping) else list(axis) for path, axis in grid.items()}
    values = {path: list(axis.values()) if isinstance(axis, Mapping) else axis
              for path, axis in axes.items()}  # fmt: skip
    points = solved(
        str(scenario), tuple(settings(dict(changes or {}))), values,
        None if folder is None else Path(folder) / "points", jobs or os.cpu_count() or 1,
    )  # fmt: skip
    named = combinations({path: list(axis) for path, axis in axes.items()})
    shown = [point._replace(values=names) for point, names in zip(points, named, strict=True)]
    return frame(shown, {**MEASURED, **(also or {})})


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
