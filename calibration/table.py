"""The calibration format: kernel times measured on one GPU, as small integer tables.

A file is gzipped JSON: `gpu`, `origin` (where the numbers were measured, by whom, under what
licence), `prefill_attention`, `decode_attention`, `all_reduce` and `residuals`. Products are in
`gemm`, a grid over (n, k), or in `gemm_shapes`, where only some models' own shapes were measured.
Optional: `chunks` (prompts that follow a history), `decode_beside_prompts` (decoding in a step that
also computes prompts, by their tokens), `elementwise` (a layer's small kernels, by the bytes they
move), `sampler` (by bytes of logits), `once` (the embedding and the last norm, by bytes of hidden
states), `experts` (a layer's routed experts, by tokens). Times are in units of 10 ns. What is not
measured is not there; who asks for it must fall back and say so.
"""

import gzip
import hashlib
import json
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from math import exp, log
from pathlib import Path
from typing import Any, NamedTuple

from kvsim.errors import InputError
from kvsim.hardware.shelf import JSON, read_file

FOLDER = Path(__file__).resolve().parent
UNIT = 10.0
"""Nanoseconds per integer in a file."""


class Head(NamedTuple):
    """The shape of an attention kernel on one GPU."""

    query_heads: int
    kv_heads: int
    width: int
    """Elements per head."""
    bits: int
    """Of a stored element."""
    window: int
    """Tokens that can be seen; 0 for all."""


class Row(NamedTuple):
    """Times by context length (or rows, bytes: whatever is looked up by), ascending."""

    contexts: tuple[float, ...]
    ns: tuple[float, ...]


@dataclass(frozen=True)
class Gemm:
    """Times of y[m, n] = x[m, k] W by m, for a grid of (n, k)."""

    m: tuple[int, ...]
    n: tuple[int, ...]
    k: tuple[int, ...]
    ns: dict[tuple[int, int], tuple[float, ...]]


Shapes = dict[tuple[int, int], Row]
"""Times of single (n, k), over m."""


@dataclass(frozen=True)
class Table:
    """What was measured on one GPU. Times in ns."""

    gpu: str
    origin: dict[str, Any]
    gemm: dict[int, Gemm]
    """By bits of a weight."""
    prefill: dict[Head, tuple[Row, Row]]
    """One sequence alone, and a sequence's share where the GPU is full, by length."""
    decode: dict[Head, dict[int, Row]]
    """By batch size."""
    beside: dict[Head, dict[int, dict[int, Row]]]
    """What decodes add to a step that holds prompts, by tokens of these and by batch size. Other
    kernels run then: at 128 sequences they take 1.6 to 4 times as long on RTX cards."""
    all_reduce: dict[int, Row]
    """By GPUs; `contexts` are bytes."""
    shapes: dict[int, Shapes]
    """By bits of a weight."""
    chunks: dict[Head, dict[int, Row]]
    """By tokens of a chunk, over the tokens before it."""
    elementwise: Row | None
    """A layer's norms, rotary and activation, over the bytes of `Model.elementwise_bytes`."""
    sampler: Row | None
    """From logits to tokens, over the bytes of fp32 logits."""
    once: Row | None
    """The embedding and the last norm, over the bytes of a step's hidden states."""
    experts: dict[tuple[int, ...], Row]
    """A layer's routed experts over tokens, by bits of a weight, hidden size, width of an expert on
    a rank, active and all experts."""
    residuals: tuple[tuple[Any, ...], ...]
    sha256: str


def calibrations() -> list[str]:
    """GPUs whose calibration is shipped."""
    return sorted({path.name.split(".")[0] for path in FOLDER.glob("*.json.gz")})


def calibrated(gpu: str) -> bool:
    """Whether kernel times are known: shipped, or in the file that describes the GPU."""
    return gpu.endswith(JSON) or gpu in calibrations()


def digest(engine: str, *gpus: str) -> str | None:
    """SHA-256 over the calibrations of `gpus`; None if none has one."""
    return digested(load(gpu, engine) for gpu in sorted(set(gpus)) if calibrated(gpu))


def digested(tables: Iterable[Table]) -> str | None:
    """SHA-256 over tables; None if there are none."""
    found = [table.sha256 for table in tables]
    return hashlib.sha256("".join(found).encode()).hexdigest() if found else None


@cache
def load(gpu: str, engine: str = "") -> Table:
    """The shipped table of a GPU, with an engine's own kernels if these were measured.

    Of a GPU that a calibration file describes, that file's. Raises InputError if there is none.
    """
    if gpu.endswith(JSON):
        raw = read_file(Path(gpu))
        return parse(json.loads(raw), hashlib.sha256(raw).hexdigest())
    if gpu not in calibrations():
        allowed = ", ".join(calibrations())
        raise InputError(f"{gpu} has no calibration; there is one for {allowed}. Use roofline.")
    own = FOLDER / f"{gpu}.{engine}.json.gz"
    raw = (own if own.is_file() else FOLDER / f"{gpu}.json.gz").read_bytes()
    return parse(json.loads(gzip.decompress(raw)), hashlib.sha256(raw).hexdigest())


