"""What importers share: times in a file's units, and a file that is the same bytes each time."""

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kvsim.calibration.table import UNIT, parse

Points = list[list[int]]
"""[[contexts], [times in UNIT]]: a row of a file."""


def points(pairs: Iterable[tuple[float, float]], unit: float) -> Points:
    """A row from (context, time) pairs in any order; `unit` is ns per unit of time."""
    ordered = sorted(pairs)
    return [[int(at) for at, _ in ordered], [round(time * unit / UNIT) for _, time in ordered]]


def checked(regime: str, pairs: Iterable[tuple[float, float]]) -> list[Any]:
    """A residual of (predicted, measured) pairs that are not in the file."""
    from kvsim.calibration.residuals import summed

    return list(summed(regime, [abs(predicted / measured - 1) for predicted, measured in pairs]))


def save(file: dict[str, Any], path: Path) -> None:
    """Write the file."""
    raw = json.dumps(file, separators=(",", ":")).encode()
    with path.open("wb") as out, gzip.GzipFile("", "wb", 9, out, mtime=0) as packed:
        packed.write(raw)


def finish(file: dict[str, Any], path: Path) -> None:
    """Add the held-back residuals, write the file and say how large it is."""
    from kvsim.calibration.residuals import held_back

    found = held_back(parse(file))
    file["residuals"] = [*file["residuals"], *(list(row) for row in found)]
    save(file, path)
    print(f"{path}: {path.stat().st_size} bytes")
