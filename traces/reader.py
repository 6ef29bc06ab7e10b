"""The contract of a trace format, and the fields that formats share. A file per format answers."""

import csv
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

from kvsim.errors import InputError, perhaps
from kvsim.traces.lines import Lines
from kvsim.traces.portion import Portion
from kvsim.traces.request import Request, Workload
from kvsim.units import SECOND, Ns


class Turn(NamedTuple):
    """A row of a trace: the request, and what was recorded beside it."""

    request: Request
    think: Ns | None = None
    """From the end of the session's turn before to this arrival; None where nobody measured it."""
    service: Ns | None = None
    """From its arrival to its end on the recorded system; None where nobody measured it."""


class Reader(ABC):
    """A trace format: is a file of this format, and which requests does it record?

    Adding one is adding a file to `traces/readers/` with a subclass; it has no fields and no state.
    """

    name: ClassVar[str]
    """What `--format` calls it."""
    summary: ClassVar[str]
    """One sentence for a list of formats."""
    block_tokens: ClassVar[int] = 0
    """Tokens a block id stands for, where the format fixes it."""
    times: ClassVar[Literal["trace", "session", "none"]] = "trace"
    """Arrivals count from the trace's start, from the start of a group of rows with the same
    `client`, or are not recorded."""
    tick: ClassVar[Ns | None] = 0
    """How slowly the clock ticks that it was recorded with, so that requests share instants; 0 for
    a clock that is fine enough, None where the file has to tell."""
    row_per_line: ClassVar[bool] = True
    """Each line that is not blank, and no CSV header, is one request."""
    headed: ClassVar[bool] = False
    """The first line names columns."""

    @abstractmethod
    def detects(self, head: str) -> bool:
        """Whether a file that begins with `head` is of this format, and surely of no other."""

    @abstractmethod
    def turns(self, lines: Lines) -> Iterator[Turn]:
        """The rows in order, streamed. Ids are of no meaning yet; `session` counts from 0.

        Raises InputError that names the field and what was found; the caller adds file and line.
        """

    def rows(self, lines: Lines) -> Iterator[Request]:
        """The requests alone, in order, streamed."""
        return (turn.request for turn in self.turns(lines))

    def workload(self, lines: Callable[[], Lines], portion: Portion) -> Workload | None:
        """A workload of its own, where the file describes one; None: its rows are replayed."""
        del lines, portion
        return None


class Numbers(dict[Hashable, int]):
    """Names to integers, counted from 0 in order of first use."""

    def __missing__(self, key: Hashable) -> int:
        self[key] = number = len(self)
        return number


# JSON


def keys(head: str) -> set[str]:
    """Words of the first line that stand where JSON has keys; it need not be complete."""
    line = head.lstrip().split("\n", 1)[0]
    if not line.startswith("{"):
        return set()
    return {part.rsplit('"', 1)[-1] for part in line.split('":')[:-1]}


def objects(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """One JSON object a line; blank lines are passed over. Raises InputError."""
    for line in lines:
        if line.isspace():
            continue
        try:
            row = json.loads(line)
        except ValueError as fault:
            cut = "" if line.endswith("\n") else " The file seems to be cut off here."
            raise InputError(f"not JSON: {fault}.{cut}") from None
        if not isinstance(row, dict):
            raise InputError(f"found {line.strip()[:40]!r}, which is not a JSON object.")
        yield row


def required(row: dict[str, Any], field: str) -> Any:
    """The value of a field. Raises InputError if it is missing."""
    if field not in row:
        raise InputError(f"the field {field!r} is missing; found {', '.join(row) or 'none'}.")
    return row[field]


def tokens(row: dict[str, Any], field: str) -> int:
    """A count of tokens. Raises InputError unless it is an integer from 0 on."""
    value = row[field] if field in row else required(row, field)
    if type(value) is not int or value < 0:
        raise InputError(f"{field}: found {value!r}; it is a number of tokens, from 0 on.")
    return value


def instant(row: dict[str, Any], field: str, unit: Ns) -> Ns:
    """A time given in `unit`, as ns. Raises InputError unless it is a number from 0 on."""
    value = row[field] if field in row else required(row, field)
    if type(value) is int and value >= 0:
        return value * unit
    if type(value) is not float or not 0 <= value < math.inf:
        raise InputError(f"{field}: found {value!r}; it is a time, from 0 on.")
    return round(value * unit)


# CSV


def columns(head: str) -> set[str]:
    """The names in the first line of a CSV file."""
    return {name.strip() for name in head.lstrip().split("\n", 1)[0].split(",")}


def table(
    lines: Lines, wanted: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[str, ...]]:
    """The cells of the `wanted` and the `optional` columns, row by row; "" for a column that is not
    there. Raises InputError for a missing column and for rows that are too short or too long."""
    rows = csv.reader(lines)
    try:
        names = [name.strip() for name in next(rows, [])]
        for name in wanted:
            if name not in names:
                raise InputError(f"the column {name!r} is missing.{perhaps(name, names)}")
        places = [names.index(n) if n in names else len(names) for n in (*wanted, *optional)]
        for row in rows:
            if len(row) != len(names):
                if not row:
                    continue
                raise InputError(f"found {len(row)} columns of {len(names)}: {','.join(row)!r}.")
            row.append("")
            yield tuple([row[place] for place in places])
    except csv.Error as fault:
        raise InputError(f"not CSV: {fault}.") from None


def count(text: str, field: str) -> int:
    """A cell that holds a count of tokens. Raises InputError unless it is an integer from 0 on."""
    if text.isdecimal():
        return int(text)
    number = _float(text, field, "a number of tokens")
    if number < 0 or not number.is_integer():
        raise InputError(f"{field}: found {text!r}; it is a number of tokens, from 0 on.")
    return int(number)


def moment(text: str, field: str) -> Ns:
    """A cell that holds seconds, as ns. Raises InputError unless it is a number from 0 on."""
    number = _float(text, field, "a time in seconds")
    if number < 0:
        raise InputError(f"{field}: found {text!r}; a time is not negative.")
    return round(number * SECOND)


def _float(text: str, field: str, what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{field}: found {text!r}, which is not {what}.")
    return number
