"""What `vllm bench serve --save-result --save-detailed` writes: one JSON object for a whole run.

Its lists run in parallel over the requests. It is read at once, not streamed. Requests that failed
(an entry in `errors`, or no output) are left out. Start times are those of the client's clock,
which counts from an arbitrary instant.
"""

import json
import math
from collections.abc import Iterator
from typing import Any

from kvsim.errors import InputError
from kvsim.traces.lines import Lines
from kvsim.traces.reader import Reader, Turn, instant, keys, required, tokens
from kvsim.traces.request import Request
from kvsim.units import SECOND, Ns


class VllmBench(Reader):
    """Lists input_lens, output_lens, start_times (s), ttfts, itls, errors."""

    name = "vllm_bench"
    summary = "JSON of `vllm bench serve --save-detailed`"
    row_per_line = False

    def detects(self, head: str) -> bool:
        """A JSON object with the lists of a benchmark run."""
        return "input_lens" in keys(" ".join(head.split("\n")))

    def turns(self, lines: Lines) -> Iterator[Turn]:
        """Requests by start time, with the time the server took for each."""
        run = _object("".join(lines))
        starts, prompts = _list(run, "start_times"), _list(run, "input_lens")
        outputs, count = _list(run, "output_lens"), len(starts)
        for field in ("input_lens", "output_lens", "ttfts", "itls", "errors"):
            if field in run and len(_list(run, field)) != count:
                raise InputError(f"{field} has {len(run[field])} entries, start_times {count}.")
        rows = []
        for index in range(count):
            row = {"start_times": starts[index], "input_lens": prompts[index]}
            row["output_lens"] = outputs[index]
            prompt, output = tokens(row, "input_lens"), tokens(row, "output_lens")
            if not output or (run.get("errors") and run["errors"][index]):
                continue
            at = instant(row, "start_times", SECOND)
            rows.append(Turn(Request(0, at, prompt, output), service=_service(run, index)))
        rows.sort(key=lambda turn: turn.request.arrival)
        yield from rows


def _object(text: str) -> dict[str, Any]:
    try:
        run = json.loads(text)
    except ValueError as fault:
        raise InputError(f"not JSON: {fault}.") from None
    if not isinstance(run, dict):
        raise InputError("found JSON that is not an object.")
    return run


def _list(run: dict[str, Any], field: str) -> list[Any]:
    if field == "start_times" and field not in run:
        raise InputError(
            "the field 'start_times' is missing: run the benchmark with --save-detailed and a "
            "release that records it, or give the lengths alone as CSV (format 'lengths')."
        )
    value = required(run, field)
    if not isinstance(value, list):
        raise InputError(f"{field}: found {value!r}, which is not a list.")
    return value


def _service(run: dict[str, Any], index: int) -> Ns | None:
    """From sending to the last token: time to first token, and the gaps after it."""
    if "ttfts" not in run or "itls" not in run:
        return None
    try:
        seconds = math.fsum((run["ttfts"][index], *run["itls"][index]))
        return round(seconds * SECOND)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"ttfts and itls of request {index} are not numbers.") from None
