"""What policies may look at: read only, and never a request's output length."""

from collections.abc import Collection
from collections.abc import Sequence as Ordered
from typing import Protocol

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
    def client(self) -> str:
        """Who asks; empty if nobody says."""
        ...

    @property
    def kind(self) -> str:
        """The class of service it belongs to; empty if none."""
        ...

    @property
    def priority(self) -> int:
        """As the trace gives it; higher is more urgent."""
        ...

    @property
    def deadline(self) -> Ns | None:
        """When its first token is due, if the trace says so."""
        ...

    @property
    def session(self) -> int | None:
        """The conversation it is a turn of."""
        ...

    @property
    def head(self) -> int:
        """Name of its first block: requests with the same one share it."""
        ...

    @property
    def arrival(self) -> Ns:
        """When it reached the cluster."""
        ...

    @property
    def first_token(self) -> Ns | None:
        """When it took its first token."""
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

    @property
    def queued_tokens(self) -> int:
        """Tokens of prompts that it has to compute, as far as it knows what is cached."""
        ...

    @property
    def room(self) -> int:
        """Bytes for KV that are free, or would be if they were needed."""
        ...

    def cached(self, sequence: SequenceView) -> int:
        """Tokens of its prompt that the replica holds."""
        ...

    def known(self, sequence: SequenceView, by: Ns, loss: float) -> int:
        """The same as somebody knows it who heard of all blocks stored by instant `by`, but for a
        share `loss` of them."""
        ...

    def prefill_time(self, tokens: int) -> Ns:
        """What computing so many tokens of prompts takes by itself."""
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
    def now(self) -> Ns:
        """This instant, for rules that depend on how long somebody has waited."""
        ...

    @property
    def running(self) -> Collection[SequenceView]:
        """Requests that hold memory, in order of admission."""
        ...

    @property
    def outside(self) -> Collection[SequenceView]:
        """Requests that have had their first token, and wait for room to go on."""

    @property
    def suspended(self) -> Collection[SequenceView]:
        """Those of them that take no tokens for now."""
        ...

    def path(self, sequence: SequenceView) -> tuple[int, ...]:
        """Names of the cached segments that a waiting request would read, the first one first."""
        ...

    def predicted(self, sequence: SequenceView) -> float:
        """Tokens that its answer will have in all, by the scenario's predictor."""
        ...

    def prefill_time(self, tokens: int) -> Ns:
        """What computing so many tokens of prompts takes by itself."""
        ...

    def generated(self, sequence: SequenceView) -> int:
        """Tokens that a request has taken by this boundary."""
        ...

    def stored(self, sequence: SequenceView) -> int:
        """Tokens whose KV is there at this boundary."""
        ...

    @property
    def vacating(self) -> bool:
        """The KV of somebody preempted is on its way out, and its memory about to be free."""
        ...

    def resumes(self, sequence: SequenceView) -> bool:
        """Whether there is room for the next token of a suspended request."""
        ...

    @property
    def cache_stands(self) -> int:
        """Steps of those who decode for which nothing that is cached has to leave."""
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
