"""One replica: plan, reserve, span, commit. Forever.

A span is a run of steps with the same batch. Its boundaries are known beforehand, so it is one
event, and ends early only when something arrives. Taking it step by step gives the same instants
to the nanosecond; `step_by_step` does so, and is the oracle of the tests.
"""

from collections.abc import Callable, Generator

from simpy import Event

from kvsim.sim.clock import FINISH, PLAN, Clock, Sleeper
from kvsim.sim.handoff import Handoff
from kvsim.sim.hierarchy import Hierarchy
from kvsim.sim.lifecycle import Lifecycle
from kvsim.sim.memory import KVMemory
from kvsim.sim.parking import Parking
from kvsim.sim.policy import Admission, Predictor, Preemption, Scheduler
from kvsim.sim.recorder import Recorder
from kvsim.sim.rounds import Rounds
from kvsim.sim.sequence import Sequence
from kvsim.sim.span import PLAIN, TICK, Span
from kvsim.sim.timing import StepTime, Work
from kvsim.units import Ns

GRAIN = 256
"""Parts of a step's time in which the share that transfers take is told; what changes less cuts no
span. The interference itself is known to a few of them at best."""


class Engine(Lifecycle):
    """A replica of the model with its queue, its batch and its memory."""

    on_loss: Callable[[list[Sequence], "Engine"], None]
    """Hears of requests that have lost what they had here."""

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
        predictor: Predictor | None = None,
        admission: Admission | None = None,
        handoff: Handoff | None = None,
    ) -> None:
        super().__init__(
            env, index, memory, timing, scheduler, preemption, recorder, sights, max_context,
            hierarchy, predictor, admission,
        )  # fmt: skip
        self.on_finish = finished
        self.on_pause = paused
        self.step_by_step = step_by_step
        self.traffic = traffic
        """Share of the HBM's bandwidth that transfers take at this instant; None: never any."""
        self.runs_ahead = runs_ahead
        """The next step is queued on the GPU while one runs: a newcomer waits for both."""
        self.handoff = handoff
        """Where requests go when their prompt is complete; None: nowhere, they decode here."""
        self._is_idle = False
        self._span: Span | None = None
        self._steps = 0
        """Steps of the span that will be taken: all of them, unless it has been cut."""
        self._clock = 0
        """The last boundary, in 2**-TICK ns."""
        self._pace = 1.0
        """Times that steps take longer than they should: a straggler."""
        self.sleeper = Sleeper(env)
        if hierarchy is not None and hierarchy.stores.every:
            self.batch.rounds = Rounds(hierarchy.stores.every)
        self.process = env.process(self.run())

    # What happens to it

    def arrive(self, sequence: Sequence) -> None:
        """`sequence` joins the queue; the running span is cut if that can matter."""
        sequence.replica = self.index
        self._paused.pop(sequence, None)
        self.waiting.append(sequence)
        if self.scheduler.remembers:
            self._newcomers.append(sequence)
        if self._is_idle:
            self.sleeper.wake(PLAN + self.index)
            return
        matters = self.hierarchy is not None or self.scheduler.awaits(self)
        is_delaying = self.admission is not None and self.admission.may_delay
        if self.runs_ahead or is_delaying:
            self._late.append((self.env.now if self.runs_ahead else 0, self.waiting.pop()))
            matters = matters or is_delaying
        if self._span is not None and matters:
            self._cut(1 if self.runs_ahead else 0)

    def forget(self, sequence: Sequence) -> None:
        """`sequence`, which waits for a tool, will go on elsewhere."""
        self._paused.pop(sequence, None)

    def disturbed(self) -> None:
        """Transfers have begun, ended or changed pace: steps no longer take what they took.

        What they take is asked at a step's start and holds for that step.
        """
        span = self._span
        if span is not None and self._steps > 1 and span.stretch != self._stretch():
            self._cut()

    def slow(self, times: float) -> None:
        """Steps that begin from now on take so many times as long."""
        self._pace = times
        if self._span is not None:
            self._cut()

    def fail(self) -> None:
        """All that is here is lost when the step that runs has ended; `recover` brings it back."""
        self.is_up, self.is_failed = False, True
        if self._span is None:
            self.sleeper.wake(PLAN + self.index)
        else:
            self._cut()

    def recover(self) -> None:
        """Empty, and ready for requests."""
        self.is_up, self.is_failed = True, False
        self.sleeper.wake(PLAN + self.index)

    def run(self) -> Generator[Event, None, None]:
        """Plan, wait for the plan's span to end, commit. Forever."""
        env = self.env
        while True:
            while not self.is_up:
                if self.is_failed:
                    self._span = None
                    self.on_loss(self._lose_everything(), self)
                yield self.sleeper.forever()
                self._clock = env.now << TICK
            self._plan()
            if not self._chunks and (self._held or not self.batch.size):
                self._span = None
                self._is_idle = True
                yield self.sleeper.forever()
                self._is_idle = False
                self._clock = env.now << TICK
                continue
            span = self._begin()
            yield self.sleeper.until(span.boundary(span.steps) >> TICK, FINISH + self.index)
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
        end = span.boundary(1) >> TICK
        if end > self.env.now:
            yield self.sleeper.until(end, FINISH + self.index)

    def crowd(self) -> None:
        """Room has been taken that the running span may have counted on."""
        if self._span is not None and not self.sleeper.is_idle:
            self._cut()

    def poke(self) -> None:
        """Memory has changed: whoever waits may have a chance."""
        if self.is_draining:
            self._close()
        begun = self.prefilling or self._stuck
        coming = self._offers or self._landed or (self.spill is not None and self.spill.outside)
        wanted = self.waiting or coming or self.suspended or begun
        if self._span is None:
            if self.is_up and (wanted or self.batch.size):
                self.sleeper.wake(PLAN + self.index)
        elif self.sleeper.is_idle:
            self.sleeper.wake(FINISH + self.index)
        elif wanted:
            self._cut()

    def _begin(self) -> Span:
        """The span for the batch as it stands, as long as nothing known beforehand changes it."""
        batch, memory = self.batch, self.memory
        chunks = tuple(
            chunk for sequence, tokens in self._chunks for chunk in sequence.chunks(tokens)
        )
        ending = sum(tokens == sequence.missing for sequence, tokens in self._chunks)
        if self._held:
            nothing = (0,) * len(self.sights)
            work = Work(0, nothing, nothing, chunks, ending)
        else:
            work = Work(
                batch.size,
                batch.contexts(self.sights),
                batch.growing(self.sights),
                chunks,
                batch.size + ending,
                batch.sharing.saved if batch.sharing is not None else 0,
                batch.spread,
            )
        if self.timing.counts_idle:
            work = work._replace(idle=self._idle_tokens())
        pace = self.timing.pace(work)
        steps = 1
        if not (chunks or self.preempting or self.step_by_step or self._late):
            steps = min(pace.steps, batch.horizon())
            if self._stands is not None:
                steps = min(steps, self._stands)
            if batch.rounds is not None:
                steps = batch.rounds.steps(batch.steps, steps)
            steps = batch.affordable(memory.room + batch.demand(1), steps)
        self._span = span = Span(self._clock, pace, work, steps, self._stretch())
        self._steps = steps
        return span

    def _idle_tokens(self) -> int:
        """What those hold who take no token in the step that begins."""
        computing = {sequence for sequence, _ in self._chunks}
        others = (*self.prefilling, *self.suspended)
        idle = sum(one.computed for one in others if one not in computing)
        return idle + self.batch.stored if self._held else idle

    def _stretch(self) -> int:
        """How much longer steps take that begin at this instant, in 1/PLAIN."""
        taken = 0.0
        if self.traffic is not None:
            taken = round(GRAIN * self.traffic()) / GRAIN
        return round(PLAIN * self._pace * (1 + taken))

    def _commit(self) -> None:
        """Book the steps of the span that were taken, and who is finished by them."""
        span, steps, batch = self._span, self._steps, self.batch
        assert span is not None
        taking = batch.size > 0 and not self._held
        if steps > self._grown and taking:
            self._take(steps)
        self.recorder.span(self, span, steps)
        self._span = None
        self._last_begun = span.boundary(steps - 1) >> TICK
        self._clock = span.boundary(steps)
        done: list[Sequence] = []
        if taking:
            if self._silent is not None or self._resumed:
                self._break_silence(span)
            batch.advance(steps)
            done = batch.finished()
        for sequence, tokens in self._chunks:
            sequence.advance(tokens)
            if not sequence.missing:
                self._sample(sequence, done)
        for sequence in sorted(done, key=lambda sequence: sequence.id):
            self._part(sequence)
        if batch.rounds is not None and self.hierarchy is not None:
            for sequence, stored in batch.rounds.due(batch.steps):
                self.hierarchy.stores.keep(sequence, "every", stored)
        if self.is_draining:
            self._close()

    def _break_silence(self, span: Span) -> None:
        """Sequences that were held or suspended take a token: the time since their last one."""
        first, taken = span.boundary(1) >> TICK, (span.boundary(1) - span.start) >> TICK
        held = self.batch.size - len(self._resumed)
        if self._silent is not None and held:
            self.recorder.stalls.append((first - self._silent, taken, held))
        for since in self._resumed.values():
            self.recorder.stalls.append((first - since, taken, 1))
        self._silent = None
        self._resumed.clear()

    def _part(self, sequence: Sequence) -> None:
        """`sequence` has no token to take now: it is finished, or waits for a tool."""
        now = self.env.now
        self._thrashing = 0
        del self._running[sequence]
        if self.hierarchy is not None:
            self.hierarchy.stores.keep(sequence, "end")
        self._release(sequence, now)
        if not sequence._remaining:
            if self.scheduler.remembers:
                self.scheduler.finished(self, sequence)
            if self.predictor is not None:
                self.predictor.learned(sequence, sequence.generated)
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
        else:
            self.recorder.sampled_again(sequence, self.env.now)
            sequence.silent = None
        if sequence.stretch and sequence.leaf is None:
            del self._running[sequence]
            sequence.silent = self.env.now  # it waits outside
        elif sequence.stretch and self.handoff is not None:
            self._hand_over(sequence)
        elif sequence.stretch and self._silent is not None:
            sequence.silent = self.env.now  # those it joins have been silent for longer
            self._seat(sequence)
        elif sequence.stretch:
            self.batch.join(sequence)
        else:
            done.append(sequence)

    def _hand_over(self, sequence: Sequence) -> None:
        """`sequence` decodes elsewhere; its KV stays here until it is there."""
        assert self.handoff is not None
        del self._running[sequence]
        self._leaving[sequence] = None
        sequence.prefilled_by = self.index
        sequence.silent = self.env.now
        tokens = next(tokens for one, tokens in self._chunks if one is sequence)
        taken = (self._clock >> TICK) - self._last_begun
        self.handoff.offer(sequence, self, taken, tokens)

    def catch_up(self) -> None:
        """Take the memory that steps begun by now have taken; a span takes it late otherwise."""
        span = self._span
        if span is None or self._held:
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
            at = span.boundary(begun) >> TICK
            self.sleeper.move(at, (FINISH if at > now else PLAN) + self.index)
