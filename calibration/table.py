"""A calibration file: operator times measured on one GPU, with where they come from.

The format, `kvsim-calibration 1`, is JSON, gzipped if the name ends in .gz. Times are in ns,
sizes in bytes, `null` where nothing was measured or the point is held back:

    format, gpu            "kvsim-calibration 1", name of the GPU in hardware/
    provenance             origin, version, licence, device, framework, date, notes
    gemm                   {format: {kernel, m, n, k, ns[n][k][m]}}; y[m, n] = x[m, k]·W
    decode, prefill        [{head_dim, kv, window, query_heads, kv_heads, kernel, batch, length,
                           ns[batch][length]}]; window 0: all; length: context, or whole prompt
    windowed_decode        [{head_dim, kv, window, factor}]: time over that of full attention to
                           as many tokens as the window shows
    collectives            {operation: {gpus: {bytes, ns}}}
    held_back              {rule, points}: what was kept out of the tables, see holdback.py
    residuals              [{regime, points, mean, p50, p90, worst}]: relative errors there
"""

import gzip
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from kvsim.calibration.lines import Line, line
from kvsim.errors import InputError, perhaps

FORMAT = "kvsim-calibration 1"
SHIPPED = Path(__file__).resolve().parent
SHORT_PROMPT = 500
"""Tokens at which the linear part of prefill attention equals the quadratic one, in `strain`.
Of 0 to 2000 and pure linear or quadratic, 500 interpolates the H100 grid best: it misses every
other point by 4.7 % up to 2k tokens (linear 7.1 %) and by 2.9 % beyond (linear 7.4 %)."""


class Heads(NamedTuple):
    """What attention times depend on besides batch and length."""

    head_dim: int
    kv: str
    window: int
    query_heads: int
    kv_heads: int


class Attended(NamedTuple):
    """Attention times of one head shape: for each batch size, a line over length."""

    batch: tuple[int, ...]
    lines: tuple[Line, ...]

    def around(self, batch: int) -> tuple[int, int, float]:
        """Indices of the measured batch sizes on either side, and the weight of the second."""
        sizes = self.batch
        right = next((i for i, size in enumerate(sizes) if size >= batch), len(sizes) - 1)
        left = max(0, right - 1) if sizes[right] != batch else right
        if left == right:
            return left, right, 0.0
        return left, right, (batch - sizes[left]) / (sizes[right] - sizes[left])

    def totals(self, batch: int) -> Line:
        """Decode: time over the sum of the contexts of `batch` sequences.

        Batch sizes in between are interpolated at equal sums, not at equal contexts: what is read
        is what takes time. Held back batch sizes are missed by 2.7 % instead of 7.1 % (1k to 8k).
        """
        left, right, weight = self.around(batch)
        first, second = (
            Line(tuple(self.batch[i] * x for x in self.lines[i].x), self.lines[i].y)
            for i in (left, right)
        )
        return first.blend(second, weight)

    def strains(self, batch: int, strains: Callable[[int], int]) -> Line:
        """Prefill: time of `batch` equal prompts over the strain of one, given by its tokens."""
        left, right, weight = self.around(batch)
        first, second = (
            Line(tuple(strains(x) for x in self.lines[i].x), self.lines[i].y) for i in (left, right)
        )
        return first.blend(second, weight)


