"""One run from the first arrival to the last token."""

import gc
import math
import time
from collections.abc import Callable

from simpy.core import EmptySchedule

from kvsim.sim.clock import Clock
from kvsim.sim.cluster import Cluster
from kvsim.sim.livelock import LivelockError
from kvsim.sim.recorder import Recorder
from kvsim.units import Ns

GARBAGE = 100_000
"""Objects made between two searches for cycles among the youngest."""
EVENTS_PER_LOOK = 4096
"""Events between two looks at the wall clock: some 20 ms."""


class Simulation:
    """A machine that has been built and can be run once."""

    def __init__(self, env: Clock, cluster: Cluster, recorder: Recorder) -> None:
        self.env = env
        self.cluster = cluster
        self.recorder = recorder
        self.events = 0
        self.wall_s = 0.0
        self.partial: str | None = None
        """Why the run was cut short; None for a whole one."""

    def run(
        self,
        horizon: Ns | None = None,
        max_wall: float | None = None,
        look: Callable[[Ns, Recorder], bool] | None = None,
    ) -> None:
        """Run until nothing is left to happen, or to `horizon`.

        `look` is called now and then with the simulated time; if it returns True, or after
        `max_wall` seconds, the run stops and is marked partial.
        """
        step, env = self.env.step, self.env
        started = time.perf_counter()
        threshold = gc.get_threshold()
        gc.set_threshold(GARBAGE)  # a run makes many objects and few cycles
        try:
            while self.partial is None:
                for _ in range(EVENTS_PER_LOOK):
                    if horizon is not None and env.peek() > horizon:
                        raise EmptySchedule
                    step()
                self.events += EVENTS_PER_LOOK
                self.wall_s = time.perf_counter() - started
                if look is not None and look(env.now, self.recorder):
                    self.partial = "interrupted"
                elif max_wall is not None and self.wall_s > max_wall:
                    self.partial = f"stopped after {max_wall:g} s"
        except EmptySchedule:
            pass
        finally:
            gc.set_threshold(*threshold)
        self.wall_s = time.perf_counter() - started
        self._close()

    def _close(self) -> None:
        """Nothing is lost: what has not finished is booked as waiting or running."""
        for sequence in self.cluster.stranded:
            self.recorder.unfinished(sequence)
        for engine in self.cluster.engines:
            for sequence in engine.remaining():
                self.recorder.unfinished(sequence)
            engine.memory.check()
        self._check_end()

    def _check_end(self) -> None:
        """When nothing is left to happen, nobody waits, unless a replica has failed."""
        engines = self.cluster.engines
        if self.env.peek() < math.inf or any(engine.is_failed for engine in engines):
            return
        for engine in engines:
            if left := engine.remaining():
                raise LivelockError(
                    f"replica {engine.index}: {len(left)} requests wait for nothing, request "
                    f"{left[0].id} first; the scheduler neither runs nor preempts anybody"
                )
