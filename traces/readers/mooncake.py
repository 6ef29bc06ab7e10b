"""Mooncake's JSONL: 512-token blocks, no sessions. Also kvsim's own form, with further fields.

The fields are those of FAST25-release/traces in kvcache-ai/Mooncake. Rows that kvsim wrote may add
any field of `Request` under its own name, and `think` and `service` of `Turn`, in ns.
"""

from collections.abc import Iterator
from typing import Any

from kvsim.errors import InputError, perhaps
from kvsim.traces.lines import Lines
from kvsim.traces.reader import Reader, Turn, instant, keys, objects, required, tokens
from kvsim.traces.request import Pause, Request
from kvsim.traces.runs import blocks, labels
from kvsim.units import MS

BLOCK_TOKENS = 512
"""Mooncake, FAST'25, section 4: the traces' block size."""
NATIVE = frozenset({"timestamp", "input_length", "output_length", "hash_ids"})
WORDS = ("client", "kind")
COUNTS = ("block_tokens", "session", "turn", "priority", "deadline", "samples", "think", "service")
FOREIGN = frozenset({"chat_id", "session_id"})
"""Keys of formats that have Mooncake's four fields as well."""


class Mooncake(Reader):
    """Rows of timestamp (ms), input_length, output_length, hash_ids."""

    name = "mooncake"
    summary = "Mooncake JSONL: timestamp (ms), lengths, hash_ids of 512 tokens"
    block_tokens = BLOCK_TOKENS
    tick = None

    def detects(self, head: str) -> bool:
        """JSON objects with Mooncake's fields and no other format's."""
        found = keys(head)
        return found >= NATIVE and not found & FOREIGN

    def turns(self, lines: Lines) -> Iterator[Turn]:
        """Requests, with whatever kvsim added to them."""
        for row in objects(lines):
            at = instant(row, "timestamp", MS)
            prompt = tokens(row, "input_length")
            output = tokens(row, "output_length")
            runs = labels(required(row, "hash_ids"))
            if len(row) > len(NATIVE):
                yield _extended(row, Request(0, at, prompt, output, runs))
                continue
            if blocks(runs) != -(-prompt // BLOCK_TOKENS):
                raise InputError(
                    f"hash_ids: found {blocks(runs)} blocks of {BLOCK_TOKENS} tokens for an "
                    f"input_length of {prompt}, which has {-(-prompt // BLOCK_TOKENS)}."
                )
            yield Turn(Request(0, at, prompt, output, runs, BLOCK_TOKENS if runs else 0))


def _extended(row: dict[str, Any], request: Request) -> Turn:
    added: dict[str, Any] = {}
    for field, value in row.items():
        if field in NATIVE:
            continue
        if field in COUNTS:
            right = type(value) is int
        elif field in WORDS:
            right = isinstance(value, str)
        elif field == "pauses":
            value, right = _pauses(value), True
        else:
            hint = perhaps(field, (*COUNTS, *WORDS, "pauses"))
            raise InputError(f"the field {field!r} is not known.{hint}")
        if not right:
            raise InputError(f"{field}: found {value!r}, which is of the wrong type.")
        added[field] = value
    think, service = added.pop("think", None), added.pop("service", None)
    added.setdefault("block_tokens", BLOCK_TOKENS if request.blocks else 0)
    _check_blocks(request, added["block_tokens"])
    return Turn(request._replace(**added), think, service)


def _check_blocks(request: Request, block_tokens: int) -> None:
    """Labels may stop before the prompt does, or go on into the answer, but not beyond it."""
    most = request.prompt_tokens + request.output_tokens
    if request.blocks and block_tokens < 1:
        raise InputError(f"block_tokens: found {block_tokens} beside hash_ids; it is at least 1.")
    if request.blocks and blocks(request.blocks) > -(-most // block_tokens):
        raise InputError(
            f"hash_ids: found {blocks(request.blocks)} blocks of {block_tokens} tokens, more than "
            f"the {most} tokens of prompt and answer have."
        )


def _pauses(value: object) -> tuple[Pause, ...]:
    right = isinstance(value, list) and all(
        isinstance(item, list) and len(item) == 3 and set(map(type, item)) == {int}
        for item in value
    )
    if not right or not isinstance(value, list):
        raise InputError(f"pauses: found {value!r}; write [[after, duration in ns, returned], …].")
    return tuple(Pause(*item) for item in value)
