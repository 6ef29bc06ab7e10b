"""BurstGPT: four months of a campus GPT service. Later releases have sessions and durations.

Columns as in HPMLL/BurstGPT. The clock counts whole seconds. Rows without response tokens are
requests that failed, says its README; they are left out, as in the authors' `without_fails` files.
"""

from collections.abc import Iterator

from kvsim.traces.lines import Lines
from kvsim.traces.reader import Numbers, Reader, Turn, columns, count, moment, table
from kvsim.traces.request import Request
from kvsim.units import SECOND

COLUMNS = ("Timestamp", "Model", "Request tokens", "Response tokens", "Log Type")
LATER = ("Session ID", "Elapsed time")
"""Columns from release 2.0 on."""


class BurstGPT(Reader):
    """Columns Timestamp (s), Session ID, Elapsed time (s), Model, tokens, Log Type."""

    name = "burstgpt"
    summary = "BurstGPT CSV: Timestamp, Model, Request tokens, Response tokens, Log Type"
    tick = SECOND
    row_per_line = False
    headed = True

    def detects(self, head: str) -> bool:
        """A CSV header with BurstGPT's columns."""
        return columns(head).issuperset(COLUMNS)

    def turns(self, lines: Lines) -> Iterator[Turn]:
        """Requests that got an answer; the log type is their kind, the model their client."""
        sessions = Numbers()
        turns: dict[int, int] = {}
        for stamp, model, asked, answered, log, name, elapsed in table(lines, COLUMNS, LATER):
            output = count(answered, COLUMNS[3])
            prompt = count(asked, COLUMNS[2])
            at = moment(stamp, COLUMNS[0])
            if not output:
                continue
            session = sessions[name] if name else None
            turn = 0
            if session is not None:
                turn = turns.get(session, 0)
                turns[session] = turn + 1
            yield Turn(
                Request(0, at, prompt, output, session=session, turn=turn, client=model, kind=log),
                service=moment(elapsed, LATER[1]) if elapsed else None,
            )
