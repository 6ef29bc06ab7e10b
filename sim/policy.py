"""The questions that the machine asks. `policies/` answers them; nothing else decides anything."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Reversible
from collections.abc import Sequence as Ordered
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

from kvsim.hardware import GPU
from kvsim.models import Model
from kvsim.sim.registry import Registry
from kvsim.sim.timing import StepTime
from kvsim.units import Ns


class SegmentView(Protocol):
    """What an eviction policy may know of a segment: its place and its use. Read only.

    A segment is a run of blocks in one tier. In books kept by policies it is its own key, by
    identity. In a replay without time (`kvsim.sim.hitrate`) it is a single block.
    """

    @property
    def key(self) -> int:
        """Name of its first block. Content that left and comes back has the same (key, depth)."""
        ...

    @property
    def tokens(self) -> int:
        """Its size. Grows while locked, and shrinks when its tail leaves; no verb tells of that."""
        ...

    @property
    def depth(self) -> int:
        """Tokens of the prompt before its first one."""
        ...

    @property
    def reuses(self) -> int:
        """Look-ups that found it."""
        ...

    @property
    def parent(self) -> "SegmentView | None":
        """The segment before it in the prompt, which cannot leave before it does."""
        ...


class Foretold(SegmentView, Protocol):
    """A segment as oracles see it: given to policies with `needs = {"future"}` only."""

    @property
    def next_use(self) -> int:
        """Number of the request that looks it up next; one above all others if none will."""
        ...


class Eviction(ABC):
    """Which segment leaves a full tier. One instance per tier; keeps order, not sizes.

    The life of a segment: `touched` when it is inserted, and again at each hit; `locked` when its
    first reader comes and `released` when its last one goes; `removed` at the end. An insertion is
    locked from the start, except in a replay without time. What is on a path to a locked segment is
    locked too, and what has others below it cannot leave: `evictable` knows. Calls should cost
    O(log n) at most, amortised; `kvsim.policies.eviction.order` keeps books that do.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    """`{"future"}` for an oracle: it is then given `Foretold` segments, and reports say so."""

    @abstractmethod
    def touched(self, segment: SegmentView, now: Ns) -> None:
        """`segment` was inserted or hit: once per reader, the deepest of a path first."""

    @abstractmethod
    def removed(self, segment: SegmentView) -> None:
        """`segment` is gone from the tier, whoever decided it. Forget it.

        `segment.parent` still names the one above, which may be free to leave from now on.
        """

    @abstractmethod
    def victim(self, evictable: Callable[..., bool]) -> SegmentView | None:
        """The next to go among those `evictable`. None: nothing may go.

        Decides only: the tier cuts as much off the victim's tail as it needs, and calls `removed`
        if that was all. Asked again with no verb in between, it says the same. What was refused
        needs no second asking until `released` names it, or `removed` names one right below it.
        """

    def locked(self, segment: SegmentView) -> None:
        """`segment` got its first reader and cannot leave. A use, or a copy, which is no use."""
        del segment

    def released(self, segment: SegmentView, now: Ns) -> None:
        """The last reader of `segment` has gone. Called for the deepest of its path first.

        vLLM's free queue is in this order, so that a sequence's last block leaves first.
        """
        del segment, now

    def split(self, segment: SegmentView, head: SegmentView) -> None:
        """`segment` lost its first tokens to `head`, which is new, and now its parent.

        `head` has been used and is locked as `segment` is; it is neither touched nor locked for
        that. `segment` has a new key and depth.
        """
        del segment, head

    def awaited(self, segment: SegmentView, place: int | None) -> None:
        """Waiting requests will read `segment`; the first of them is number `place` in the queue.

        Numbers count from the start of the run, so that they need no change as the queue moves.
        None: nobody waits for it any more.
        """
        del segment, place


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


class Stored(NamedTuple):
    """A stretch of KV that has just been computed and might be kept in a lower tier."""

    tokens: int
    """From the head of the text on."""
    moment: Literal["prefill", "end"]
    """The prompt is complete, or the request is finished."""
    reuses: int
    """Look-ups that have found its last part in HBM."""


class Placement(ABC):
    """What a tier keeps. One instance per tier; a full tier makes room by its own eviction."""

    @abstractmethod
    def keeps(self, stored: Stored) -> bool:
        """Whether to copy what the tier lacks of this stretch."""


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
restore = Registry[Restore]("restore")
prefetch = Registry[Prefetch]("prefetch")
placement = Registry[Placement]("placement")
timing = Registry[Timing]("timing")
