"""Preempted requests whose KV goes to another replica, where they go on (Llumnix).

A replica that is short of memory asks the others, which takes the latency of the wires; of those
who have room for the request by then the policy names one, which takes the room at once. The
replica that asked holds the request's memory until its KV is there. If nobody has room, it is
computed again where it was.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvsim.sim.clock import LANDED, ring
from kvsim.sim.fabric import Fabric
from kvsim.sim.handoff import Handoff, Held, Offer, Wires
from kvsim.sim.sequence import Sequence

if TYPE_CHECKING:
    from kvsim.sim.engine import Engine


class Migration(Handoff):
    """All requests on their way because memory ran out. A hand-off that asks first."""

    def __init__(
        self, fabric: Fabric, token_bytes: int, wires: Wires, peers: Callable[[], list["Engine"]]
    ) -> None:
        super().__init__(fabric, "request", 1, token_bytes, wires)
        self.peers = peers
        """Replicas that decode and take requests."""

    def offer(self, sequence: Sequence, source: "Engine", last_step: int, tokens: int) -> None:
        """Ask who has room for `sequence`, which `source` cannot hold any longer."""
        memory, clock = source.memory, self.fabric.clock

        def answered() -> None:
            if source.memory is memory:  # otherwise it has failed meanwhile
                self._move(sequence, source)

        # an instant later at least: no replica's plan for this instant depends on the answers
        at = clock.now + max(1, self._latency(source))
        ring(clock, at, LANDED + 1 + source.index, answered)

    def _latency(self, source: "Engine") -> int:
        ways = (self.wires(source.index, one.index) for one in self.peers() if one is not source)
        return max((sum(link.latency for link in way) for way in ways), default=0)

    def _move(self, sequence: Sequence, source: "Engine") -> None:
        kept = Held.of(sequence)
        able = [
            one for one in self.peers()
            if one is not source and one.refusal(sequence) is None and one.has_room(sequence)
        ]  # fmt: skip
        if not able:
            sequence.replica = source.index
            source.catch_up()
            source.start_again(sequence)
            source.poke()
            return
        target = able[source.preemption.target(sequence, able)]
        assert sequence.silent is not None
        made = Offer(sequence, source, target, kept, sequence.silent, 0, 0)
        self.under_way[sequence] = made
        sequence.replica = target.index
        if sequence.prefilled_by is None:
            sequence.prefilled_by = source.index
        target.crowd()
        self.begin(made)


@dataclass(eq=False, slots=True)
class Emigration:
    """The way out of one replica."""

    engine: "Engine"
    migration: Migration

    def shelter(self, sequence: Sequence) -> bool:
        """Ask the others, if there are any."""
        peers = self.migration.peers()
        if all(one is self.engine for one in peers):
            return False
        self.migration.offer(sequence, self.engine, 0, 0)
        return True

    def bring_back(self, sequence: Sequence) -> None:
        """Nobody comes back by himself."""
        raise AssertionError(f"request {sequence.id} is elsewhere")

    def lose(self) -> None:
        """The cluster calls off what was under way."""
