"""The questions that the machine asks. `policies/` answers them; nothing else decides anything."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Reversible
from collections.abc import Sequence as Ordered
from typing import Any, NamedTuple, Protocol

from kvsim.hardware import GPU
from kvsim.models import Model
from kvsim.sim.registry import Registry
from kvsim.sim.timing import StepTime
from kvsim.units import Ns


class SegmentView(Protocol):
    """What an eviction policy may know of a segment: its place and its use. Identity is its key."""

    @property
    def tokens(self) -> int:
        """Tokens it holds."""
        ...

    @property
    def depth(self) -> int:
        """Tokens of the prefix before it."""
        ...

    @property
    def reuses(self) -> int:
        """Look-ups that found it."""
        ...


class Foretold(SegmentView, Protocol):
    """A segment whose future is known: what an oracle may look at, in a replay without time."""

    @property
    def next_use(self) -> int:
        """When it is used again; a number above all others if never."""
        ...


class Eviction(ABC):
    """Which segment leaves a full tier. One instance per tier; keeps order, not sizes."""

    @abstractmethod
    def touched(self, segment: SegmentView, now: Ns) -> None:
        """`segment` was inserted or hit. The only place to learn about use."""

    @abstractmethod
    def removed(self, segment: SegmentView) -> None:
        """`segment` is gone from the tier, whoever decided it. Forget it."""

    @abstractmethod
    def victim(self, evictable: Callable[[SegmentView], bool]) -> SegmentView | None:
        """The next to go among those `evictable`. Changes nothing. None: nothing may go."""

    def locked(self, segment: SegmentView) -> None:
        """Somebody reads `segment` from now on: it may not go. Follows a `touched`."""
        del segment

    def released(self, segment: SegmentView, now: Ns) -> None:
        """Nobody reads `segment` any more. A path is released from its deepest segment on."""
        del segment, now

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """`head`, new, has taken over the first part of `segment`, with its use and its locks."""
        del segment, head


class SequenceView(Protocol):
    """What a policy may know of a request: its past. How long it will go on is not here."""

    @property
    def id(self) -> int:
        """Its number; lower ones came earlier."""
        ...

    @property
    def prompt_tokens(self) -> int:
        """Tokens of its prompt."""
        ...

    @property
    def ready(self) -> Ns:
        """When it reached a replica's queue."""
        ...

    @property
    def computed(self) -> int:
        """Tokens whose KV is there; in decode, as of when it began."""
        ...

    @property
    def missing(self) -> int:
        """Tokens to compute before it can take its next one."""
        ...


class ReplicaView(Protocol):
    """What a router may know of a replica at this instant."""

    @property
    def index(self) -> int:
        """Its number among the replicas."""
        ...

    @property
    def waiting_requests(self) -> int:
        """Requests in its queue."""
        ...

    @property
    def running_requests(self) -> int:
        """Requests that hold memory."""
        ...

    def cached(self, sequence: SequenceView) -> int:
        """Tokens of its prompt that the replica holds."""
        ...


class EngineView(Protocol):
    """What a scheduler may know of its replica at a boundary. Current after each of its moves."""

    @property
    def waiting(self) -> Ordered[SequenceView]:
        """Requests not admitted, or preempted; the head is next."""
        ...

    @property
    def prefilling(self) -> Ordered[SequenceView]:
        """Admitted requests whose prompt is not yet computed, in order of admission."""
        ...

    @property
    def decoding(self) -> int:
        """Requests that take one token each in the next step."""
        ...

    @property
    def running_requests(self) -> int:
        """Requests that hold memory."""
        ...

    @property
    def preempting(self) -> bool:
        """Memory ran out at this boundary and somebody had to leave."""
        ...

    def cached(self, sequence: SequenceView) -> int:
        """Tokens of a waiting request that are here already."""
        ...

    def fits(self, sequence: SequenceView, tokens: int) -> bool:
        """Whether a waiting request can be admitted with its first `tokens` stored."""
        ...


class Router(ABC):
    """Which replica serves a request. One instance for the cluster."""

    @abstractmethod
    def route(self, sequence: SequenceView, replicas: Ordered[ReplicaView], now: Ns) -> int:
        """Index of the replica for `sequence`, which has just arrived."""


class Prefill(NamedTuple):
    """A scheduler's move: compute `tokens` more of a prompt in the next step; may admit it."""

    sequence: SequenceView
    tokens: int


class Scheduler(ABC):
    """What the next step computes besides one token for every decoding sequence."""

    @abstractmethod
    def plan(self, view: EngineView) -> Iterator[Prefill]:
        """Moves for the next step. Each is carried out before the next is asked for.

        Called at every boundary with somebody waiting or a prompt begun. Draws no random numbers
        and keeps no memory of the call: asked again without a change in between, it says the same.
        """

    def awaits(self, view: EngineView) -> bool:
        """Whether a request that has just joined `view.waiting` can change the plan at once.

        False lets the running span go on to its end. Must be true where in doubt.
        """
        del view
        return True


class Preemption(ABC):
    """Who leaves when the running sequences have outgrown memory, and what becomes of its KV."""

    @abstractmethod
    def victim(self, running: Reversible[SequenceView]) -> SequenceView:
        """One of `running`, given in order of admission."""


class Timing(ABC):
    """Where a replica's step times come from. Asked once, before the run."""

    @abstractmethod
    def step_time(
        self,
        model: Model,
        gpu: GPU,
        tensor: int,
        pipeline: int,
        weight_bits: int,
        kv_bits: int,
        engine: Any,
    ) -> StepTime:
        """Step times of `model` on `tensor` x `pipeline` GPUs under an engine's overheads."""


eviction = Registry[Eviction]("eviction")
router = Registry[Router]("router")
scheduler = Registry[Scheduler]("scheduler")
preemption = Registry[Preemption]("preemption")
timing = Registry[Timing]("timing")
