"""Whether a run meets an attainment, told as soon as it is certain."""

from typing import NamedTuple

from kvsim.scenario import Scenario
from kvsim.scenario.build import Machine
from kvsim.scenario.run import Result, _targets, run
from kvsim.sim.metrics import Facts, attainment
from kvsim.sim.recorder import REQUEST_COLUMNS, Recorder
from kvsim.units import Ns

WIDTH = len(REQUEST_COLUMNS)


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
        self.targets = _targets(scenario)
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
        done = len(recorder.statuses)
        if done > self._seen:
            self._count(recorder, now, done)
        late = self._late(now)
        self.is_certain = (
            self.missed + late > (1 - self.wanted) * self.total
            or self.met >= self.wanted * self.total
        )
        return self.is_certain

    def _count(self, recorder: Recorder, now: Ns, done: int) -> None:
        """Requests that have ended since the last look."""
        part = Recorder()
        part.requests = recorder.requests[self._seen * WIDTH : done * WIDTH]
        part.statuses, part.kinds = (
            recorder.statuses[self._seen : done],
            recorder.kinds[self._seen : done],
        )
        ttft, tpot = attainment(Facts.of(part), self.targets, now)
        met = int((ttft & tpot).sum())
        self.met += met
        self.missed += done - self._seen - met
        self._seen = done

    def _late(self, now: Ns) -> int:
        """Requests that wait and have missed their first token's deadline already."""
        assert self.machine is not None
        limits = [one.ttft for one in self.targets if one.ttft is not None]
        if len(limits) != len(self.targets):
            return 0
        limit = max(limits)
        return sum(
            sequence.first_token is None and now - sequence.request.arrival > limit
            for engine in self.machine.simulation.cluster.engines
            for sequence in engine.waiting
        )


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
