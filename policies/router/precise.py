"""Router: the longest prefix, as told by events that come late."""

from collections.abc import Sequence
from dataclasses import dataclass

from kvsim.sim.policy import ReplicaView, Router, SequenceView, router
from kvsim.units import MS, Ns


@router.register("precise")
@dataclass(slots=True)
class Precise(Router):
    """Longest known prefix less load, where knowledge comes by events with delay and loss.

    As routers do that subscribe to engines' KV events (llm-d, Dynamo): score = prefix share -
    `load_weight` x load share. Blocks stored less than `delay` ago are not known of; of a share
    `loss` of all runs of blocks, nor of what follows them, nothing is ever heard. That an evicted
    block is gone is known at once.
    """

    delay: int = 100 * MS
    loss: float = 0.0
    load_weight: float = 1.0

    def route(self, sequence: SequenceView, replicas: Sequence[ReplicaView], now: Ns) -> int:
        """Shares of the prompt, and of the largest load."""
        loads = [replica.waiting_requests + replica.running_requests for replica in replicas]
        most = max(*loads, 1)
        known = [replica.known(sequence, now - self.delay, self.loss) for replica in replicas]
        scores = [
            tokens / sequence.prompt_tokens - self.load_weight * load / most
            for tokens, load in zip(known, loads, strict=True)
        ]
        return scores.index(max(scores))
