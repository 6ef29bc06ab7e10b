"""Azure's 2023 and 2024 LLM inference traces: arrival times and lengths, nothing to share."""

import re
from calendar import timegm
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache

from kvsim.errors import InputError
from kvsim.traces.lines import Lines
from kvsim.traces.reader import Reader, Turn, columns, count, table
from kvsim.traces.request import Request
from kvsim.units import SECOND, Ns

COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
_STAMP = re.compile(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|\+00:00)?")


class Azure(Reader):
    """Columns TIMESTAMP (date and time, UTC), ContextTokens, GeneratedTokens."""

    name = "azure"
    summary = "Azure LLM inference CSV: TIMESTAMP, ContextTokens, GeneratedTokens"
    headed = True

    def detects(self, head: str) -> bool:
        """A CSV header with Azure's columns."""
        return columns(head).issuperset(COLUMNS)

    def turns(self, lines: Lines) -> Iterator[Turn]:
        """Requests; arrivals count from 1970, the trace moves its first to 0."""
        for stamp, context, generated in table(lines, COLUMNS):
            prompt, output = count(context, COLUMNS[1]), count(generated, COLUMNS[2])
            yield Turn(Request(0, _instant(stamp), prompt, output))


def _instant(stamp: str) -> Ns:
    parts = _STAMP.fullmatch(stamp.strip())
    if parts is None:
        raise InputError(
            f"TIMESTAMP: found {stamp!r}; it is a time in UTC like '2023-11-16 18:17:03.9799600'."
        )
    return _whole(parts[1]) * SECOND + int((parts[2] or "0").ljust(9, "0"))


@lru_cache(maxsize=4)
def _whole(text: str) -> int:
    """Seconds since 1970; neighbours share it, so it is worth remembering."""
    try:
        return timegm(datetime.fromisoformat(text).timetuple())
    except ValueError as fault:
        raise InputError(f"TIMESTAMP: found {text!r}: {fault}.") from None
