"""The questions about KV below HBM: what is kept there, and whether and when it comes up."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal, NamedTuple

from kvsim.sim.policy.views import SequenceView
from kvsim.units import Ns

Kept = Literal["kv", "hidden", "both"]
"""What a tier keeps of a token: its KV, the hidden states that each layer reads, or both."""


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
    hidden: Ns = 0
    """To load it as hidden states, where the tier keeps them."""
    project: Ns = 0
    """To make K and V of the hidden states of all of it."""


class Range(NamedTuple):
    """Consecutive tokens and how they come back."""

    tokens: int
    way: Literal["compute", "kv", "hidden"]
    """Computed out of the text; loaded as KV; or loaded as hidden states, whose K and V are made
    in the first step that follows."""


class Restore(ABC):
    """Whether KV that a lower tier holds is loaded or computed again, and in which form.

    What comes first in one way is there before the request goes on. What is loaded behind that is
    on its way while the request computes what precedes it.
    """

    form: ClassVar[Kept] = "kv"
    """What tiers keep."""
    piece: int = 0
    """Tokens that are loaded at a time, from the end on, until computing, as many tokens a step,
    meets them; 0: there is no meeting, all that is to be loaded is."""

    @abstractmethod
    def ways(self, view: RestoreView) -> tuple[Range, ...]:
        """How this stretch comes back, from its head on, as far as it is loaded.

        What is left of it is computed, and all that follows; so is what tokens before a first load
        are said to be. Ranges end at whole blocks, of which the machine makes sure.
        """


Absence = Literal["turn", "tool"]
"""What a session thinks over between two turns, or who waits for a tool's answer."""


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

    def foresees(self) -> bool:
        """Whether it is told of who leaves and comes back."""
        return False

    def left(self, sequence: SequenceView, why: Absence, now: Ns) -> Ns | None:
        """A turn of a session is over, or a tool is at work: how long from now on its KV should be
        copied to the fastest tier below HBM, if it has not come back by then; None: never."""
        return None

    def came_back(self, sequence: SequenceView, why: Absence, now: Ns) -> None:  # noqa: B027
        """The next turn of that session, or the tool's answer, has come."""


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
