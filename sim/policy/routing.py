"""The question which replica serves a request."""

from abc import ABC, abstractmethod
from collections.abc import Sequence as Ordered

from kvsim.sim.policy.views import ReplicaView, SequenceView
from kvsim.units import Ns


class Router(ABC):
    """Which replica serves a request. One instance for the cluster."""

    @abstractmethod
    def route(self, sequence: SequenceView, replicas: Ordered[ReplicaView], now: Ns) -> int:
        """Where `sequence`, which has just arrived, goes: a place in `replicas`, who are up."""

    def decode(self, sequence: SequenceView, replicas: Ordered[ReplicaView], now: Ns) -> int:
        """Where `sequence`, whose prompt has just been computed, decodes: a place in `replicas`.

        Unless a router says otherwise, the one with the fewest requests.
        """
        del sequence, now
        loads = [replica.waiting_requests + replica.running_requests for replica in replicas]
        return loads.index(min(loads))
