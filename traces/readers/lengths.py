"""Prompt and answer lengths without times, as Sarathi-Serve and Vidur publish them."""

from collections.abc import Iterator

from kvsim.traces.lines import Lines
from kvsim.traces.reader import Reader, Turn, columns, count, table
from kvsim.traces.request import Request

COLUMNS = ("num_prefill_tokens", "num_decode_tokens")


class Lengths(Reader):
    """Columns num_prefill_tokens, num_decode_tokens; arrivals come from elsewhere."""

    name = "lengths"
    summary = "CSV of num_prefill_tokens, num_decode_tokens; needs an arrival process"
    times = "none"
    headed = True

    def detects(self, head: str) -> bool:
        """A CSV header with the two lengths and no arrival."""
        found = columns(head)
        return found.issuperset(COLUMNS) and "arrived_at" not in found

    def turns(self, lines: Lines) -> Iterator[Turn]:
        """Requests, all at instant 0."""
        for prefill, decode in table(lines, COLUMNS):
            yield Turn(Request(0, 0, count(prefill, COLUMNS[0]), count(decode, COLUMNS[1])))
