"""The question how many replicas of a pool should be up."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from kvsim.units import Ns


class FleetView(NamedTuple):
    """What a pool looks like when it is asked about."""

    up: int
    """Replicas that take requests."""
    starting: int
    waiting: int
    """Requests in the queues of those that are up, and those that no replica is up for."""
    running: int
    """Requests that hold memory of theirs."""
    kv: float
    """Share of their KV memory that these hold."""
    arrived: int
    """Requests that have reached the cluster since it was last asked."""
    passed: Ns
    """Time since then."""


class Scaling(ABC):
    """How many replicas should be up. One instance a pool."""

    period: int = 0
    """Nanoseconds between two questions; 0: never asked, pools keep their size."""

    @abstractmethod
    def replicas(self, view: FleetView, now: Ns) -> int:
        """How many, those that start included; the pool's least and most are seen to elsewhere.

        Asked once at each instant: it may remember.
        """
