"""The replicas and what reaches them: the one process of arrivals, and the way of a request in."""

from collections.abc import Generator
from heapq import heappop, heappush

from simpy import Event

from kvsim.sim.clock import ARRIVAL, Alarm, Clock
from kvsim.sim.engine import Engine
from kvsim.sim.handoff import Handoff
from kvsim.sim.migration import Migration
from kvsim.sim.policy import Router
from kvsim.sim.recorder import Recorder
from kvsim.sim.returning import Returning
from kvsim.sim.sequence import Sequence
from kvsim.traces.request import Request, Workload
from kvsim.units import Ns


class Cluster:
    """Replicas behind a router."""

    def __init__(
        self,
        env: Clock,
        workload: Workload,
        router: Router,
        recorder: Recorder,
        host_before: Ns = 0,
    ) -> None:
        self.env = env
        self.workload = workload
        self.router = router
        self.recorder = recorder
        self.host_before = host_before
        """Tokenisation and HTTP before a request reaches a replica."""
        self.engines: list[Engine] = []
        self.entries: list[Engine] = []
        """Replicas that compute prompts; all of them where none only decodes."""
        self.decoders: list[Engine] = []
        """Replicas that only decode."""
        self.handoff: Handoff | None = None
        """From those that compute prompts to those that decode."""
        self.migration: Migration | None = None
        """Between replicas that decode, when memory runs out."""
        self.returning: Returning | None = None
        """Who is away and expected back; None: nobody wants to know."""
        self.arrived = 0
        """Requests so far."""
        self._stranded: list[Sequence] = []
        """Requests that no replica is up for."""
        self._known = workload.arrivals()
        self._expected: list[tuple[Ns, int, Request | Sequence]] = []
        """Heap of the next request known beforehand, turns caused by finished ones, and sequences
        that come back from a tool call."""
        self._alarm: Alarm | None = None
        self._at: Ns = 0
        self._idle: Event | None = None
        self.process = env.process(self.run())

    def run(self) -> Generator[Event, None, None]:
        """Let requests arrive in order of time, then id."""
        env, expected = self.env, self._expected
        known = self._expect_known()
        while True:
            if not expected:
                self._idle = Event(env)
                yield self._idle
                self._alarm = None
                continue
            at = expected[0][0]
            if at > env.now:
                self._at, self._alarm = at, Alarm(env, at, ARRIVAL)
                yield self._alarm
                self._alarm = None
                continue  # an earlier turn may have been caused meanwhile
            expected_one = heappop(expected)[2]
            if isinstance(expected_one, Sequence):
                self.come_back(expected_one)
                continue
            if expected_one is known:
                known = self._expect_known()
            self.deliver(expected_one)

    def deliver(self, request: Request) -> None:
        """`request` reaches the cluster and is sent to a replica."""
        now = self.env.now
        assert now == request.arrival + self.host_before, "a request arrived late"
        self.recorder.arrived += 1
        self.arrived += 1
        sequence = Sequence(request, now)
        if self.returning is not None:
            self.returning.came_back(sequence, "turn")
        self.route(sequence, now)

    def route(self, sequence: Sequence, now: Ns) -> None:
        """`sequence` goes to a replica that is up, or waits for one."""
        entries = [one for one in self.entries if one.is_open]
        if not entries:
            self._stranded.append(sequence)
            return
        engine = entries[self.router.route(sequence, entries, now)]
        reason = engine.refuses(sequence, now) or self._undecodable(sequence)
        if reason is None or sequence.admitted is not None:
            engine.arrive(sequence)
        else:
            sequence.replica = engine.index
            self.recorder.rejected(sequence, reason)
            self.follow(sequence, now)

    def lost(self, sequences: list[Sequence], engine: Engine) -> None:
        """`engine` has failed: what it had starts again elsewhere."""
        now = self.env.now
        for way in (self.handoff, self.migration):
            if way is not None:
                way.drop(engine)
        for sequence in sorted(sequences, key=lambda one: one.id):
            sequence.asked = False
            sequence.retries += 1
            self.route(sequence, now)

    def recovered(self, engine: Engine) -> None:
        """`engine` is up again: those who waited for one are served."""
        engine.recover()
        self.serve_stranded()

    def serve_stranded(self) -> None:
        """Those who waited for a replica go to one, if there is any."""
        waiting, self._stranded = self._stranded, []
        for sequence in waiting:
            self.route(sequence, self.env.now)

    @property
    def stranded(self) -> list[Sequence]:
        """Requests that no replica is up for."""
        return self._stranded

    def decoder(self, sequence: Sequence, now: Ns) -> Engine:
        """The replica where `sequence`, whose prompt is complete, goes on."""
        able = [one for one in self.decoders if one.is_open and one.refusal(sequence) is None]
        if not able:  # nobody is up: it waits at one that will be
            able = [one for one in self.decoders if one.refusal(sequence) is None]
        return able[self.router.decode(sequence, able, now)]

    def _prefiller(self, sequence: Sequence) -> Engine:
        """The replica that has computed the prompt of `sequence`."""
        index = sequence.prefilled_by
        return self.engines[sequence.replica if index is None else index]

    def peers(self) -> list[Engine]:
        """Replicas that decode and take requests."""
        return [one for one in self.decoders or self.entries if one.is_open]

    def come_back(self, sequence: Sequence) -> None:
        """A tool has answered `sequence`: it goes on where it was, or where prompts are made."""
        engine = self.engines[sequence.replica]
        if self.returning is not None:
            self.returning.came_back(sequence, "tool")
        if engine in self.decoders or not engine.is_open:
            engine.forget(sequence)
            self.route(sequence, self.env.now)
        else:
            engine.arrive(sequence)

    def _undecodable(self, sequence: Sequence) -> str | None:
        """Why no decode instance can ever hold `sequence`."""
        reasons = [engine.refusal(sequence) for engine in self.decoders]
        return reasons[0] if reasons and None not in reasons else None

    def follow(self, sequence: Sequence, now: Ns) -> None:
        """`sequence` is over: its session's next turn will arrive."""
        if self.returning is not None:
            self.returning.left(sequence, "turn", self._prefiller(sequence))
        turn = self.workload.next_turn(sequence.request, now)
        if turn is not None:
            self.expect(turn.arrival + self.host_before, turn.id, turn)

    def expect(self, at: Ns, id: int, arrival: Request | Sequence) -> None:
        """`arrival` will come at instant `at`, not before now."""
        heappush(self._expected, (at, id, arrival))
        if self._idle is not None:
            self._at, self._alarm = at, Alarm(self.env, at, ARRIVAL)
            self._alarm.callbacks, self._idle.callbacks = self._idle.callbacks, []
            self._idle = None
        elif self._alarm is not None and at < self._at:
            self._at, self._alarm = at, self._alarm.moved(at, ARRIVAL)

    def resume(self, sequence: Sequence, at: Ns) -> None:
        """`sequence` comes back to its replica when its tool has answered."""
        if self.returning is not None:
            self.returning.left(sequence, "tool", self._prefiller(sequence))
        self.expect(at, sequence.id, sequence)

    def _expect_known(self) -> Request | None:
        request = next(self._known, None)
        if request is not None:
            at = request.arrival + self.host_before
            heappush(self._expected, (at, request.id, request))
        return request
