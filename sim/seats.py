"""Who is at one replica: in the queue, in memory, in the decode batch; and how they move between.

What takes time is not here: `kvsim.sim.engine` lets it pass.
"""

from collections import deque
from collections.abc import Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Protocol

from kvsim.sim.batch import DecodeBatch
from kvsim.sim.claiming import follow
from kvsim.sim.clock import Clock
from kvsim.sim.hierarchy import Hierarchy
from kvsim.sim.livelock import THRASHING, LivelockError
from kvsim.sim.memory import KVMemory
from kvsim.sim.policy import SequenceView
from kvsim.sim.recorder import Recorder
from kvsim.sim.sequence import Sequence
from kvsim.units import Ns

if TYPE_CHECKING:
    from kvsim.sim.spilling import Spill

FOREVER = 1 << 40
"""Steps that no batch takes."""
HBM = 0
"""Its place among the tiers."""


class Refuge(Protocol):
    """Where the KV of those who are preempted goes."""

    def shelter(self, sequence: Sequence) -> bool:
        """Whether the KV of `sequence` is taken; then it is on its way from here on."""
        ...

    def bring_back(self, sequence: Sequence) -> None:
        """There is room again for `sequence`, which has been swapped."""
        ...

    def lose(self) -> None:
        """The replica has failed."""
        ...


