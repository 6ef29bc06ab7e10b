"""Streams of agent sessions: Mooncake's fields with a session, and blocks of any size.

Two files have this form: Claude Code sessions laid out in time (512-token blocks), and runs of
mini-swe-agent (16). The size is in neither; it is found from the lengths.
"""

import json
from collections.abc import Iterator

from kvsim.errors import InputError
from kvsim.traces.lines import Lines
from kvsim.traces.reader import Numbers, Reader, Turn, instant, keys, objects, required, tokens
from kvsim.traces.request import Request
from kvsim.traces.runs import blocks, labels
from kvsim.units import MS

SIZES = (1024, 512, 256, 128, 64, 32, 16)
"""Block sizes that are tried, in tokens."""
HASHED = 64
"""Claude Code sessions hash full blocks of 64 tokens only; what comes after the last has no id."""
LOOK_AHEAD = 256
"""Rows that are looked at to find the block size."""


class AgenticStream(Reader):
    """Rows of timestamp (ms), session_id, agent, lengths, hash_ids."""

    name = "agentic_stream"
    summary = "Agent sessions JSONL: timestamp (ms), session_id, lengths, hash_ids"

    def detects(self, head: str) -> bool:
        """JSON objects with a session and Mooncake's fields."""
        return keys(head) >= {"timestamp", "session_id", "input_length", "hash_ids"}

    def turns(self, lines: Lines) -> Iterator[Turn]:
        """Requests; every agent of a session is a session of its own, their client is the same."""
        size = _block_tokens(lines)
        sessions = Numbers()
        taken: dict[int, int] = {}
        for row in objects(lines):
            name, agent = required(row, "session_id"), str(row.get("agent", ""))
            session = sessions[f"{name}\n{agent}"]
            turn = taken.get(session, 0)
            taken[session] = turn + 1
            prompt = tokens(row, "input_length")
            runs = labels(required(row, "hash_ids"))
            if not _agree(size, prompt, blocks(runs)):
                raise InputError(
                    f"hash_ids: found {blocks(runs)} blocks for an input_length of {prompt}; "
                    f"a block has {size} tokens in this file."
                )
            yield Turn(
                Request(
                    0,
                    instant(row, "timestamp", MS),
                    prompt,
                    tokens(row, "output_length"),
                    runs,
                    size if runs else 0,
                    session,
                    turn,
                    str(name),
                    "subagent" if agent else "",
                )
            )


def _agree(size: int, prompt: int, found: int) -> bool:
    """Whether a prompt may have that many blocks, all of it or its full 64s being hashed."""
    hashed = prompt - prompt % HASHED if size > HASHED else prompt - prompt % size
    return -(-hashed // size) <= found <= -(-prompt // size)


def _block_tokens(lines: Lines) -> int:
    """The largest size that the first rows agree with. Broken rows are left to the parse."""
    sizes = list(SIZES)
    for line in lines.peek(LOOK_AHEAD):
        try:
            row = json.loads(line)
            prompt, found = row["input_length"], len(row["hash_ids"])
            fitting = [size for size in sizes if _agree(size, prompt, found)]
        except (ValueError, KeyError, TypeError):
            continue
        sizes = fitting or sizes
    return sizes[0]
