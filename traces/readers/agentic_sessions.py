"""Claude Code sessions as they were recorded, one a line, each with a clock of its own.

From callanjfox/kv-cache-tester (WEKA), with run-length coded ids. Ids are local to a session; they
are moved apart here. A subagent runs beside its parent and is a session of its own; both have the
line's `id` as client. Time in whole seconds. `think_time` counts from the last end of a request
that was measured; after one without `api_time` it is longer than the pause.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from kvsim.errors import InputError
from kvsim.traces.lines import Lines
from kvsim.traces.reader import Reader, Turn, instant, keys, objects, required, tokens
from kvsim.traces.request import Request, Runs
from kvsim.traces.runs import blocks
from kvsim.units import SECOND, Ns


class Thread(NamedTuple):
    """One agent's requests, one after another."""

    session: int
    begin: Ns
    """When it starts, on its line's clock."""
    client: str
    kind: str
    block_tokens: int
    offset: int
    """Added to block ids."""


class AgenticSessions(Reader):
    """Lines of id, block_size, requests: each t, in, out, hash_runs, think_time, api_time."""

    name = "agentic_sessions"
    summary = "Claude Code sessions JSONL, one session a line; needs session starts"
    times = "session"
    row_per_line = False

    def detects(self, head: str) -> bool:
        """JSON objects that hold a session's requests with coded ids."""
        return keys(head) >= {"id", "block_size", "requests", "hash_runs"}

    def turns(self, lines: Lines) -> Iterator[Turn]:
        """Requests of one line by time, then of the next; arrivals count from the line's start."""
        sessions = offset = 0
        for row in objects(lines):
            client = str(required(row, "id"))
            size = tokens(row, "block_size")
            if not size:
                raise InputError("block_size: found 0; a block has at least one token.")
            main = Thread(sessions, 0, client, "", size, offset)
            threads = [(main, _entries(row))]
            for entry in threads[0][1]:
                if _is_subagent(entry):
                    begin = instant(entry, "t", SECOND)
                    sub = Thread(sessions + len(threads), begin, client, "subagent", size, offset)
                    threads.append((sub, _entries(entry)))
            turns = [turn for thread, entries in threads for turn in _thread(thread, entries)]
            turns.sort(key=lambda turn: turn.request.arrival)
            yield from turns
            sessions += len(threads)
            offset = max([offset, *(_end(turn.request.blocks) for turn in turns)])


def _entries(row: dict[str, Any]) -> list[dict[str, Any]]:
    entries = required(row, "requests")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(f"requests: found {str(entries)[:40]!r}, which is not a list of objects.")
    return entries


def _is_subagent(entry: dict[str, Any]) -> bool:
    return entry.get("type") == "subagent"


def _end(runs: Runs) -> int:
    """One more than the largest id."""
    return max((a + n for a, n in zip(runs[::2], runs[1::2], strict=True)), default=0)


def _thread(thread: Thread, entries: list[dict[str, Any]]) -> Iterator[Turn]:
    turn = 0
    earlier: Ns = 0
    for entry in entries:
        if _is_subagent(entry):
            if thread.kind:
                raise InputError("a subagent inside a subagent is not known in this format.")
            continue
        at = thread.begin + instant(entry, "t", SECOND)
        if at < earlier:
            raise InputError(f"t: found {entry['t']!r}, which is before the request above it.")
        service = instant(entry, "api_time", SECOND) if "api_time" in entry else None
        think = instant(entry, "think_time", SECOND) if "think_time" in entry else None
        yield Turn(_request(thread, entry, at, turn), think, service)
        earlier, turn = at, turn + 1


def _request(thread: Thread, entry: dict[str, Any], at: Ns, turn: int) -> Request:
    prompt, size = tokens(entry, "in"), thread.block_tokens
    runs = _runs(required(entry, "hash_runs"), thread.offset)
    if blocks(runs) != prompt // size:
        raise InputError(
            f"hash_runs: found {blocks(runs)} blocks of {size} tokens for a prompt of {prompt} "
            f"(session {thread.client}, t {entry['t']}), which has {prompt // size} full ones."
        )
    return Request(
        0,
        at,
        prompt,
        tokens(entry, "out"),
        runs,
        size if runs else 0,
        thread.session,
        turn,
        thread.client,
        thread.kind,
    )


def _runs(pairs: object, offset: int) -> Runs:
    runs: list[int] = []
    try:
        if not isinstance(pairs, list):
            raise TypeError
        for first, count in pairs:
            if type(first) is not int or type(count) is not int or first < 0 or count < 1:
                raise ValueError
            if runs and runs[-2] + runs[-1] == first + offset:
                runs[-1] += count
            else:
                runs += (first + offset, count)
    except (TypeError, ValueError):
        found = str(pairs)[:60]
        raise InputError(f"hash_runs: found {found}; it is [[first, count], …].") from None
    return tuple(runs)
