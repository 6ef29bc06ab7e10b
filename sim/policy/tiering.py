"""The questions about KV below HBM: what is kept there, and whether and when it comes up."""

from abc import ABC, abstractmethod
from typing import Literal, NamedTuple

from kvsim.units import Ns


class RestoreView(NamedTuple):
    """A stretch of a request's KV that a lower tier holds, and what getting it back would take."""

    tokens: int
    history: int
    """Tokens before it, which are there or will be."""
    tier: str
    load: Ns
    """To load it now, sharing links with what is on its way already."""
    compute: Ns
    """To compute it by itself."""
    ahead: Ns
    """To compute what waits before this request: so long it would not be computed anyway."""


class Restore(ABC):
    """Whether KV that a lower tier holds is loaded or computed again."""

    @abstractmethod
    def loads(self, view: RestoreView) -> bool:
        """True to load this stretch; False to compute it, and all that follows it."""


class Prefetch(ABC):
    """When KV that is on its way up is needed."""

    @abstractmethod
    def by_layer(self) -> bool:
        """True: a request goes on once the first layer has landed, and its first step waits for the
        others as it comes to them. False: it waits for all of them."""

    def window(self) -> int:
        """Waiting requests whose KV is copied from slower tiers to the fastest one below HBM before
        their turn."""
        return 0


class Stored(NamedTuple):
    """A stretch of KV that has just been computed and might be kept in a lower tier."""

    tokens: int
    """From the head of the text on."""
    moment: Literal["prefill", "every", "end"]
    """The prompt is complete, some more blocks of the answer are, or the request is finished."""
    reuses: int
    """Look-ups that have found its last part in HBM."""
    blocks: int = 0
    """Whole blocks of the text."""
    session: int | None = None
    turn: int = 0
    kind: str = ""
    """The class of service of its request."""


class Placement(ABC):
    """What a tier keeps. One instance per tier; a full tier makes room by its own eviction."""

    every: int = 0
    """Asked too whenever this many more blocks of an answer are complete; 0: never."""
    ahead: float = 0.0
    """Share of the store above that is kept free by moving down what would leave it next; 0: none
    of it is."""
    exclusive: bool = False
    """What has been loaded leaves the tier."""

    @abstractmethod
    def keeps(self, stored: Stored) -> bool:
        """Whether to copy what the tier lacks of this stretch."""