def parse(file: dict[str, Any], sha256: str = "") -> Table:
    """A table from the JSON of its file."""
    return Table(
        file["gpu"],
        file["origin"],
        {int(bits): _gemm(part) for bits, part in file["gemm"].items()},
        {Head(*part["head"]): _prompts(part) for part in file["prefill_attention"]},
        _rows(file["decode_attention"], "batch"),
        {
            Head(*part["head"]): {
                int(tokens): _batches(rows) for tokens, rows in part["tokens"].items()
            }
            for part in file.get("decode_beside_prompts", [])
        },
        {int(gpus): _row(row) for gpus, row in file["all_reduce"].items()},
        {
            int(bits): {(n, k): _row(row) for n, k, row in part}
            for bits, part in file.get("gemm_shapes", {}).items()
        },
        _rows(file.get("chunks", []), "tokens"),
        _row(file["elementwise"]) if "elementwise" in file else None,
        _row(file["sampler"]) if "sampler" in file else None,
        _row(file["once"]) if "once" in file else None,
        {tuple(shape): _row(row) for *shape, row in file.get("experts", [])},
        tuple(tuple(row) for row in file["residuals"]),
        sha256,
    )


def _rows(parts: list[dict[str, Any]], axis: str) -> dict[Head, dict[int, Row]]:
    return {Head(*part["head"]): _batches(part[axis]) for part in parts}


def _batches(rows: Mapping[Any, list[list[int]]]) -> dict[int, Row]:
    return {int(at): _row(row) for at, row in rows.items()}


def _row(pair: list[list[int]]) -> Row:
    return Row(tuple(pair[0]), tuple(value * UNIT for value in pair[1]))


def _prompts(part: dict[str, Any]) -> tuple[Row, Row]:
    """`shared` follows from the longest prompt where no batches were measured.

    A prompt long enough to fill the GPU shows what a unit of `strain` costs there. On the H100,
    where both were measured, this is 2 to 8 % below `shared` from 512 to 4096 tokens with 32 query
    heads on 8, 5 to 24 % below with 16 on 4, and 11 to 17 % above with 64 on 8.
    """
    alone = _row(part["alone"])
    if "shared" in part:
        return alone, _row(part["shared"])
    strains = [strain(int(n * (n + 1)) // 2, int(n)) for n in alone.contexts]
    per_strain = alone.ns[-1] / strains[-1]
    return alone, Row(
        alone.contexts,
        tuple(min(one * per_strain, ns) for one, ns in zip(strains, alone.ns, strict=True)),
    )


def _gemm(part: dict[str, Any]) -> Gemm:
    n, k = tuple(part["n"]), tuple(part["k"])
    shapes = ((rows, columns) for rows in n for columns in k)
    times = {
        shape: tuple(value * UNIT for value in values)
        for shape, values in zip(shapes, part["time"], strict=True)
        if values
    }
    return Gemm(tuple(part["m"]), n, k, times)


def between(grid: tuple[float, ...], value: float) -> tuple[int, float]:
    """(i, w) such that value = grid[i] + w (grid[i+1] - grid[i]); w leaves 0..1 outside."""
    low = min(max(bisect_left(grid, value) - 1, 0), len(grid) - 2)
    return low, (value - grid[low]) / (grid[low + 1] - grid[low])


def line(row: Row, at: float) -> float:
    """Linear between the row's points, and along its last piece outside."""
    if len(row.contexts) == 1:
        return row.ns[0]
    low, weight = between(row.contexts, at)
    return row.ns[low] + weight * (row.ns[low + 1] - row.ns[low])


def rising(ns: Iterable[float]) -> tuple[float, ...]:
    """The closest times that never fall (pool adjacent violators).

    More rows or a longer text cannot take less; measurements say so at times, by their noise.
    Held-back GEMMs of m <= 64 are missed by 3.6 % with it and by 4.0 % without.
    """
    blocks: list[tuple[float, int]] = []
    for value in ns:
        total, count = value, 1
        while blocks and blocks[-1][0] * count >= total * blocks[-1][1]:
            more, members = blocks.pop()
            total, count = total + more, count + members
        blocks.append((total, count))
    return tuple(total / count for total, count in blocks for _ in range(count))


SHORT = 500
"""Tokens of a prompt up to which its attention is more like its length than like its square.

Of 0 to 2000, this interpolates the H100 grid best: it misses every second point by 4.7 % up to 2k
tokens (linear in length 7.1 %, in pairs 8.4 %) and by 2.9 % beyond (7.4 %, 2.9 %)."""


def strain(pairs: int, tokens: int) -> int:
    """What prompt attention is linear in between measured lengths: pairs of tokens, and tokens."""
    return pairs + SHORT * tokens


def logarithmic(grid: tuple[int, ...], value: int) -> tuple[int, float]:
    """As `between`, in logarithms."""
    low, _ = between(grid, value)
    return low, log(value / grid[low]) / log(grid[low + 1] / grid[low])


def geometric(corners: list[tuple[float, float]]) -> float:
    """Geometric mean of (value, weight) pairs; weights add up to 1."""
    return exp(sum(weight * log(value) for value, weight in corners))
