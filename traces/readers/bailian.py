"""Alibaba Bailian's Qwen traces: chats with their turns, 16-token blocks.

Fields as in alibaba-edu/qwen-bailian-usagetraces-anon (KVCache Cache in the Wild, ATC'25). A turn
names its parent; the turns that follow from one root are a session. Where a chat forks, the second
answer to the same turn opens a session of its own.
"""

from collections.abc import Iterator
from typing import Any

from kvsim.errors import InputError
from kvsim.traces.lines import Lines
from kvsim.traces.reader import Reader, Turn, instant, keys, objects, required, tokens
from kvsim.traces.request import Request
from kvsim.traces.runs import blocks, labels
from kvsim.units import SECOND

BLOCK_TOKENS = 16
"""The repository's README: 16 tokens per block."""
ROOT = -1
"""`parent_chat_id` of a first turn."""


class Bailian(Reader):
    """Rows of chat_id, parent_chat_id, timestamp (s), lengths, type, turn, hash_ids."""

    name = "bailian"
    summary = "Alibaba Bailian (Qwen) JSONL: chats with parent_chat_id, hash_ids of 16 tokens"
    block_tokens = BLOCK_TOKENS

    def detects(self, head: str) -> bool:
        """JSON objects with a chat and its parent."""
        return keys(head) >= {"chat_id", "parent_chat_id", "timestamp", "input_length"}

    def turns(self, lines: Lines) -> Iterator[Turn]:
        """Requests with their sessions."""
        last: dict[int, int] = {}  # the last turn of each session that is still a leaf: its session
        sessions = 0
        for row in objects(lines):
            chat, parent = _id(row, "chat_id"), _id(row, "parent_chat_id")
            session = last.pop(parent, None) if parent != ROOT else None
            if session is None:
                session, sessions = sessions, sessions + 1
            last[chat] = session
            prompt = tokens(row, "input_length")
            runs = labels(required(row, "hash_ids"))
            # whether a partial last block has an id is not said
            if blocks(runs) not in (prompt // BLOCK_TOKENS, -(-prompt // BLOCK_TOKENS)):
                raise InputError(
                    f"hash_ids: found {blocks(runs)} blocks of {BLOCK_TOKENS} tokens for an "
                    f"input_length of {prompt}, which has {-(-prompt // BLOCK_TOKENS)}."
                )
            yield Turn(
                Request(
                    0,
                    instant(row, "timestamp", SECOND),
                    prompt,
                    tokens(row, "output_length"),
                    runs,
                    BLOCK_TOKENS if runs else 0,
                    session,
                    max(tokens(row, "turn") - 1, 0) if "turn" in row else 0,
                    kind=str(row.get("type", "")),
                )
            )


def _id(row: dict[str, Any], field: str) -> int:
    value = required(row, field)
    if type(value) is not int:
        raise InputError(f"{field}: found {value!r}; it is an integer.")
    return value
