"""The CSV of splitwise-sim: an arrival in seconds, two sizes, and the application that asks."""

from collections.abc import Iterator

from kvsim.traces.lines import Lines
from kvsim.traces.reader import Reader, Turn, columns, count, moment, table
from kvsim.traces.request import Request

COLUMNS = ("application_id", "arrival_timestamp", "prompt_size", "token_size")


class Splitwise(Reader):
    """Columns application_id, arrival_timestamp (s), prompt_size, token_size, and others."""

    name = "splitwise"
    summary = "splitwise-sim CSV: arrival_timestamp (s), prompt_size, token_size"
    headed = True

    def detects(self, head: str) -> bool:
        """A CSV header with splitwise-sim's columns."""
        return columns(head).issuperset(COLUMNS)

    def turns(self, lines: Lines) -> Iterator[Turn]:
        """Requests; the application is their client."""
        for application, at, prompt_size, token_size in table(lines, COLUMNS):
            prompt, output = count(prompt_size, COLUMNS[2]), count(token_size, COLUMNS[3])
            yield Turn(Request(0, moment(at, COLUMNS[1]), prompt, output, client=application))
