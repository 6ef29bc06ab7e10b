"""The question how a decode kernel reads prefixes that sequences of its batch share."""

from abc import ABC, abstractmethod
from typing import NamedTuple


class Kernel(NamedTuple):
    """What a decode attention kernel does about shared prefixes, and what that costs a layer."""

    tree: bool = False
    """Every stretch that several sequences share is read once; otherwise only what all share."""
    grain: int = 1
    """Tokens of a shared stretch come in multiples of this; the rest is read per sequence."""
    launches: int = 0
    """Kernels on top of the plain one, in steps with something shared."""
    partials: int = 0
    """Partial results of each sequence that are written, read again and merged."""
    spread: bool = False
    """Tokens, not heads, are split over the GPUs of a replica; partial results are all-reduced."""


class Attention(ABC):
    """How decodes attend. Asked once a replica, before the run."""

    @abstractmethod
    def kernel(self) -> Kernel | None:
        """None: each sequence reads all of its own context, shared or not."""
