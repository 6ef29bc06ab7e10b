"""Which requests were slowest, and what went on around each of them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kvsim.errors import InputError
from kvsim.report.folder import HITS, RunFolder, tpot
from kvsim.report.reasons import UNUSUAL, Context, reason

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, Any]


def by_ttft(run: RunFolder, many: int) -> list[Row]:
    """The `many` requests of the measured time with the longest time to first token."""
    rows = run.measured
    return _largest(rows, rows["first_token"] - rows["arrival"], many)


def by_tpot(run: RunFolder, many: int) -> list[Row]:
    """At most `many` answers with the longest time per token, of those much above the median."""
    rows = run.measured
    pace = tpot(rows)
    return _largest(rows, pace.where(pace >= UNUSUAL * (_median(pace) or 0.0)), many)


def explain(run: RunFolder, request: int) -> str:
    """Why request number `request` was slow. Raises InputError if the run has no such request."""
    found = run.requests[run.requests["id"] == request]
    if found.empty:
        ids = run.requests["id"]
        known = f"its ids go from {ids.min():.0f} to {ids.max():.0f}" if len(ids) else "it has none"
        raise InputError(f"{run.path} has no request {request}; {known}.")
    return reason(_row(found), around(run, _row(found), usual(run)))


def usual(run: RunFolder) -> Context:
    """The medians of the measured time."""
    rows = run.measured
    served = rows[rows["first_token"].notna()]
    return Context(
        computed=_median(served["prompt_tokens"] - served[list(HITS)].fillna(0).sum(axis=1)),
        output=_median(served["output_tokens"]),
        ttft=_median(served["first_token"] - served["arrival"]),
        tpot=_median(tpot(served)),
        end=run.end,
    )


def around(run: RunFolder, row: Row, medians: Context) -> Context:
    """`medians` with what went on around the request of `row`."""
    context = replace(medians, ahead=_ahead(run.requests, row), steps=_steps(run.spans, row))
    spans = run.spans[run.spans["replica"] == row["replica_decode"]]
    spans = spans[(spans["start"] >= row["first_token"]) & (spans["end"] <= row["finish"])]
    spans = spans[spans["decodes"] > 0]
    length = spans["end"] - spans["start"]
    if not length.sum():
        return context
    answers = float((spans["decodes"] * length).sum() / length.sum())
    mixed = float(length[spans["chunk_tokens"] > 0].sum() / length.sum())
    return replace(context, answers=answers, mixed=mixed)


def _largest(rows: "pd.DataFrame", values: "pd.Series[float]", many: int) -> list[Row]:
    """Rows with the largest `values`, ties by id."""
    order = rows.assign(value=values)[values.notna()]
    order = order.sort_values(["value", "id"], ascending=[False, True], kind="stable").head(many)
    return [{str(name): value for name, value in row.items()} for row in order.to_dict("records")]


def _row(frame: "pd.DataFrame") -> Row:
    return {str(name): value for name, value in frame.iloc[0].items()}


def _median(values: "pd.Series[float]") -> float | None:
    return float(values.median()) if values.notna().any() else None


def _ahead(requests: "pd.DataFrame", row: Row) -> int:
    """Requests that the replica admitted between this one's arrival and its admission."""
    admitted = row["admitted"]
    inside = (requests["admitted"] >= row["arrival"]) & (requests["id"] != row["id"])
    inside &= requests["replica_prefill"] == row["replica_prefill"]
    if admitted == admitted:
        inside &= requests["admitted"] < admitted
    return int(inside.sum())


def _steps(spans: "pd.DataFrame", row: Row) -> int | None:
    """Steps with prefill work on the request's replica between its admission and first token."""
    inside = (spans["replica"] == row["replica_prefill"]) & (spans["chunk_tokens"] > 0)
    inside &= (spans["start"] >= row["admitted"]) & (spans["end"] <= row["first_token"])
    return int(spans["steps"][inside].sum()) or None
