"""Vidur's trace-replay CSV: an arrival in seconds and two lengths."""

from collections.abc import Iterator

from kvsim.traces.lines import Lines
from kvsim.traces.reader import Reader, Turn, columns, count, moment, table
from kvsim.traces.request import Request

COLUMNS = ("arrived_at", "num_prefill_tokens", "num_decode_tokens")


class Vidur(Reader):
    """Columns arrived_at (s), num_prefill_tokens, num_decode_tokens."""

    name = "vidur"
    summary = "Vidur CSV: arrived_at (s), num_prefill_tokens, num_decode_tokens"
    headed = True

    def detects(self, head: str) -> bool:
        """A CSV header with Vidur's columns."""
        return columns(head).issuperset(COLUMNS)

    def turns(self, lines: Lines) -> Iterator[Turn]:
        """Requests."""
        for at, prefill, decode in table(lines, COLUMNS):
            prompt, output = count(prefill, COLUMNS[1]), count(decode, COLUMNS[2])
            yield Turn(Request(0, moment(at, COLUMNS[0]), prompt, output))
