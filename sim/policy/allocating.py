"""The question what a request's KV space is claimed as."""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

from kvsim.units import Ns


class Store(NamedTuple):
    """What an answer may know of a replica's KV memory."""

    block: int
    """Tokens of a block, as the scenario has it."""
    tensor: int
    """Bytes of a token in the widest K or V tensor that one GPU keeps of a layer."""
    state: int
    """Bytes that recurrent layers keep of a request, however long it is."""
    host: int = 0
    """Bytes of the replica's share of the host's DRAM."""


class Claim(NamedTuple):
    """What a replica's KV memory is handed out in."""

    block: int
    """Tokens of a block, which is stored, shared and evicted as one."""
    group: int = 1
    """Blocks that a request claims at a time, side by side."""
    slots: int = 0
    """Requests for whose recurrent state room is set aside; 0: it is claimed as blocks are."""
    outside: int = 0
    """Bytes of the host's DRAM into which prompts go, layer by layer as they are computed, that
    find no room in HBM; they come back when they do. Nobody shares anything then."""
    whole: bool = False
    """All that a request may need is claimed at admission, as one piece, which nobody shares."""


class Allocation(ABC):
    """What a request's KV space is claimed as. One instance a replica."""

    needs: ClassVar[frozenset[str]] = frozenset()
    """`{"future"}` for an oracle: it is then told how long answers will be."""

    @abstractmethod
    def claim(self, store: Store) -> Claim:
        """Asked once, before the run."""

    def spills(self, copy: Ns, compute: Ns) -> bool:
        """Whether a prompt that finds no room is computed in `compute`, and its KV copied to the
        host's memory in `copy`, instead of waiting; asked of claims that have something outside."""
        del copy, compute
        return True

    def reserve(self, prompt: int, longest: int, answer: int | None) -> int:
        """Tokens that a request's piece has room for; asked at each admission, of whole claims.

        `longest` is the most that a text may have, `answer` what will follow the prompt, for
        oracles only.
        """
        del prompt, answer
        return longest