class Seats:
    """The queue, the running requests and their memory. Schedulers see an `EngineView` of it."""

    def __init__(
        self,
        env: Clock,
        index: int,
        memory: KVMemory,
        recorder: Recorder,
        hierarchy: Hierarchy | None,
        max_context: int | None,
    ) -> None:
        self.env = env
        self.index = index
        self.memory = memory
        follow(memory, index, env, recorder)
        self.recorder = recorder
        self.hierarchy = hierarchy
        """The tiers below HBM; None without any."""
        self.max_context = max_context
        self.waiting: deque[Sequence] = deque()
        self._late: deque[tuple[Ns, Sequence]] = deque()
        """Newcomers, since when, who came after the next step had been queued or are delayed."""
        self.prefilling: list[Sequence] = []
        self._stuck: list[Sequence] = []
        """Admitted requests of which nothing can be computed before more of their KV has landed."""
        self.batch = DecodeBatch(memory.unit_tokens, memory.unit_bytes, memory.windows)
        if recorder.follows_tokens:
            self.batch.left = partial(recorder.stayed, index)
        self.suspended: dict[Sequence, None] = {}
        """Who decodes no more for now but keeps its memory."""
        self._leaving: dict[Sequence, None] = {}
        """Who goes to another replica when that has room, or to the host's memory."""
        self._coming: dict[Sequence, None] = {}
        """Who has room here again, and whose KV is on its way back from the host's memory."""
        self.refuge: Refuge | None = None
        """Where the KV of those who are preempted goes; None: it is computed again."""
        self.spill: Spill | None = None
        """Where prompts go that find no room; None: they wait in the queue."""
        self.preempting = False
        self._running: dict[Sequence, None] = {}
        self._paused: dict[Sequence, None] = {}
        self._resumed: dict[Sequence, Ns] = {}
        """Who decodes from the next step on that is not held, and when its last token came."""
        self._silent: Ns | None = None
        """Since when the others who decode have been held."""
        self._thrashing = 0
        """Preemptions since a request was last finished."""
        self._chunks: list[tuple[Sequence, int]] = []
        self._grown = 0
        """Steps of the span whose blocks have been taken."""

    # What the router and the scheduler may look at

    @property
    def decoding(self) -> int:
        """Requests that take one token each in the next step."""
        return self.batch.size

    @property
    def waiting_requests(self) -> int:
        """Requests in the queue."""
        return len(self.waiting) + len(self._late) + self.offered + len(self.outside)

    @property
    def running_requests(self) -> int:
        """Requests that hold memory."""
        return len(self._running) + len(self._coming)

    @property
    def now(self) -> Ns:
        """This instant."""
        return self.env.now

    @property
    def outside(self) -> Collection[Sequence]:
        """Requests that have had their first token, and wait for room to go on."""
        return () if self.spill is None else tuple(self.spill.waiting())

    @property
    def running(self) -> Mapping[Sequence, None]:
        """Requests that hold memory, in order of admission."""
        return self._running

    def generated(self, sequence: SequenceView) -> int:
        """Tokens that `sequence` has taken by the last boundary."""
        assert isinstance(sequence, Sequence)
        more = self.batch.steps - sequence._joined if sequence._stay is not None else 0
        return sequence.generated + more

    def stored(self, sequence: SequenceView) -> int:
        """Tokens of `sequence` whose KV is there at the last boundary."""
        assert isinstance(sequence, Sequence)
        more = self.batch.steps - sequence._joined if sequence._stay is not None else 0
        return sequence.computed + more

    @property
    def vacating(self) -> bool:
        """The KV of somebody preempted is on its way out, and its memory about to be free."""
        return any(one.preempted is not None for one in self._leaving)

    @property
    def room(self) -> int:
        """Bytes free, or freed on demand by eviction."""
        self.catch_up()
        return self.memory.room

    def resumes(self, sequence: SequenceView) -> bool:
        """Whether a suspended request can go on: there is room for its next token."""
        assert isinstance(sequence, Sequence)
        return self.memory.extends(sequence, 1)

    @property
    def cache_stands(self) -> int:
        """Steps of those who decode for which nothing that is cached has to leave."""
        batch = self.batch
        return batch.affordable(self.memory.free + batch.demand(1), FOREVER)

    def cached(self, sequence: SequenceView) -> int:
        """Tokens of `sequence` that are here already, besides those it holds."""
        assert isinstance(sequence, Sequence)
        if sequence.leaf is not None or sequence.swapped:
            return 0
        self.catch_up()
        return self.memory.cached(sequence)

    def fits(self, sequence: SequenceView, tokens: int) -> bool:
        """Whether a waiting request can be admitted with its first `tokens` stored."""
        assert isinstance(sequence, Sequence)
        if sequence.leaf is not None:
            return self.memory.extends(sequence, tokens)
        if self.spill is not None:
            return self.spill.fits(sequence, tokens)
        return self.memory.fits(sequence, tokens + (sequence.computed if sequence.swapped else 0))

    @property
    def queued_tokens(self) -> int:
        """Tokens of prompts that are to be computed, as far as it is known what is cached."""
        waiting = sum(one.missing for one in self.waiting)
        late = sum(one.missing for _, one in self._late)
        begun = sum(one.missing for one in (*self.prefilling, *self._stuck))
        return waiting + late + begun

    @property
    def prompts(self) -> int:
        """Requests here whose prompt is not computed."""
        return len(self.waiting) + len(self._late) + len(self.prefilling)

    def known(self, sequence: SequenceView, by: Ns, loss: float) -> int:
        """Tokens of `sequence` in blocks that had been stored by instant `by` and were heard of."""
        assert isinstance(sequence, Sequence)
        self.catch_up()
        return self.memory.known(sequence, by, loss)

    def path(self, sequence: SequenceView) -> tuple[int, ...]:
        """Names of the cached segments that a waiting request would read, the first one first."""
        assert isinstance(sequence, Sequence)
        return self.memory.path(sequence)

    def catch_up(self) -> None:
        """Take the memory that steps begun by now have taken."""
        raise AssertionError("the engine knows")

    def refusal(self, sequence: Sequence) -> str | None:
        """Why this replica can never serve `sequence`; None if it can."""
        return self.memory.refusal(sequence.request, self.max_context)

    @property
    def offered(self) -> int:
        """Requests that other replicas have computed for this one and that wait for room."""
        return 0

    # How they move

    def _suspend(self, sequence: SequenceView) -> None:
        """`sequence` stops decoding and keeps its memory."""
        assert isinstance(sequence, Sequence)
        self._unseat(sequence)
        self.suspended[sequence] = None

    def _resume(self, sequence: SequenceView) -> None:
        """A suspended `sequence` decodes again from the next step on."""
        assert isinstance(sequence, Sequence)
        before = self.batch.demand(1) if self._grown else 0
        del self.suspended[sequence]
        self._seat(sequence)
        if self._grown:
            self.memory.grow(self.batch.demand(1) - before)

    def _seat(self, sequence: Sequence) -> None:
        """`sequence`, which has been silent, decodes from the next step on."""
        assert sequence.silent is not None
        self._resumed[sequence], sequence.silent = sequence.silent, None
        self.batch.join(sequence)

    def _last_token(self, sequence: Sequence) -> Ns:
        """When `sequence`, which decodes, took its last token: at this boundary, if not held."""
        return self._resumed.get(sequence, self.env.now if self._silent is None else self._silent)

    def _unseat(self, sequence: Sequence) -> None:
        """`sequence` leaves the batch; what was taken for its next token is given back."""
        before = self.batch.demand(1) if self._grown else 0
        sequence.silent = self._last_token(sequence)
        self._resumed.pop(sequence, None)
        self.batch.leave(sequence)
        if self._grown:
            self.memory.grow(self.batch.demand(1) - before)

    def _admit(self, sequence: Sequence, tokens: int) -> None:
        """`sequence` leaves the queue; the step that comes computes `tokens` of it."""
        now = self.env.now
        if self.waiting[0] is sequence:
            self.waiting.popleft()
        else:
            self.waiting.remove(sequence)
        if self.spill is not None and self.spill.must_take(sequence, tokens):
            self.spill.begin(sequence)
        elif sequence.leaf is None:
            self._lease(sequence, now)
        self._running[sequence] = None
        self.prefilling.append(sequence)
        if sequence.admitted is None:
            sequence.admitted = now
            if sequence.hits is None:
                sequence.hits = sequence.computed
        if sequence.preempted is not None:
            sequence.recomputed += max(0, sequence.lost - sequence.computed)
            if sequence.first_token is None:
                sequence.stalled += now - sequence.preempted
            sequence.preempted = None

    def _lease(self, sequence: Sequence, now: Ns) -> None:
        """`sequence` holds what is here of it."""
        self.memory.admit(sequence, now)
        if self.memory.caching:
            limit = sequence.target - 1
            self.recorder.looked_up(sequence, HBM, self.index, 0, limit, now)

    def _release(self, sequence: Sequence, now: Ns) -> None:
        """`sequence` holds nothing any more; its full blocks stay for others."""
        if self.spill is not None and self.spill.drop(sequence):
            return
        self.memory.release(sequence, now)
        if self.memory.caching:
            self.recorder.kept(sequence, HBM, self.index, sequence.computed, now)

    def _bring_back(self, sequence: Sequence) -> None:
        """`sequence`, which was swapped, has room again; its KV is on its way from now on."""
        assert self.refuge is not None
        self.waiting.remove(sequence)
        self._coming[sequence] = None
        self.refuge.bring_back(sequence)

    def take_back(self, sequence: Sequence) -> None:
        """A swapped `sequence` holds what is left of it here; the rest is coming."""
        self._lease(sequence, self.env.now)
        sequence.swapped, sequence.landing = False, True

    def _preempt(self, victim: SequenceView, cause: str) -> None:
        """`victim` gives its memory back: its KV goes elsewhere or is computed again."""
        assert isinstance(victim, Sequence)
        now = self.env.now
        self.recorder.preempted(victim, self.index, cause, now)
        is_moved = self.refuge is not None and victim not in self.prefilling
        if victim in self.prefilling:
            self.prefilling.remove(victim)
            self._chunks = [chunk for chunk in self._chunks if chunk[0] is not victim]
        elif victim in self.suspended:
            del self.suspended[victim]
        else:
            self._unseat(victim)
        del self._running[victim]
        victim.preempted = now
        victim.preemptions += 1
        self._thrashing += 1
        if self._thrashing > THRASHING:
            raise LivelockError(
                f"replica {self.index}: {THRASHING} preemptions in a row and no request finished; "
                "the scheduler or the preemption policy never lets one through"
            )
        self.preempting = True
        self._leaving[victim] = None
        if not (is_moved and self.refuge is not None and self.refuge.shelter(victim)):
            self.start_again(victim)

    def start_again(self, victim: Sequence) -> None:
        """A preempted `victim` waits at the head of the queue to be recomputed."""
        del self._leaving[victim]
        self._release(victim, self.env.now)
        victim.lost, victim.computed = victim.computed, 0
        victim.asked = False
        self.waiting.appendleft(victim)
