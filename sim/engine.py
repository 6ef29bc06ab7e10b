"""One replica: plan, reserve, span, commit. Forever.

A span is a run of steps with the same batch. Its boundaries are known beforehand, so it is one
event, and ends early only when something arrives. Taking it step by step gives the same instants
to the nanosecond; `step_by_step` does so, and is the oracle of the tests.
"""

from collections import deque
from collections.abc import Callable, Generator

from simpy import Event

from kvsim.sim.batch import DecodeBatch
from kvsim.sim.clock import FINISH, PLAN, Clock, Sleeper
from kvsim.sim.hierarchy import Hierarchy
from kvsim.sim.memory import KVMemory
from kvsim.sim.parking import Parking
from kvsim.sim.policy import Preemption, Scheduler, SequenceView
from kvsim.sim.recorder import Recorder
from kvsim.sim.sequence import Sequence
from kvsim.sim.span import Span
from kvsim.sim.timing import FRACTION, Chunk, StepTime, Work
from kvsim.units import Ns

ONE_NS = 1 << FRACTION
HBM = 0
"""Its place among the tiers."""


class Engine:
    """A replica of the model with its queue, its batch and its memory."""

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
        finished: Callable[[Sequence, Ns], None],
        paused: Callable[[Sequence, Ns], None],
        max_context: int | None = None,
        step_by_step: bool = False,
        hierarchy: Hierarchy | None = None,
        traffic: Callable[[], float] | None = None,
        runs_ahead: bool = False,
    ) -> None:
        self.env = env
        self.index = index
        self.memory = memory
        self.timing = timing
        self.scheduler = scheduler
        self.preemption = preemption
        self.recorder = recorder
        self.sights = sights
        """Per attention class: index of the memory's window that limits it, None for none."""
        self.on_finish = finished
        self.on_pause = paused
        self.max_context = max_context
        self.step_by_step = step_by_step
        self.hierarchy = hierarchy
        """The tiers below HBM; None without any."""
        self.traffic = traffic
        """Share of the HBM's bandwidth that transfers take at this instant; None: never any."""
        self.runs_ahead = runs_ahead
        """The next step is queued on the GPU while one runs: a newcomer waits for both."""

        self.waiting: deque[Sequence] = deque()
        self._late: deque[tuple[Ns, Sequence]] = deque()
        """Newcomers, since when, who came after the next step had been queued."""
        self._last_begun: Ns = 0
        """When the step that ended last began."""
        self.prefilling: list[Sequence] = []
        self.batch = DecodeBatch(memory.block_tokens, memory.block_bytes, memory.windows)
        self.preempting = False
        self._running: dict[Sequence, None] = {}
        self._paused: dict[Sequence, None] = {}
        self._chunks: list[tuple[Sequence, int]] = []
        self._is_idle = False
        self._span: Span | None = None
        self._steps = 0
        """Steps of the span that will be taken: all of them, unless it has been cut."""
        self._grown = 0
        """Steps of the span whose blocks have been taken."""
        self._clock = 0
        """The last boundary, in 2**-FRACTION ns."""
        self.sleeper = Sleeper(env)
        self.parking: Parking | None = None
        """Requests whose KV is on its way from a lower tier; None without tiers."""
        if hierarchy is not None:
            self.parking = Parking(env, memory, hierarchy, self.waiting, self._lease)
            hierarchy.carrier.on_land = (self._catch_up, self._poke)
        self.process = env.process(self.run())

    # What the router and the scheduler may look at

    @property
    def decoding(self) -> int:
        """Requests that take one token each in the next step."""
        return self.batch.size

    @property
    def waiting_requests(self) -> int:
        """Requests in the queue."""
        return len(self.waiting) + len(self._late)

    @property
    def running_requests(self) -> int:
        """Requests that hold memory."""
        return len(self._running)

    def cached(self, sequence: SequenceView) -> int:
        """Tokens of `sequence` that are here already, besides those it holds."""
        assert isinstance(sequence, Sequence)
        if sequence.leaf is not None:
            return 0
        self._catch_up()
        return self.memory.cached(sequence)

    def fits(self, sequence: SequenceView, tokens: int) -> bool:
        """Whether a waiting request can be admitted with its first `tokens` stored."""
        assert isinstance(sequence, Sequence)
        if sequence.leaf is not None:
            return self.memory.extends(sequence, tokens)
        return self.memory.fits(sequence, tokens)

    # What happens to it

    def refusal(self, sequence: Sequence) -> str | None:
        """Why this replica can never serve `sequence`; None if it can."""
        return self.memory.refusal(sequence.request, self.max_context)

    def arrive(self, sequence: Sequence) -> None:
        """`sequence` joins the queue; the running span is cut if that can matter."""
        sequence.replica = self.index
        self._paused.pop(sequence, None)
        self.waiting.append(sequence)
        if self._is_idle:
            self.sleeper.wake(PLAN + self.index)
            return
        matters = self.hierarchy is not None or self.scheduler.awaits(self)
        if self.runs_ahead:
            self._late.append((self.env.now, self.waiting.pop()))
        if self._span is not None and matters:
            self._cut(1 if self.runs_ahead else 0)

    def disturbed(self) -> None:
        """Transfers have begun, ended or changed pace: steps no longer take what they took.

        What they take is asked at a step's start and holds for that step.
        """
        if self._span is not None and self._steps > 1 and self.traffic and self.traffic() > 0:
            self._cut()

    def run(self) -> Generator[Event, None, None]:
        """Plan, wait for the plan's span to end, commit. Forever."""
        env = self.env
        while True:
            self._plan()
            if not self._chunks and not self.batch.size:
                self._span = None
                self._is_idle = True
                yield self.sleeper.forever()
                self._is_idle = False
                self._clock = env.now << FRACTION
                continue
            span = self._begin()
            yield self.sleeper.until(span.boundary(span.steps) >> FRACTION, FINISH + self.index)
            if self._chunks and self.parking is not None:
                yield from self._await_layers(self.parking)
            self._commit()
            if env.peek() == env.now:
                yield self.sleeper.until(env.now, PLAN + self.index)

    def _await_layers(self, parking: Parking) -> Generator[Event, None, None]:
        """The step that runs ends when the layers it reads have come up and been computed."""
        sequences = [sequence for sequence, _ in self._chunks]
        assert self._span is not None
        while any(sequence.landing for sequence in sequences):
            yield self.sleeper.forever()
        self._span = span = parking.stretched(self._span, sequences)
        end = span.boundary(1) >> FRACTION
        if end > self.env.now:
            yield self.sleeper.until(end, FINISH + self.index)

    def remaining(self) -> list[Sequence]:
        """Requests that are here and not finished, their counters brought up to date."""
        self._catch_up()
        for sequence in self._running:
            if sequence._ends is not None:
                self.batch.leave(sequence)
        parked = self.parking.parked if self.parking is not None else ()
        late = (sequence for _, sequence in self._late)
        return [*self._running, *self._paused, *parked, *self.waiting, *late]

    # How it does it

    def _plan(self) -> None:
        """Make room for the next token of every decode, then carry out the scheduler's moves."""
        self.preempting = False
        self._chunks = []
        self._grown = 0
        batch, memory = self.batch, self.memory
        if batch.size:
            while batch.size and batch.demand(1) > memory.room:
                self._preempt(self.preemption.victim(self._victims()))
            memory.grow(batch.demand(1))
            self._grown = 1
        if self._late:
            self._welcome(self._last_begun)
        if self.parking is not None and self.waiting and not self.preempting:
            self.parking.fetch()
        if self.waiting or self.prefilling:
            self._schedule()
            while self.parking is not None and not (self._chunks or batch.size):
                if not self.parking.give_back(self._release):
                    break
                self._schedule()
        if self._late and not (self._chunks or batch.size):
            self._welcome(self.env.now)  # no step is in their way
            self._plan()

    def _welcome(self, until: Ns) -> None:
        """Newcomers who came by `until` join the queue."""
        while self._late and self._late[0][0] <= until:
            self.waiting.append(self._late.popleft()[1])

    def _schedule(self) -> None:
        """Carry out the scheduler's moves."""
        for sequence, tokens in self.scheduler.plan(self):
            assert isinstance(sequence, Sequence)
            self._prefill(sequence, tokens)

    def _poke(self) -> None:
        """Memory has changed: whoever waits may have a chance."""
        if self._span is None:
            if self.waiting or self.prefilling:
                self.sleeper.wake(PLAN + self.index)
        elif self.sleeper.is_idle:
            self.sleeper.wake(FINISH + self.index)
        elif self.waiting:
            self._cut()

    def _prefill(self, sequence: Sequence, tokens: int) -> None:
        memory, now = self.memory, self.env.now
        if sequence not in self._running:
            self._admit(sequence)
        while not memory.extends(sequence, tokens):
            victims = self._victims()
            if not victims:
                return
            victim = self.preemption.victim(victims)
            self._preempt(victim)
            if victim is sequence:
                return
        memory.extend(sequence, tokens, now)
        self._chunks.append((sequence, tokens))

    def _admit(self, sequence: Sequence) -> None:
        now = self.env.now
        if self.waiting[0] is sequence:
            self.waiting.popleft()
        else:
            self.waiting.remove(sequence)
        if sequence.leaf is None:
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
        self.memory.release(sequence, now)
        if self.memory.caching:
            self.recorder.kept(sequence, HBM, self.index, sequence.computed, now)

    def _victims(self) -> dict[Sequence, None]:
        """Who may be preempted: not those into whose memory layers are on their way."""
        if self.hierarchy is None or self.hierarchy.layers == 1:
            return self._running
        return {one: None for one in self._running if not one.landing}

    def _preempt(self, victim: SequenceView) -> None:
        """`victim` gives its memory back and waits at the head of the queue to be recomputed."""
        assert isinstance(victim, Sequence)
        now = self.env.now
        if victim in self.prefilling:
            self.prefilling.remove(victim)
            self._chunks = [chunk for chunk in self._chunks if chunk[0] is not victim]
        else:
            self.batch.leave(victim)
            victim.silent = now
        del self._running[victim]
        self._release(victim, now)
        victim.lost, victim.computed = victim.computed, 0
        victim.preempted = now
        victim.asked = False
        victim.preemptions += 1
        self.waiting.appendleft(victim)
        self.preempting = True

    def _begin(self) -> Span:
        """The span for the batch as it stands, as long as nothing known beforehand changes it."""
        batch, memory = self.batch, self.memory
        chunks = tuple(Chunk(tokens, sequence.computed) for sequence, tokens in self._chunks)
        ending = sum(tokens == sequence.missing for sequence, tokens in self._chunks)
        work = Work(
            batch.size,
            batch.contexts(self.sights),
            batch.growing(self.sights),
            chunks,
            batch.size + ending,
            batch.sharing.saved if batch.sharing is not None else 0,
            batch.spread,
        )
        pace = self.timing.pace(work)
        taken = int(self.traffic() * ONE_NS) if self.traffic is not None else 0
        if taken:
            pace = pace._replace(first=pace.first + (pace.first * taken >> FRACTION))
        steps = 1
        if not (chunks or taken or self.preempting or self.step_by_step or self._late):
            steps = min(pace.steps, batch.horizon())
            steps = batch.affordable(memory.room + batch.demand(1), steps)
        self._span = span = Span(self._clock, pace, work, steps)
        self._steps = steps
        return span

    def _commit(self) -> None:
        """Book the steps of the span that were taken, and who is finished by them."""
        span, steps, batch = self._span, self._steps, self.batch
        assert span is not None
        if steps > self._grown and batch.size:
            self._take(steps)
        self.recorder.span(self, span, steps)
        self._span = None
        self._last_begun = span.boundary(steps - 1) >> FRACTION
        self._clock = span.boundary(steps)
        done: list[Sequence] = []
        if batch.size:
            batch.advance(steps)
            done = batch.finished()
        for sequence, tokens in self._chunks:
            sequence.computed += tokens
            if not sequence.missing:
                self._sample(sequence, done)
        for sequence in sorted(done, key=lambda sequence: sequence.id):
            self._part(sequence)

    def _part(self, sequence: Sequence) -> None:
        """`sequence` has no token to take now: it is finished, or waits for a tool."""
        now = self.env.now
        del self._running[sequence]
        if self.hierarchy is not None:
            self.hierarchy.stores.keep(sequence, "end")
        self._release(sequence, now)
        if not sequence._remaining:
            self.recorder.finished(sequence, now)
            self.on_finish(sequence, now)
            return
        pause = sequence.request.pauses[sequence.pauses]
        sequence.computed = 0
        sequence.target += pause.returned
        sequence.pauses += 1
        sequence.paused += pause.duration
        self._paused[sequence] = None
        self.on_pause(sequence, now + pause.duration)

    def _sample(self, sequence: Sequence, done: list[Sequence]) -> None:
        """`sequence` has its whole context computed and takes a token."""
        self.prefilling.remove(sequence)
        if self.hierarchy is not None:
            self.hierarchy.stores.keep(sequence, "prefill")
        sequence.generated += 1
        sequence.target += 1
        sequence._remaining -= 1
        if sequence.first_token is None:
            sequence.first_token = self.env.now
        if sequence.silent is not None:
            self.recorder.gaps.append(self.env.now - sequence.silent)
            sequence.silent = None
        if sequence.stretch:
            self.batch.join(sequence)
        else:
            done.append(sequence)

    def _catch_up(self) -> None:
        """Take the memory that steps begun by now have taken; a span takes it late otherwise."""
        span = self._span
        if span is None:
            return
        begun = min(span.begun(self.env.now), self._steps)
        if begun > self._grown:
            self._take(begun)

    def _take(self, steps: int) -> None:
        batch = self.batch
        self.memory.grow(batch.demand(steps) - batch.demand(self._grown))
        self._grown = steps

    def _cut(self, more: int = 0) -> None:
        """End the running span at its next boundary, or `more` steps later; a step that begins now
        is taken."""
        span, now = self._span, self.env.now
        assert span is not None
        begun = max(1, span.begun(now)) + more
        if begun < self._steps:
            self._steps = begun
            at = span.boundary(begun) >> FRACTION
            self.sleeper.move(at, (FINISH if at > now else PLAN) + self.index)
