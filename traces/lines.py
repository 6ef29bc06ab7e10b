"""The lines of a trace file, plain or gzip, and where in it a reader stands. Knows no format."""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from io import TextIOWrapper
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, cast

from kvsim.errors import InputError

GZIP_MAGIC = b"\x1f\x8b"
"""The first two bytes of every gzip file (RFC 1952)."""
COUNTED_BYTES = 4 << 20
"""Files up to this size are read once more to count their rows: some 0.2 s at most."""


class UnreadableError(InputError):
    """The file itself is at fault, not what a line says; it tells its own place."""


class Lines:
    """Lines in order, counted as they are taken, so that an error can say where it is."""

    def __init__(self, source: Iterable[str], name: str = "trace") -> None:
        self.name = name
        self.number = 0
        """Lines taken so far: the number of the current one, counted from 1."""
        self._source = iter(source)

    def __iter__(self) -> Iterator[str]:
        for line in self._source:
            self.number += 1
            yield line

    def peek(self, count: int) -> list[str]:
        """Up to `count` lines that are still to come. Takes none; only before iteration begins."""
        ahead = list(islice(self._source, count))
        self._source = chain(ahead, self._source)
        return ahead

    @property
    def place(self) -> str:
        """File and line, as an error names them."""
        return f"{self.name}, line {self.number}" if self.number else self.name


def lines_of(path: Path) -> Lines:
    """The lines of a text file, plain or gzip whatever its name. Raises InputError on damage."""
    return Lines(_text(path), str(path))


def text_head(path: Path, characters: int) -> str:
    """The beginning of a text file, plain or gzip. Raises InputError if it is empty."""
    taken, length = [], 0
    for line in _text(path, longest=characters):
        taken.append(line)
        length += len(line)
        if length >= characters:
            break
    head = "".join(taken)
    if not head.strip():
        raise InputError(f"{path} is empty.")
    return head


def filled_lines(path: Path) -> int | None:
    """How many lines are not blank; None where counting them would take long."""
    if path.stat().st_size > COUNTED_BYTES:
        return None
    return sum(1 for line in _text(path) if not line.isspace())


def _text(path: Path, longest: int = -1) -> Iterator[str]:
    number = 0
    try:
        with path.open("rb") as raw, _unpacked(raw) as file:
            text = TextIOWrapper(file, encoding="utf-8-sig")
            while line := text.readline(longest) if longest > 0 else text.readline():
                yield line
                number += 1
    except EOFError:
        raise UnreadableError(
            f"{path}: the gzip data end too early, after line {number}."
        ) from None
    except (gzip.BadGzipFile, zlib.error) as damage:
        raise UnreadableError(f"{path}: damaged gzip data after line {number}: {damage}.") from None
    except UnicodeDecodeError:
        raise UnreadableError(f"{path}: not UTF-8 text after line {number}.") from None
    except OSError as refusal:
        reason = refusal.strerror or str(refusal)
        raise UnreadableError(f"{path} cannot be read: {reason}.") from None


def _unpacked(raw: BinaryIO) -> BinaryIO:
    packed = raw.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    raw.seek(0)
    return cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if packed else raw
