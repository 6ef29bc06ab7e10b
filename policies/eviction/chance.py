"""Random numbers for policies: a named stream for each seed. Not a policy."""

from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from numpy.random import Generator


class Stream:
    """Random numbers, the same for the same seed and name on every machine."""

    __slots__ = ("_generator", "_key")

    def __init__(self, seed: int, name: str) -> None:
        self._key = seed, crc32(name.encode())
        self._generator: Generator | None = None

    def random(self) -> float:
        """From 0 to below 1."""
        if self._generator is None:
            from numpy.random import PCG64, Generator, SeedSequence

            self._generator = Generator(PCG64(SeedSequence(self._key)))
        return self._generator.random()
