"""Whether a run meets an attainment, told as soon as it is certain."""

from typing import NamedTuple

from kvsim.scenario import Scenario
from kvsim.scenario.build import Machine
from kvsim.scenario.run import Result, run
from kvsim.sim.metrics import Facts
from kvsim.sim.objectives import Objectives, all_of
from kvsim.sim.recorder import REQUEST_COLUMNS, Recorder
from kvsim.units import Ns

WIDTH = len(REQUEST_COLUMNS)
LATER = 1.1
"""Requests that have ended, times those counted, when all are counted again: where tokens are
followed one by one, counting reads all that has happened."""


class Verdict(NamedTuple):
    """What one run says."""

    met: bool
    attainment: float
    """Of those that are decided, if the run was stopped early."""
    requests: int
    """Requests that arrived, the whole run's if it was not stopped."""
    early: bool
    result: Result


class Judge:
    """Looks at a run now and then; stops it when misses or hits have settled the matter."""

    def __init__(self, scenario: Scenario, wanted: float, total: int | None) -> None:
        self.wanted = wanted
        self.total = total
        """Requests of the whole run, where known: only then anything is certain before its end."""
        self.measured = (scenario.measure.start, scenario.measure.end)
        self.machine: Machine | None = None
        self.met = self.missed = self._seen = 0
        self.is_certain = False

    def started(self, machine: Machine) -> None:
        """The machine that runs."""
        self.machine = machine

    def look(self, now: Ns, recorder: Recorder) -> bool:
        """True once it is certain whether enough requests meet their objectives."""
        if self.total is None or self.measured != (0, None):
            return False
        if len(recorder.statuses) > self._seen:
            self._count(recorder, now)
        late = self._late(now)
        self.is_certain = (
            self.missed + late > (1 - self.wanted) * self.total
            or self.met >= self.wanted * self.total
        )
        return self.is_certain

    def _count(self, recorder: Recorder, now: Ns) -> None:
        """Requests that have ended since the last look."""
        whole = recorder.follows_tokens
        if whole and len(recorder.statuses) < LATER * self._seen:
            return
        part = recorder if whole else _since(recorder, self._seen)
        before = (0, 0) if whole else (self.met, self.missed)
        met = all_of(self._objectives.met(Facts.of(part), now))
        self.met = before[0] + int(met.sum())
        self.missed = before[1] + int((~met).sum())
        self._seen = len(recorder.statuses)

    @property
    def _objectives(self) -> Objectives:
        assert self.machine is not None
        return self.machine.objectives

    def _late(self, now: Ns) -> int:
        """Requests that wait and have missed their first token's deadline already."""
        assert self.machine is not None
        limits = [one.ttft for one in self._objectives.targets]
        if not all(isinstance(limit, int) for limit in limits):
            return 0
        limit = max(limit for limit in limits if isinstance(limit, int))
        return sum(
            sequence.first_token is None and now - sequence.request.arrival > limit
            for engine in self.machine.simulation.cluster.engines
            for sequence in engine.waiting
        )


def _since(recorder: Recorder, row: int) -> Recorder:
    """What a recorder has heard of requests from `row` on, but for their tokens one by one."""
    part = Recorder()
    part.requests = recorder.requests[row * WIDTH :]
    part.statuses, part.kinds = recorder.statuses[row:], recorder.kinds[row:]
    part.clients = recorder.clients[row:]
    return part


def judged(scenario: Scenario, wanted: float, total: int | None = None) -> Verdict:
    """Run a scenario as long as it takes to know whether `wanted` of its requests are in time."""
    judge = Judge(scenario, wanted, total)
    result = run(scenario, look=judge.look, started=judge.started)
    if judge.is_certain:
        decided = judge.met + judge.missed
        met = judge.met >= wanted * (judge.total or 1)
        return Verdict(met, judge.met / max(1, decided), judge.total or 0, True, result)
    summary = result.summary
    found = summary["slo"]["attainment"] or 0.0
    return Verdict(found >= wanted, found, summary["requests"]["arrived"], False, result)
