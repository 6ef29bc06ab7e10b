"""Pools that grow and shrink: replicas start, take requests, drain, and are off.

A replica that starts costs what one costs that is up, and takes nothing yet. One that drains takes
nothing new and finishes what it has; then it is off, and what it had cached is gone. It is not
called back before, as in Kubernetes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from kvsim.sim.clock import PLAN, Alarm, ring
from kvsim.sim.cluster import Cluster
from kvsim.sim.engine import Engine
from kvsim.sim.policy import FleetView, Scaling
from kvsim.sim.recorder import DRAINING, OFF, STARTING, UP
from kvsim.units import Ns


@dataclass(eq=False)
class Pool:
    """Replicas that are scaled together."""

    engines: list[Engine]
    scaling: Scaling
    least: int
    startup: Ns
    """From the decision to start a replica until it takes requests."""
    states: dict[Engine, int] = field(init=False, default_factory=dict)
    arrived: int = field(init=False, default=0)
    """Requests that had reached the cluster when it was last asked."""

    def those(self, state: int) -> list[Engine]:
        """Replicas in one state, the one that came into it last at the end."""
        return [one for one, its in self.states.items() if its == state]


class Fleet:
    """All pools that change their size."""

    def __init__(self, cluster: Cluster, period: Ns) -> None:
        self.cluster = cluster
        self.clock = cluster.env
        self.period = period
        self.pools: list[Pool] = []
        self._alarms: dict[Engine, Alarm] = {}
        """Of those that start."""
        self._await(self.clock.now + period, self._ask)

    def add(self, pool: Pool, up: int) -> None:
        """The first `up` replicas of `pool` are up, the others are off."""
        self.pools.append(pool)
        for place, engine in enumerate(pool.engines):
            engine.is_up = place < up
            engine.on_empty = partial(self._set, pool, engine, OFF)
            self._set(pool, engine, UP if engine.is_up else OFF)

    def _ask(self) -> None:
        """Every pool's policy says how many replicas it wants; ends when nothing else happens."""
        now = self.clock.now
        for pool in self.pools:
            self._scale(pool, pool.scaling.replicas(self._view(pool), now))
            pool.arrived = self.cluster.arrived
        if self.clock.peek() < math.inf:
            self._await(now + self.period, self._ask)

    def _view(self, pool: Pool) -> FleetView:
        up, cluster = pool.those(UP), self.cluster
        for engine in up:
            engine.catch_up()
        stranded = len(cluster.stranded) if pool.engines[0] in cluster.entries else 0
        return FleetView(
            len(up),
            len(pool.those(STARTING)),
            stranded + sum(one.waiting_requests for one in up),
            sum(one.running_requests for one in up),
            sum(one.memory.leased for one in up) / max(1, sum(one.memory.capacity for one in up)),
            cluster.arrived - pool.arrived,
            self.period,
        )

    def _scale(self, pool: Pool, wanted: int) -> None:
        wanted = max(pool.least, wanted)
        for engine in pool.those(OFF):
            if len(pool.those(UP)) + len(pool.those(STARTING)) >= wanted:
                break
            self._start(pool, engine)
        while (starting := pool.those(STARTING)) and len(starting) + len(pool.those(UP)) > wanted:
            self._alarms.pop(starting[-1]).callbacks = []
            self._set(pool, starting[-1], OFF)
        while len(up := pool.those(UP)) > wanted:
            least = min(
                up, key=lambda one: (one.waiting_requests + one.running_requests, -one.index)
            )
            self._set(pool, least, DRAINING)
            least.drain()

    def _start(self, pool: Pool, engine: Engine) -> None:
        def started() -> None:
            del self._alarms[engine]
            self._set(pool, engine, UP)
            self.cluster.recovered(engine)

        self._set(pool, engine, STARTING)
        self._alarms[engine] = self._await(self.clock.now + pool.startup, started)

    def _await(self, at: Ns, what: Callable[[], None]) -> Alarm:
        return ring(self.clock, at, PLAN - 1, what)

    def _set(self, pool: Pool, engine: Engine, state: int) -> None:
        pool.states.pop(engine, None)
        pool.states[engine] = state
        self.cluster.recorder.changed(engine.index, self.clock.now, state)
