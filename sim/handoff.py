"""From prefill to decode: a request's KV crosses the network while both sides hold room for it.

The prefill instance makes the first token. The decode instance then takes room for all the KV that
it lacks, at a boundary of its own, and the KV flows; only when it has landed does the prefill side
let go. Layer by layer, KV has been on its way since the prompt's last chunk began: what is left is
the last layer at least, and what the wire could not carry in that time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from kvsim.sim.fabric import LOAD, Fabric, Link
from kvsim.sim.prefix import Segment
from kvsim.sim.sequence import Sequence
from kvsim.units import SECOND, Ns

if TYPE_CHECKING:
    from kvsim.sim.engine import Engine

Push = Literal["layerwise", "request", "pull"]
Wires = Callable[[int, int], tuple[Link, ...]]
"""The path from one replica to another."""


class Held(NamedTuple):
    """What a sequence holds at one replica."""

    leaf: Segment | None
    computed: int
    published: int

    @classmethod
    def of(cls, sequence: Sequence) -> "Held":
        """As it is."""
        return cls(sequence.leaf, sequence.computed, sequence.published)

    def give(self, sequence: Sequence) -> None:
        """`sequence` holds this again."""
        sequence.leaf, sequence.computed, sequence.published = self


@dataclass(eq=False, slots=True)
class Offer:
    """One request between two replicas."""

    sequence: Sequence
    source: "Engine"
    target: "Engine"
    kept: Held
    """At the source."""
    offered: Ns
    last_step: Ns
    """How long the step took that completed the prompt."""
    last_tokens: int
    """Tokens it computed of this prompt."""
    taken: Held | None = None
    """At the target, once it has made room."""
    called_off: bool = False


class Handoff:
    """All requests on their way from prefill to decode instances."""

    def __init__(
        self, fabric: Fabric, push: Push, layers: int, token_bytes: int, wires: Wires
    ) -> None:
        self.fabric = fabric
        self.push = push
        self.layers = layers
        self.token_bytes = token_bytes
        """KV bytes of a token in all layers."""
        self.wires = wires
        self.choose: Callable[[Sequence, Ns], Engine] = _nobody
        """Which decode instance takes a request; the cluster's router says."""
        self.under_way: dict[Sequence, Offer] = {}

    def offer(self, sequence: Sequence, source: "Engine", last_step: Ns, tokens: int) -> None:
        """`sequence` has its first token at `source`, which goes on holding its KV."""
        now = self.fabric.clock.now
        target = self.choose(sequence, now)
        if target is source:  # it has begun to decode meanwhile
            source.keep(sequence)
            return
        made = Offer(sequence, source, target, Held.of(sequence), now, last_step, tokens)
        self.under_way[sequence] = made
        target.expect_kv(made)

    def drop(self, engine: "Engine") -> None:
        """`engine` has lost everything: what comes from it is void, what goes to it goes elsewhere.

        A request that it had computed starts again; one that it would have decoded is offered anew.
        """
        now = self.fabric.clock.now
        for sequence, made in tuple(self.under_way.items()):
            if engine not in (made.source, made.target):
                continue
            made.called_off = True
            del self.under_way[sequence]
            if made.source is engine:
                made.target.call_off(made, now)  # while it is landing: nobody finds what never came
            sequence.landing = False
            if made.source is not engine:
                self.offer(sequence, made.source, 0, 0)

    def recall(self, engine: "Engine") -> None:
        """What waits for room elsewhere decodes at `engine` instead, which has computed it."""
        now = self.fabric.clock.now
        for sequence, made in tuple(self.under_way.items()):
            if made.source is engine and made.taken is None:
                del self.under_way[sequence]
                made.target.call_off(made, now)
                engine.keep(sequence)

    def begin(self, made: Offer) -> None:
        """The target has room: it leases it, and the KV that it lacks flows."""
        sequence, target, now = made.sequence, made.target, self.fabric.clock.now
        stored = made.kept.computed
        sequence.leaf = None
        target.memory.admit(sequence, now)
        lacking = stored - sequence.computed
        target.memory.reserve(sequence, lacking)
        sequence.landing = True
        taken = made.taken = Held.of(sequence)
        path, size = self.wires(made.source.index, target.index), lacking * self.token_bytes
        wires = tuple(link.name for link in path)
        row = target.recorder.handing_over(
            sequence.id, made.source.index, target.index, size, wires, made.offered, now
        )
        made.kept.give(sequence)

        def landed() -> None:
            if made.called_off:
                return
            at = self.fabric.clock.now
            target.recorder.handed_over(row, at)
            self._land(made, taken._replace(computed=taken.computed), stored)

        if not size:
            landed()
            return
        self.fabric.send(size, path, landed, LOAD, sent=self._sent(made, size, path))

    def _sent(self, made: Offer, size: int, path: tuple[Link, ...]) -> float:
        """Bytes that have gone before the prompt's last layer was computed."""
        if self.push != "layerwise":
            return 0.0
        ahead = size * (self.layers - 1) / self.layers
        last = min(size, made.last_tokens * self.token_bytes) * (self.layers - 1) / self.layers
        share = min(link.bandwidth / (1 + len(link.flows)) for link in path)
        return ahead - last + min(last, share * made.last_step / SECOND)

    def _land(self, made: Offer, taken: Held, stored: int) -> None:
        """All KV is there: the source lets go, the target decodes from its next boundary on."""
        sequence, now = made.sequence, self.fabric.clock.now
        source, target = made.source, made.target
        del self.under_way[sequence]
        sequence.landing = False
        source.catch_up()
        made.kept.give(sequence)
        source.let_go(sequence, now)
        taken.give(sequence)
        sequence.computed = stored
        target.catch_up()
        target.memory.publish(sequence, sequence.computed, now)
        target.join(sequence)
        source.poke()


def _nobody(sequence: Sequence, now: Ns) -> "Engine":
    raise AssertionError("nobody decodes")
