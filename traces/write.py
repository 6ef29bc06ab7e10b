"""Requests to files: Mooncake's JSONL, which keeps all that kvsim knows, and Vidur's CSV."""

import gzip
import heapq
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

from kvsim.errors import InputError, perhaps
from kvsim.traces.reader import Turn
from kvsim.traces.request import Request, Workload
from kvsim.traces.runs import block_ids
from kvsim.units import MS, Ns, seconds

MOONCAKE_BLOCK = 512
"""Tokens of a Mooncake block; another size is written beside the ids."""
NATIVE = ("id", "arrival", "prompt_tokens", "output_tokens", "blocks", "block_tokens")
"""Fields of a request that Mooncake's own four fields tell, or that a file does not need."""


def save(turns: Iterable[Turn], path: Path, form: str = "mooncake") -> int:
    """Write a trace, gzip if `path` ends with .gz; returns the rows written.

    `form` is one of `FORMS`. The file appears when it is complete. Raises InputError.
    """
    if form not in FORMS:
        raise InputError(f"{form!r} cannot be written.{perhaps(form, FORMS)}")
    rows = 0
    with _replacing(path) as file:
        for line in FORMS[form](turns):
            file.write(line)
            rows += 1
    return rows - (form in HEADED)


def ideal(workload: Workload, limit: int | None = None) -> Iterator[Request]:
    """The requests of a workload as a server would see them that answers at once, by arrival.

    `limit` ends a workload that has no end.
    """
    known = workload.arrivals()
    expected: list[tuple[Ns, int, bool, Request]] = []
    _expect(expected, next(known, None), True)
    rows = 0
    while expected and (limit is None or rows < limit):
        at, _, is_known, request = heapq.heappop(expected)
        yield request
        rows += 1
        if is_known:
            _expect(expected, next(known, None), True)
        _expect(expected, workload.next_turn(request, at), False)


def mooncake(turns: Iterable[Turn]) -> Iterator[str]:
    """JSONL with Mooncake's four fields and, where they say something, kvsim's own beside them."""
    for turn in turns:
        request = turn.request
        ids = block_ids(request.blocks)
        row: dict[str, Any] = {
            "timestamp": _milliseconds(request.arrival),
            "input_length": request.prompt_tokens,
            "output_length": request.output_tokens,
            "hash_ids": ids,
        }
        size = request.block_tokens if ids else 0
        if size != MOONCAKE_BLOCK or len(ids) != -(-request.prompt_tokens // size):
            row["block_tokens"] = size  # says as well that ids need not cover just the prompt
        for field, value in request._asdict().items():
            if field not in NATIVE and value != Request._field_defaults[field]:
                row[field] = value
        for field, duration in (("think", turn.think), ("service", turn.service)):
            if duration is not None:
                row[field] = duration
        yield json.dumps(row, separators=(",", ":")) + "\n"


def vidur(turns: Iterable[Turn]) -> Iterator[str]:
    """CSV with Vidur's three columns: no blocks and no sessions."""
    yield "arrived_at,num_prefill_tokens,num_decode_tokens\n"
    for turn in turns:
        request = turn.request
        lengths = f"{request.prompt_tokens},{request.output_tokens}"
        yield f"{seconds(request.arrival):.9f},{lengths}\n"


FORMS: dict[str, Callable[[Iterable[Turn]], Iterator[str]]] = {"mooncake": mooncake, "vidur": vidur}
HEADED = frozenset({"vidur"})
"""Forms whose first line is no row."""


def _expect(
    expected: list[tuple[Ns, int, bool, Request]], request: Request | None, is_known: bool
) -> None:
    if request is not None:
        heapq.heappush(expected, (request.arrival, request.id, is_known, request))


def _milliseconds(at: Ns) -> int | float:
    return at // MS if at % MS == 0 else at / MS


@contextmanager
def _replacing(path: Path) -> Iterator[TextIO]:
    """A text file that takes the place of `path` once it is whole; no trace of it otherwise."""
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as raw:
            if path.suffix == ".gz":  # neither name nor time inside: equal rows, equal bytes
                with (
                    gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
                    TextIOWrapper(packed, encoding="utf-8") as text,
                ):
                    yield text
            else:
                with TextIOWrapper(raw, encoding="utf-8", newline="\n") as text:
                    yield text
        os.replace(part, path)
    except OSError as refusal:
        raise InputError(f"{path} cannot be written: {refusal.strerror or refusal}.") from None
    finally:
        part.unlink(missing_ok=True)
