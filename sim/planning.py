"""What a replica does at a boundary: make room, carry out the scheduler's moves, take offers."""

from collections import deque

from kvsim.sim.clock import Clock
from kvsim.sim.handoff import Held, Offer
from kvsim.sim.hierarchy import Hierarchy
from kvsim.sim.memory import KVMemory
from kvsim.sim.parking import Parking
from kvsim.sim.policy import (
    Admission,
    Hold,
    Pause,
    Predictor,
    Preempt,
    Preemption,
    Prefill,
    Resume,
    Scheduler,
    SequenceView,
    Stand,
)
from kvsim.sim.recorder import Recorder
from kvsim.sim.seats import Seats
from kvsim.sim.sequence import Sequence
from kvsim.sim.timing import Chunk, StepTime, alone
from kvsim.units import Ns


class Planning(Seats):
    """The plan for the next step of one replica. Nothing here takes time."""

    def __init__(
        self,
        env: Clock,
        index: int,
        memory: KVMemory,
        timing: StepTime,
        scheduler: Scheduler,
        preemption: Preemption,
        recorder: Recorder,
        sights: tuple[int | None, ...],
        max_context: int | None,
        hierarchy: Hierarchy | None,
        predictor: Predictor | None,
        admission: Admission | None,
    ) -> None:
        super().__init__(env, index, memory, recorder, hierarchy, max_context)
        self.timing = timing
        self.scheduler = scheduler
        self.preemption = preemption
        self.sights = sights
        """Per attention class: index of the memory's window that limits it, None for none."""
        self.predictor = predictor
        self.admission = admission
        """Who may join the queue; None: everybody who fits."""
        self.parking: Parking | None = None
        """Requests whose KV is on its way from a lower tier; None without tiers."""
        if hierarchy is not None:
            self._reach(hierarchy)
        self._offers: deque[Offer] = deque()
        """Requests of others that wait for room here, in order."""
        self._landed: list[Sequence] = []
        """Requests whose KV has come."""
        self._newcomers: list[Sequence] = []
        """Who has come since the last plan, for schedulers that remember."""
        self._last_begun: Ns = 0
        """When the step that ended last began."""
        self._held = False
        """Decodes take no token in the step that runs."""
        self._stalled = False
        """A prompt that has begun finds no room, and nobody can be preempted for it."""
        self._stands: int | None = None
        """Steps for which the plan stands; None as long as nothing happens."""

    def _reach(self, hierarchy: Hierarchy) -> None:
        """The tiers below this memory are seen through `hierarchy` from now on."""
        self.hierarchy = hierarchy
        self.parking = Parking(self.env, self.memory, hierarchy, self.waiting, self._lease)
        hierarchy.carrier.on_land = (self.catch_up, self.poke)

    def predicted(self, sequence: SequenceView) -> float:
        """Tokens that its answer will have in all, by the scenario's predictor."""
        assert isinstance(sequence, Sequence)
        if self.predictor is None:
            return 0.0
        future = sequence.request.output_tokens if "future" in self.predictor.needs else None
        return self.predictor.predict(sequence, future)

    def prefill_time(self, tokens: int) -> Ns:
        """What computing so many tokens of prompts takes by itself."""
        return alone(self.timing, Chunk(tokens, 0), len(self.sights)) if tokens else 0

    def refuses(self, sequence: Sequence, now: Ns) -> str | None:
        """Why this replica does not take `sequence`; None if it does."""
        reason = self.refusal(sequence)
        if reason is not None or self.admission is None:
            return reason
        late = [one for _, one in self._late]
        self.waiting.extend(late)  # they are in the queue, whenever the next step is planned
        reason = self.admission.refuses(sequence, self, now)
        for _ in late:
            self.waiting.pop()
        return reason

    def _plan(self) -> None:
        """Make room for the next token of every decode, then carry out the scheduler's moves."""
        self.preempting = self._held = self._stalled = False
        self._chunks = []
        self._grown = 0
        self._stands = None
        batch, memory = self.batch, self.memory
        self._seat_landed()
        if self.parking is not None and (self._stuck or self.parking.restoring.gaps):
            self._set_apart(self.parking)
        if batch.size:
            while batch.size and batch.demand(1) > memory.room:
                if self.vacating:
                    self._wait()
                    return
                self._preempt(self.preemption.victim(self._victims(), self), "decode")
            memory.grow(batch.demand(1))
        self._grown = 1
        if self._late:
            self._welcome(self._last_begun)
        if self._newcomers:
            self._introduce()
        while self._offers and not self.preempting and self.has_room(self._offers[0].sequence):
            offer = self._offers.popleft()
            assert offer.source.handoff is not None
            offer.source.handoff.begin(offer)
            if self._landed:  # all of it was here already
                before = batch.demand(1)
                self._seat_landed()
                memory.grow(batch.demand(1) - before)
        if not self.preempting:
            self._bring_in()
        if self.parking is not None and self.waiting and not self.preempting:
            self.parking.fetch()
        if self.waiting or self.prefilling or self.suspended or self.scheduler.always:
            self._schedule()
            if self.preempting and not (self._chunks or batch.size or self._stalled):
                self.preempting = False  # who has just left may come back at once
                self._schedule()
            if not (self._chunks or batch.size):
                self._bring_in()  # the scheduler may have made room
            while self.parking is not None and not (self._chunks or batch.size):
                if self._coming or self.vacating or not self.parking.give_back(self._release):
                    break
                self._schedule()
        if self.hierarchy is not None and self.hierarchy.ahead.is_needed:
            self.hierarchy.ahead.look(self.waiting)
        if self._late and not (self._chunks or batch.size):
            self._welcome(self.env.now)  # no step is in their way
            self._plan()

    def _bring_in(self) -> None:
        """Those who wait outside come back as far as there is room."""
        while self.spill is not None:
            sequence = self.spill.returning()
            if sequence is None:
                return
            self._coming[sequence] = None
            self.spill.swap.bring_back(sequence)

    def _seat_landed(self) -> None:
        """Those whose KV has come from elsewhere decode from now on."""
        for sequence in sorted(self._landed, key=lambda one: one.id):
            self._running[sequence] = None
            sequence.preempted = None
            self._seat(sequence)
        self._landed.clear()

    def _set_apart(self, parking: Parking) -> None:
        """Those who have come to a gap that is still open are not asked about until it closes."""
        parking.set_apart()
        begun = {*self.prefilling, *self._stuck}
        order = [one for one in self._running if one in begun]
        self.prefilling = [one for one in order if not one.is_stuck]
        self._stuck = [one for one in order if one.is_stuck]

    def _victims(self) -> dict[Sequence, None]:
        """Who may be preempted: not those into whose memory something is on its way."""
        parking = self.parking
        if self.spill is not None and self.spill.outside:
            return {one: None for one in self._running if one.leaf is not None}
        if parking is None or (parking.hierarchy.layers == 1 and not parking.restoring.gaps):
            return self._running
        gaps = parking.restoring.gaps
        return {one: None for one in self._running if not (one.landing or one in gaps)}

    @property
    def offered(self) -> int:
        """Requests that other replicas have computed for this one and that wait for room."""
        return len(self._offers) + len(self._landed)

    def has_room(self, sequence: Sequence) -> bool:
        """Whether there is room for all that a request of another replica has, and a token."""
        self.catch_up()
        return self.memory.fits_whole(sequence, sequence.computed + 1)

    def call_off(self, offer: Offer, now: Ns) -> None:
        """An offered request will not come: room that was made for it is free again."""
        if offer in self._offers:
            self._offers.remove(offer)
        if offer.taken is not None:
            sequence = offer.sequence
            before = Held.of(sequence)
            offer.taken.give(sequence)
            sequence.computed = offer.kept.computed  # room for all of it has been made
            self.catch_up()
            self.memory.release(sequence, now)
            before.give(sequence)
        self.poke()

    # Whose KV comes and goes

    def expect_kv(self, offer: Offer) -> None:
        """Another replica has computed a prompt for this one, which takes it when it has room."""
        offer.sequence.replica = self.index
        self._offers.append(offer)
        self.poke()

    def join(self, sequence: Sequence) -> None:
        """The KV of `sequence` has come: it decodes from the next boundary on."""
        self._landed.append(sequence)
        self.poke()

    def wait_outside(self, sequence: Sequence) -> None:
        """The KV of `sequence` is in the host's memory: it is next, as soon as there is room."""
        sequence.swapped = sequence.asked = sequence.brought = True
        self.waiting.appendleft(sequence)
        self.poke()

    def go_on(self, sequence: Sequence) -> None:
        """All KV of a swapped `sequence` is back."""
        del self._coming[sequence]
        self.join(sequence)

    def keep(self, sequence: Sequence) -> None:
        """`sequence` was to leave, and decodes here."""
        sequence.replica = self.index
        del self._leaving[sequence]
        self.join(sequence)

    def let_go(self, sequence: Sequence, now: Ns) -> None:
        """The KV of `sequence` has gone elsewhere; its full blocks stay for others."""
        del self._leaving[sequence]
        self._release(sequence, now)

    def poke(self) -> None:
        """Memory has changed: whoever waits may have a chance."""
        raise AssertionError("the engine knows")

    # A plan

    def _introduce(self) -> None:
        """Let the scheduler know who has joined the queue."""
        late = {sequence for _, sequence in self._late}
        for sequence in self._newcomers:
            if sequence not in late:
                self.scheduler.welcome(self, sequence)
        self._newcomers = [sequence for sequence in self._newcomers if sequence in late]

    def _welcome(self, until: Ns) -> None:
        """Newcomers who came by `until` join the queue."""
        while self._late and self._late[0][0] <= until:
            if self._is_delayed(self._late[0][1]):
                return
            self.waiting.append(self._late.popleft()[1])

    def _is_delayed(self, sequence: Sequence) -> bool:
        """Whether admission keeps `sequence` out of the queue, while others decode."""
        if self.admission is None or not self.admission.may_delay or not self.batch.size:
            return False
        return self.admission.delays(sequence, self, self.env.now)

    def _schedule(self) -> None:
        """Carry out the scheduler's moves."""
        for move in self.scheduler.plan(self):
            match move:
                case Prefill(sequence, tokens):
                    assert isinstance(sequence, Sequence)
                    self._prefill(sequence, tokens)
                case Pause(sequence):
                    self._suspend(sequence)
                case Resume(sequence):
                    self._resume(sequence)
                case Preempt(sequence):
                    self._preempt(sequence, "scheduler")
                    self.preempting = False
                    self._stands = 1  # the tiers are asked for it at the next boundary
                case Hold():
                    self._hold()
                case Stand(steps):
                    self._stands = min(steps, self._stands or steps)

    def _wait(self) -> None:
        """No step begins until the memory of somebody who leaves is free."""
        self._held = True
        self._fall_silent()

    def _fall_silent(self) -> None:
        """Those who decode take no token from this boundary on."""
        if self._silent is None:
            self._silent = self.env.now

    def _hold(self) -> None:
        """Decodes take no token in the next step; the room for it is free."""
        if not self._held and self.batch.size:
            self._held = True
            self._fall_silent()
            self.memory.grow(-self.batch.demand(1))
            self._grown = 0

    def _prefill(self, sequence: Sequence, tokens: int) -> None:
        memory, now = self.memory, self.env.now
        if sequence not in self._running:
            if self.preempting:
                return  # it has just made room for another
            if sequence.swapped:
                self._bring_back(sequence)
                self._stands = 1  # others may go on until it is here
                return
            self._admit(sequence, tokens)
            if sequence.leaf is None:  # it is outside, and takes no room
                sequence.begin(tokens)
                self._chunks.append((sequence, tokens))
                return
        tokens = sequence.within_reach(tokens)
        while not memory.extends(sequence, tokens):
            victims = self._victims()
            if self.vacating or not victims.keys() - {sequence}:
                self.preempting = self._stalled = True
                return  # alone it fits: what holds the rest is about to let go of it
            victim = self.preemption.victim(victims, self)
            self._preempt(victim, "prompt")
            if victim is sequence:
                return
        sequence.begin(tokens)
        memory.extend(sequence, tokens, now)
        self._chunks.append((sequence, tokens))