class Calibration:
    """A file's tables, ready to be asked."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.gpu: str = document["gpu"]
        self.decode = _attention(document["decode"])
        self.prefill = _attention(document["prefill"])
        self.windowed = {
            (entry["head_dim"], entry["kv"], entry["window"]): entry["factor"]
            for entry in document["windowed_decode"]
        }
        self._shapes: dict[tuple[str, int, int], Line | None] = {}

    def gemm(self, form: str, n: int, k: int) -> Line:
        """Times over m of a shape: linear in n and in k between the four measured around it."""
        table = self.document["gemm"][form]
        (n0, n1, wide), (k0, k1, deep) = _around(table["n"], n), _around(table["k"], k)
        shallow = self._filled(form, n0, k0).blend(self._filled(form, n1, k0), wide)
        return shallow.blend(
            self._filled(form, n0, k1).blend(self._filled(form, n1, k1), wide), deep
        )

    def limits(self, form: str) -> tuple[int, int, int, int]:
        """Smallest and largest n and k measured."""
        table = self.document["gemm"][form]
        return table["n"][0], table["n"][-1], table["k"][0], table["k"][-1]

    def collective(self, operation: str, gpus: int) -> Line | None:
        """Times over bytes; None if this number of GPUs was not measured."""
        table = self.document["collectives"].get(operation, {}).get(str(gpus))
        return None if table is None else _pairs(table["bytes"], table["ns"])

    def _filled(self, form: str, i: int, j: int) -> Line:
        """A shape of the grid; one held back is the mean of interpolating along n and along k."""
        found = self._measured(form, i, j)
        if found is not None:
            return found
        table = self.document["gemm"][form]
        sides = []
        for values, at, low, high in (
            (table["n"], i, (i - 1, j), (i + 1, j)),
            (table["k"], j, (i, j - 1), (i, j + 1)),
        ):
            ends = self._measured(form, *low), self._measured(form, *high)
            if ends[0] is not None and ends[1] is not None:
                share = (values[at] - values[at - 1]) / (values[at + 1] - values[at - 1])
                sides.append(ends[0].blend(ends[1], share))
        if not sides:  # a corner of the grid that was never measured: scale its neighbour's k
            return self._filled(form, i, j - 1).scaled(table["k"][j] / table["k"][j - 1])
        return sides[0].blend(sides[-1], 0.5)

    def _measured(self, form: str, i: int, j: int) -> Line | None:
        table = self.document["gemm"][form]
        if not (0 <= i < len(table["n"]) and 0 <= j < len(table["k"])):
            return None
        key = (form, i, j)
        if key not in self._shapes:
            times = table["ns"][i][j]
            self._shapes[key] = _pairs(table["m"], times) if times else None
        return self._shapes[key]


def strain(pairs: int, tokens: int) -> int:
    """The measure in which prefill attention time is taken as linear between measured prompts.

    `pairs` are the (query, key) pairs of `tokens`, so it is right for windows, too.
    """
    return pairs + SHORT_PROMPT * tokens


def calibrations() -> list[str]:
    """GPUs whose measured operator times come with kvsim."""
    return sorted(path.name.removesuffix(".json.gz") for path in SHIPPED.glob("*.json.gz"))


@cache
def calibration(name_or_path: str) -> Calibration:
    """A shipped calibration by the GPU's name, or a file of one's own."""
    shipped = SHIPPED / f"{name_or_path}.json.gz"
    path = shipped if shipped.is_file() else Path(name_or_path)
    if not path.is_file():
        hint = perhaps(name_or_path, calibrations())
        raise InputError(f"There is no calibration for {name_or_path!r}.{hint}")
    return Calibration(read(path))


def read(path: Path) -> dict[str, Any]:
    """The document in a calibration file."""
    try:
        raw = path.read_bytes()
        document = json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} is not a calibration file: {error}") from None
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT:
        raise InputError(f"{path} has the format {found!r}; this kvsim reads {FORMAT!r}.")
    return dict(document)


def _attention(entries: list[dict[str, Any]]) -> dict[Heads, Attended]:
    tables = {}
    for entry in entries:
        heads = Heads(*(entry[name] for name in Heads._fields))
        rows = [_pairs(entry["length"], times) for times in entry["ns"]]
        known = [(size, row) for size, row in zip(entry["batch"], rows, strict=True) if row.x]
        tables[heads] = Attended(
            tuple(size for size, _ in known), tuple(row.rising() for _, row in known)
        )
    return tables


def _pairs(values: list[int], times: list[int | None]) -> Line:
    """A line through what was measured; trailing nulls may be left out of a file."""
    return line((x, y) for x, y in zip(values, times, strict=False) if y is not None)


def _around(values: list[int], value: int) -> tuple[int, int, float]:
    """Indices of the grid values around `value`, and the weight of the second; clamped."""
    right = next((i for i, known in enumerate(values) if known >= value), len(values) - 1)
    left = right if values[right] <= value or right == 0 else right - 1
    if left == right:
        return left, right, 0.0
    return left, right, (value - values[left]) / (values[right] - values[left])
