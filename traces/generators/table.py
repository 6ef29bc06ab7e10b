"""Columns of numbers out of a CSV file, plain or gzip: measured lengths, gaps, think times."""

import csv
import gzip
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from kvsim.errors import InputError, perhaps

Column = NDArray[np.float64]


def header(path: str, where: str) -> list[str]:
    """Names of the columns of the file at `path`; `where` is the field that names the file."""
    with _opened(path, where) as file:
        return _header(file, path, where)


def columns(path: str, names: Sequence[str], where: str) -> list[Column]:
    """The columns called `names`, a number in every row."""
    with _opened(path, where) as file:
        found = _header(file, path, where)
        places = [_place(found, name, path, where) for name in names]
        cells: list[list[float]] = [[] for _ in names]
        rows = csv.reader(file)
        for row in rows:
            if not row:
                continue
            for column, place, name in zip(cells, places, names, strict=True):
                try:
                    column.append(float(row[place]))
                    if not isfinite(column[-1]):
                        raise ValueError
                except (ValueError, IndexError):
                    said = f"found {row[place]!r}" if place < len(row) else "the row ends before it"
                    line = f"{path}, line {rows.line_num + 1}, column {name!r}"
                    raise InputError(f"{where}: {line}: {said}; a number is wanted.") from None
    if not cells[0]:
        raise InputError(f"{where}: {path} has a header and no rows.")
    return [np.array(column) for column in cells]


def _opened(path: str, where: str) -> IO[str]:
    try:
        with open(path, "rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
    except OSError as error:
        near = perhaps(Path(path).name, _neighbours(path))
        raise InputError(f"{where}: cannot read {path!r}: {error.strerror}.{near}") from None
    if packed:
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return open(path, encoding="utf-8", newline="")


def _neighbours(path: str) -> list[str]:
    folder = Path(path).parent
    return sorted(one.name for one in folder.glob("*.csv*")) if folder.is_dir() else []


def _header(file: IO[str], path: str, where: str) -> list[str]:
    names = [name.strip() for name in next(csv.reader([file.readline()]), [])]
    if not names:
        raise InputError(f"{where}: {path} is empty; its first line must name the columns.")
    return names


def _place(found: list[str], name: str, path: str, where: str) -> int:
    if name not in found:
        raise InputError(f"{where}: {path} has no column {name!r}.{perhaps(name, found)}")
    return found.index(name)
