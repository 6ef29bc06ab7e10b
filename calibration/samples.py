"""Raw samples of `kvsim.kernels`: a row for each point, by group."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kvsim.errors import InputError

Sample = dict[str, Any]
FORMAT = 1
STEADY = 2.0
"""The 90th percentile of a point over its 10th, at most, on a machine that does nothing else."""


class Samples:
    """What one machine's run measured, and what it said of itself."""

    def __init__(self, document: dict[str, Any], where: str) -> None:
        if document.get("format") != FORMAT or "rows" not in document:
            raise InputError(f"{where} holds no raw samples; `kvsim calibrate` writes them.")
        self.document = document
        self.device: dict[str, Any] = document["device"]
        self.host: dict[str, Any] = document["host"]
        self.rows: list[Sample] = document["rows"]

    @property
    def failed(self) -> list[Sample]:
        """Points without a time, each with its `error`."""
        return [row for row in self.rows if "error" in row]

    @property
    def unsteady(self) -> list[Sample]:
        """Points whose slow samples take more than twice as long as their quick ones."""
        return [row for row in self.rows if row.get("high", 0) > STEADY * row.get("low", 0)]

    def of(self, group: str, **wanted: Any) -> Iterator[Sample]:
        """Rows of a group that have a time and these values."""
        for row in self.rows:
            if row["group"] != group or "ns" not in row:
                continue
            if all(row.get(axis) == value for axis, value in wanted.items()):
                yield row

    def best(self, group: str, least: int = 0, **wanted: Any) -> float | None:
        """Most bytes per second of a group's rows that move at least so many."""
        rates = [
            row["bytes"] / row["ns"] * 1e9
            for row in self.of(group, **wanted)
            if row["bytes"] >= least
        ]
        return max(rates, default=None)


def read(path: Path) -> Samples:
    """Samples from a file. Raises InputError where it holds none."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}.") from None
    if not isinstance(document, dict):
        raise InputError(f"{path} holds no raw samples; `kvsim calibrate` writes them.")
    return Samples(document, str(path))
