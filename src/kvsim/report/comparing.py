"""What differs between runs of the same workload, and which of them did better."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from kvsim.report import words
from kvsim.report.measures import GROUPS, IDLE, Measure, Summary, at, number

Verdict = Literal["better", "worse", "same", "unsure", ""]
ALIKE = 1e-9
"""Relative difference below which two numbers are the same."""


@dataclass(frozen=True)
class Change:
    """One measure of several runs; the first run is the base."""

    measure: Measure
    values: tuple[float | None, ...]
    bounds: tuple[tuple[float, float] | None, ...] = ()
    """95 % confidence of each value, where replications give it."""

    @property
    def texts(self) -> list[str]:
        """Every value as a person writes it."""
        return [self.measure.text(value) for value in self.values]

    def difference(self, index: int) -> float | None:
        """Run `index` minus the base."""
        base, value = self.values[0], self.values[index]
        return None if base is None or value is None else value - base

    def relative(self, index: int) -> float | None:
        """The difference as a share of the base; None where the base is 0."""
        base, difference = self.values[0], self.difference(index)
        return difference / abs(base) if base and difference is not None else None

    def verdict(self, index: int) -> Verdict:
        """Whether run `index` did better than the base; "unsure" where 95 % intervals overlap."""
        base, difference = self.values[0], self.difference(index)
        if base is None or difference is None:
            return ""
        if abs(difference) <= ALIKE * abs(base):
            return "same"
        if self.measure.better is None:
            return ""
        if self._overlaps(index):
            return "unsure"
        return "better" if (difference > 0) == (self.measure.better == "higher") else "worse"

    def _overlaps(self, index: int) -> bool:
        mine, other = (self.bounds[i] if self.bounds else None for i in (0, index))
        return bool(mine and other and mine[0] <= other[1] and other[0] <= mine[1])

    def difference_text(self, index: int) -> str:
        """The difference with its sign; shares differ by points."""
        difference = self.difference(index)
        if not difference:
            return "" if difference is None else "="
        sign = "+" if difference > 0 else "−"
        if self.measure.text is words.percent:
            return f"{sign}{words.digits(100 * abs(difference), 2)} pt"
        return f"{sign}{self.measure.text(abs(difference))}"

    def share_text(self, index: int) -> str:
        """The relative difference with its sign; as a factor from tenfold on."""
        relative = self.relative(index)
        if not relative:
            return ""
        if relative >= 9:
            return f"×{words.amount(1 + relative)}"
        return f"{'+' if relative > 0 else '−'}{words.percent(abs(relative))}"


def changes(names: Sequence[str], summaries: Sequence[Summary]) -> list[list[Change]]:
    """Every measure that some run knows, by group, less those that are zero everywhere."""
    if len(names) != len(summaries) or not names:
        raise ValueError("comparison needs one name for each summary, and at least one run")
    found = ([_change(measure, summaries) for measure in group] for group in GROUPS)
    return [shown for group in found if (shown := [c for c in group if _is_worth_a_row(c)])]


def as_json(names: Sequence[str], summaries: Sequence[Summary]) -> dict[str, Any]:
    """What `kvsim compare --json` prints: values and differences from the first run, by path."""
    return {
        "runs": list(names),
        "measures": {
            change.measure.path: {
                "values": list(change.values),
                "better": change.measure.better,
                "differences": [change.difference(i) for i in range(1, len(names))],
                "relative": [change.relative(i) for i in range(1, len(names))],
                "verdicts": [change.verdict(i) or None for i in range(1, len(names))],
            }
            for group in changes(names, summaries)
            for change in group
        },
    }


def _change(measure: Measure, summaries: Sequence[Summary]) -> Change:
    values = tuple(number(summary, measure.path) for summary in summaries)
    return Change(measure, values, tuple(_bounds(summary, measure) for summary in summaries))


def _bounds(summary: Summary, measure: Measure) -> tuple[float, float] | None:
    """The confidence interval of a measure; its key is a dotted path, so it is no path itself."""
    given = (at(summary, "confidence") or {}).get(measure.path)
    if not isinstance(given, Sequence) or len(given) != 2:
        return None
    low, high = (words.known(bound) for bound in given)
    return None if low is None or high is None else (low, high)


def _is_worth_a_row(change: Change) -> bool:
    known = [value for value in change.values if value is not None]
    can_idle = change.measure.path.startswith(IDLE)
    return bool(known) and not (can_idle and not any(known))
