"""Router: the soonest first token, caches and queues considered."""

from collections.abc import Sequence
from dataclasses import dataclass

from kvsim.sim.policy import ReplicaView, Router, SequenceView, router
from kvsim.units import Ns


@router.register("kv_aware")
@dataclass(slots=True)
class KVAware(Router):
    """The replica with the least estimated TTFT: its queue, and what it does not have cached.

    Qin et al., Mooncake, FAST 2025, algorithm 1, without fetching a better prefix from another
    instance, which a shared tier does here.
    """

    def route(self, sequence: SequenceView, replicas: Sequence[ReplicaView], now: Ns) -> int:
        """Both in time, by what computing so many tokens takes."""

        def estimate(replica: ReplicaView) -> Ns:
            own = sequence.prompt_tokens - replica.cached(sequence)
            return replica.prefill_time(replica.queued_tokens) + replica.prefill_time(max(1, own))

        times = [estimate(replica) for replica in replicas]
        return times.index(min(times))
