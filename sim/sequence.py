"""The progress of one request through the machine. Mutable; what the trace says is in `Request`."""

from dataclasses import dataclass
from typing import NamedTuple

from kvsim.sim.prefix import Segment
from kvsim.sim.timing import Chunk
from kvsim.traces.request import Request, Runs
from kvsim.units import Ns

UNLABELLED = 1 << 24
"""Block labels kept free for each request's own tokens that no trace names; ids below zero."""


@dataclass(eq=False, slots=True)
class Gap:
    """Tokens [start, end) of a sequence that are loaded while those before them are computed."""

    start: int
    end: int
    piece: int
    """Tokens that a step computes before it at most, and that a load moves; 0: any number."""
    counts: bool
    """What comes in it are hits: it was looked up for the first time."""
    hidden: int
    """Tokens of it that come as hidden states."""
    is_open: bool = True
    """Not all of it has landed."""
    front: int = 0
    """Up to where the step that runs computes: it does not begin before that."""


class Stay(NamedTuple):
    """One time in a batch, from when a sequence joins until it leaves."""

    end: int
    """The step of the batch after which it leaves, if it is not taken out before."""
    key: int
    """The sequence's id, which breaks ties."""
    sequence: "Sequence"


class Sequence:
    """A request being served. Policies see it through `SequenceView`, without its output length."""

    __slots__ = (
        "_joined",
        "_remaining",
        "_stay",
        "admitted",
        "asked",
        "brought",
        "computed",
        "first_token",
        "gap",
        "generated",
        "hits",
        "id",
        "landed",
        "landing",
        "leaf",
        "load",
        "loaded",
        "lost",
        "parked",
        "paused",
        "pauses",
        "preempted",
        "preemptions",
        "prefilled_by",
        "projecting",
        "published",
        "raw",
        "ready",
        "recomputed",
        "replica",
        "request",
        "retries",
        "silent",
        "stalled",
        "swapped",
        "target",
    )

    def __init__(self, request: Request, ready: Ns) -> None:
        self.request = request
        self.id = request.id
        self.ready = ready
        """When it entered a replica's queue: arrival, plus the host's work before."""
        self.target = request.prompt_tokens
        """Tokens whose KV must be there before the next token can be sampled."""
        self.computed = 0
        """Tokens whose KV is there; kept current by the batch while decoding only on leaving."""
        self.generated = 0
        self._remaining = request.output_tokens
        """Tokens still to come: the future, hidden from policies."""
        self._stay: Stay | None = None
        """Its entry in the decode batch: after which step it is finished; None outside of one."""
        self._joined = 0
        self.leaf: Segment | None = None
        """The deepest segment of the prefix tree it holds."""
        self.published = 0
        """Tokens it reads out of the prefix tree; the rest it holds privately."""
        self.hits: int | None = None
        """Tokens found in the cache at first admission; None before."""
        self.admitted: Ns | None = None
        self.first_token: Ns | None = None
        self.preempted: Ns | None = None
        """Since when it has been waiting to come back; None unless preempted."""
        self.asked = False
        """The lower tiers have been asked what they hold of it."""
        self.brought = False
        """What slower tiers have of it has been copied closer, or there was no room."""
        self.loaded: dict[str, int] = {}
        """Tokens that lower tiers gave it before its first admission, by tier."""
        self.parked: Ns | None = None
        """Since when its KV has been on its way; None if none is."""
        self.landing = False
        """It goes on although not all layers of its loaded KV are there."""
        self.landed: Ns | None = None
        """When the last of them came, if that was in the step that runs."""
        self.gap: Gap | None = None
        """What is loaded while it is being computed up to there; None if nothing is."""
        self.raw = 0
        """Tokens that have come as hidden states, of which K and V are still to be made."""
        self.projecting = 0
        """Tokens of which they are made in the step that runs."""
        self.load: Ns = 0
        """Time parked before its first admission."""
        self.silent: Ns | None = None
        """When it took its last token; None while it decodes, and where the next answers a tool."""
        self.swapped = False
        """Its KV waits in the host's memory."""
        self.preemptions = 0
        self.retries = 0
        """How often it started again because its replica had failed."""
        self.lost = 0
        """Tokens whose KV was there when it was preempted."""
        self.recomputed = 0
        """Tokens whose KV was computed again because memory had run out."""
        self.stalled: Ns = 0
        """Time lost to preemption before the first token."""
        self.replica = 0
        """Index of the replica that serves it."""
        self.prefilled_by: int | None = None
        """Index of the replica that computed its prompt, if that is another one."""
        self.pauses = 0
        """Tool calls made so far."""
        self.paused: Ns = 0
        """Time spent in tool calls."""

    @property
    def client(self) -> str:
        """Who asks."""
        return self.request.client

    @property
    def kind(self) -> str:
        """The class of service."""
        return self.request.kind

    @property
    def priority(self) -> int:
        """Higher is more urgent."""
        return self.request.priority

    @property
    def deadline(self) -> Ns | None:
        """When its first token is due."""
        return self.request.deadline

    @property
    def session(self) -> int | None:
        """The conversation it is a turn of."""
        return self.request.session

    @property
    def head(self) -> int:
        """Name of its first block."""
        return self.labels[0]

    @property
    def arrival(self) -> Ns:
        """When it reached the cluster."""
        return self.request.arrival

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt."""
        return self.request.prompt_tokens

    @property
    def stretch(self) -> int:
        """Tokens until it pauses or ends: the future, hidden from policies."""
        pauses = self.request.pauses
        if self.pauses < len(pauses):
            return pauses[self.pauses].after - self.generated
        return self._remaining

    @property
    def labels(self) -> Runs:
        """Names for all its tokens: the trace's, then names nobody else uses."""
        request = self.request
        return (*request.blocks, -(self.id + 1) * UNLABELLED, UNLABELLED)

    @property
    def missing(self) -> int:
        """Tokens to compute before the next one can be sampled."""
        if self.gap is None:
            return self.target - self.computed
        return self.target - self.computed - (self.gap.end - self.gap.start)

    @property
    def held(self) -> int:
        """Tokens that room is held for."""
        return self.computed if self.gap is None else max(self.computed, self.gap.end)

    @property
    def is_stuck(self) -> bool:
        """Nothing can be computed of it before the rest of its gap has landed."""
        gap = self.gap
        return gap is not None and gap.is_open and self.computed == gap.start and not self.raw

    def within_reach(self, tokens: int) -> int:
        """As many of the next `tokens` as one step may compute."""
        gap = self.gap
        if gap is None or not gap.is_open:
            return tokens
        return min(tokens, gap.piece or tokens, gap.start - self.computed)

    def after(self, tokens: int) -> int:
        """Where `tokens` more end, beyond a gap if they do not all lie before it."""
        gap, end = self.gap, self.computed + tokens
        return end if gap is None or end <= gap.start else end + gap.end - gap.start

    def chunks(self, tokens: int) -> tuple[Chunk, ...]:
        """What a step computes that takes `tokens` of it."""
        gap, before = self.gap, tokens
        if gap is not None:
            before = min(tokens, gap.start - self.computed)
        first = Chunk(before, self.computed, self.projecting)
        if gap is None or before == tokens:
            return (first,)
        rest = Chunk(tokens - before, gap.end)
        return (first, rest)

    def begin(self, tokens: int) -> None:
        """A step begins that computes `tokens` of it, and K and V of what has come raw."""
        gap = self.gap
        self.projecting, self.raw = self.raw, 0
        if gap is not None:
            gap.front = self.after(tokens)
            if gap.front > gap.start:
                self.projecting, gap.hidden = self.projecting + gap.hidden, 0

    def advance(self, tokens: int) -> None:
        """`tokens` have been computed, and what has landed behind them is there too."""
        self.computed = self.after(tokens)
        self.projecting = 0
        self.close()

    def credit(self, tier: str, tokens: int) -> None:
        """A tier gives it `tokens` before its first admission."""
        self.loaded[tier] = self.loaded.get(tier, 0) + tokens

    def close(self) -> None:
        """What has landed behind what is computed is there too, if there is nothing between."""
        gap = self.gap
        if gap is not None and not gap.is_open and self.computed >= gap.start:
            self.computed = max(self.computed, gap.end)
            self.raw += gap.hidden
            self.gap = None
