"""Named random streams: the same numbers for the same seed and name, in any process, on any day."""

import hashlib
import json

from numpy.random import PCG64, Generator


def stream(seed: int, *names: str | int) -> Generator:
    """A fresh stream of random numbers for (`seed`, `names`), independent of every other name's.

    The name is hashed by SHA-256, not by `hash()`, which differs from process to process.
    """
    digest = hashlib.sha256(json.dumps([seed, *names]).encode()).digest()
    return Generator(PCG64(int.from_bytes(digest, "little")))
