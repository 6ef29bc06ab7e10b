"""Failures and stragglers of a scenario, as alarms of its machine."""

from collections.abc import Callable

from kvsim.errors import InputError
from kvsim.scenario.schema import Incident, Scenario
from kvsim.sim.clock import PLAN, ring
from kvsim.sim.cluster import Cluster
from kvsim.units import Ns


def arm(scenario: Scenario, cluster: Cluster) -> None:
    """Let the scenario's incidents happen. Raises InputError for those that cannot."""
    for place, event in enumerate(scenario.events):
        if event.replica >= len(cluster.engines):
            raise InputError(
                f"events.{place}.replica: there is no replica {event.replica}; they count from 0 "
                f"to {len(cluster.engines) - 1}."
            )
        _arm(event, cluster)


def _arm(event: Incident, cluster: Cluster) -> None:
    engine = cluster.engines[event.replica]

    def at(instant: Ns, what: Callable[[], None]) -> None:
        ring(cluster.env, instant, PLAN - 1, what)

    if event.fail:
        at(event.at, engine.fail)
        if event.back_after is not None:
            at(event.at + event.back_after, lambda: cluster.recovered(engine))
        return
    assert event.slow is not None
    times = event.slow
    at(event.at, lambda: engine.slow(times))
    if event.lasting is not None:
        at(event.at + event.lasting, lambda: engine.slow(1.0))
