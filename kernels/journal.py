"""What was measured so far: a line per point, on disk as soon as it is known.

A run that was killed goes on after its last line. A point that was begun and never ended took the
process with it: it counts as failed and is not tried again.
"""

import json
import os
from pathlib import Path
from typing import Any


class Journal:
    """An append-only file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, dict[str, Any]] = {}
        self.begun: str | None = None
        if not path.is_file():
            return
        text = path.read_text(encoding="utf-8")
        if text and not text.endswith("\n"):  # cut short by a kill
            with path.open("a", encoding="utf-8") as out:
                out.write("\n")
        for line in text.splitlines():
            self._read(line)

    def _read(self, line: str) -> None:
        try:
            row = json.loads(line)
        except ValueError:
            return
        if "begun" in row:
            self.begun = row["begun"]
            return
        self.rows[row["key"]] = row
        self.begun = None

    def begin(self, key: str) -> None:
        """A point is about to be measured."""
        self._append({"begun": key})

    def end(self, key: str, row: dict[str, Any]) -> None:
        """A point was measured, or failed with an `error`."""
        self.rows[key] = {"key": key, **row}
        self._append(self.rows[key])

    def lost(self, error: str) -> None:
        """The point begun last took its process with it."""
        if self.begun is not None:
            self.end(
                self.begun, {"group": self.begun.split(" ")[0], "point": self.begun, "error": error}
            )
            self.begun = None

    def _append(self, row: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as out:
            out.write(json.dumps(row, separators=(",", ":")) + "\n")
            out.flush()
            os.fsync(out.fileno())


def write(path: Path, found: dict[str, Any]) -> None:
    """A whole file at once, or not at all. A line per row."""
    rows = [json.dumps(row, separators=(",", ":")) for row in found["rows"]]
    head = json.dumps({key: value for key, value in found.items() if key != "rows"}, indent=1)
    text = head[:-2] + ',\n "rows": [\n  ' + ",\n  ".join(rows) + "\n ]\n}\n"
    beside = path.with_name(path.name + ".new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
