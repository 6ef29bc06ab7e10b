"""A tiny machine under load; its router, scheduler or preemption is watched at every question."""

from collections.abc import Callable, Iterator, Reversible, Sequence
from random import Random
from typing import Any

from machine import Affine, Machine, Outcome

from kvsim.policies import answers
from kvsim.sim.engine import Engine
from kvsim.sim.policy import (
    EngineView,
    Move,
    Preemption,
    Prefill,
    ReplicaView,
    Router,
    Scheduler,
    SequenceView,
)
from kvsim.units import MS, Ns

QUESTIONS = ("router", "scheduler", "preemption")
NAMED = [(question, name) for question in QUESTIONS for name in answers(question).names()]
"""Every answer there is to the questions that are watched."""
Log = list[tuple[Any, ...]]


def load(seed: int, longer: int | None = None) -> Machine:
    """Shared prefixes, bursts, three replicas with too little memory, spans that end at knots.

    The request whose number is `longer` has 40 more tokens to generate; nothing else differs.
    """
    random = Random(seed)
    machine = Machine(
        blocks=45, replicas=3, timing=Affine(base=5 * MS, per_token=9000, per_context=300, knot=100)
    )
    for number in range(40):
        prompt, output = random.randint(1, 240), random.randint(1, 50)
        group, own = random.randrange(3) * 100, 1000 * (number + 1)
        more = 40 if number == longer else 0
        machine.send(
            prompt, output + more, f"{random.randrange(60) * 7} ms",
            blocks=(group, 4, own, -(-prompt // 16)), block_tokens=16, session=number % 5,
        )  # fmt: skip
    return machine


class Watch:
    """Puts a policy into a machine, hears what it is asked and answers, and checks its promises."""

    def __init__(self, machine: Machine, question: str, make: Callable[[], Any]) -> None:
        self.log: Log = []
        """What was decided: when, by whom, about what, and what it knew."""
        self.simulation = machine.build()
        cluster = self.simulation.cluster
        if question == "router":
            cluster.router = WatchedRouter(self, make())
            return
        watched = {"scheduler": WatchedScheduler, "preemption": WatchedPreemption}[question]
        for engine in cluster.engines:
            setattr(engine, question, watched(self, engine, make()))

    def run(self) -> Outcome:
        self.simulation.run()
        return Outcome(self.simulation)

    @property
    def now(self) -> Ns:
        return self.simulation.env.now


def state(engine: Engine) -> tuple[Any, ...]:
    """All of a replica that a policy might touch."""
    everyone = (*engine.waiting, *engine._running)
    return (
        [one.id for one in engine.waiting],
        [one.id for one in engine.prefilling],
        [one.id for one in engine._running],
        engine.decoding,
        engine.preempting,
        [(one.id, one.computed, one.missing, one.generated) for one in everyone],
        (engine.memory.private, engine.memory.tree.bytes, engine.memory.tree.locked),
    )


class WatchedRouter(Router):
    def __init__(self, watch: Watch, inner: Router) -> None:
        self.watch, self.inner = watch, inner

    def route(self, sequence: SequenceView, replicas: Sequence[ReplicaView], now: Ns) -> int:
        engines = self.watch.simulation.cluster.engines
        for engine in engines:
            engine.cached(sequence)  # brings memory up to date, as any router may
        before = [state(engine) for engine in engines]
        chosen = self.inner.route(sequence, replicas, now)
        assert type(chosen) is int
        assert 0 <= chosen < len(replicas)
        assert [state(engine) for engine in engines] == before
        self.watch.log.append((now, "router", sequence.id, chosen))
        return chosen


class WatchedScheduler(Scheduler):
    def __init__(self, watch: Watch, engine: Engine, inner: Scheduler) -> None:
        self.watch, self.engine, self.inner = watch, engine, inner

    def plan(self, view: EngineView) -> Iterator[Move]:
        before, kept = state(self.engine), repr(self.inner)
        first, again = (next(iter(self.inner.plan(view)), None) for _ in range(2))
        assert first == again
        assert (state(self.engine), repr(self.inner)) == (before, kept)
        asked: set[int] = set()
        for move in self.inner.plan(view):
            if not isinstance(move, Prefill):
                told = getattr(move, "sequence", None)
                self.watch.log.append(
                    (self.watch.now, self.engine.index, type(move).__name__, told and told.id)
                )
                yield move
                continue
            sequence = move.sequence
            assert sequence in view.waiting or sequence in view.prefilling
            assert sequence.id not in asked
            asked.add(sequence.id)
            assert 1 <= move.tokens <= sequence.missing - view.cached(sequence)
            self.watch.log.append((self.watch.now, self.engine.index, sequence.id, move.tokens))
            yield move
        if first is None:
            assert not asked
        self.watch.log.append((self.watch.now, self.engine.index, "planned", len(asked)))

    @property
    def always(self) -> bool:  # type: ignore[override]
        return self.inner.always

    @property
    def remembers(self) -> bool:  # type: ignore[override]
        return self.inner.remembers

    def welcome(self, view: EngineView, sequence: SequenceView) -> None:
        self.inner.welcome(view, sequence)

    def finished(self, view: EngineView, sequence: SequenceView) -> None:
        self.inner.finished(view, sequence)

    def awaits(self, view: EngineView) -> bool:
        before, kept = state(self.engine), repr(self.inner)
        said = self.inner.awaits(view)
        assert self.inner.awaits(view) is said
        assert (state(self.engine), repr(self.inner)) == (before, kept)
        self.watch.log.append((self.watch.now, self.engine.index, "awaits", said))
        return said


class WatchedPreemption(Preemption):
    def __init__(self, watch: Watch, engine: Engine, inner: Preemption) -> None:
        self.watch, self.engine, self.inner = watch, engine, inner

    def victim(self, running: Reversible[SequenceView], view: EngineView) -> SequenceView:
        before, kept = state(self.engine), repr(self.inner)
        found = self.inner.victim(running, view)
        assert self.inner.victim(running, view) is found
        assert found in list(reversed(running))
        assert (state(self.engine), repr(self.inner)) == (before, kept)
        self.watch.log.append((self.watch.now, self.engine.index, "victim", found.id))
        return found


def watch(machine: Machine, question: str, name: str) -> Watch:
    """A watch over the answer of that name."""
    return Watch(machine, question, lambda: answers(question).make(name))


def decisions(question: str, name: str, seed: int = 0) -> Log:
    """What an answer decides under a load."""
    watched = watch(load(seed), question, name)
    watched.run()
    return watched.log
