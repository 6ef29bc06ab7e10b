"""What restoring a prefix takes in other ways than loading or computing all of it.

One request, an idle link and an idle GPU: Cake's meeting point, hidden states projected layer by
layer behind their load (HCache), and hidden states of the first tokens, KV of the others (KVPR).
"""

from typing import Any, NamedTuple

from kvsim.policies.restore.cake import Cake
from kvsim.policies.restore.kvpr import KVPR
from kvsim.sim.fabric import Fabric
from kvsim.sim.policy import RestoreView
from kvsim.sim.tier import Form, Reach
from kvsim.sim.timing import Chunk, StepTime, alone, projection
from kvsim.units import MS, Ns


class Ways(NamedTuple):
    """Of one tier, as one replica reaches it."""

    fabric: Fabric
    reach: Reach
    timing: StepTime
    classes: int
    layers: int
    """Of the model: parts in which hidden states come up."""

    def told(self, tokens: int) -> dict[str, Any]:
        """By way; None for hidden states where nothing says how long projecting them takes."""
        tokens -= tokens % self.reach.tier.tree.block_tokens
        loaded, both_ends = self.cake(tokens)
        told: dict[str, Any] = {
            "cake": {"loaded": loaded, "ms": both_ends / MS}, "hcache": None, "kvpr": None,
        }  # fmt: skip
        if self.reach.tier.hidden and self.timing.projects:
            first, split = self.kvpr(tokens)
            told["hcache"] = {"ms": self.hcache(tokens) / MS}
            told["kvpr"] = {"hidden": first, "ms": split / MS}
        return told

    def cake(self, tokens: int) -> tuple[int, Ns]:
        """Tokens that have been loaded from the back when computing from the front meets them.

        Neither side gives up a piece it has begun, so a short prefix is better loaded whole.
        """
        piece = Cake().piece
        latency = sum(link.latency for link in self.reach.read)
        front, back = 0, tokens
        computed, landed = 0, latency
        while front < back:
            if computed < landed and back < tokens:
                taken = min(piece, back - front)
                computed += alone(self.timing, Chunk(taken, front), self.classes)
                front += taken
            else:
                taken = min(piece, back - front)
                landed += self._load(taken, "kv") - latency
                back -= taken
        return tokens - back, max(computed, landed if back < tokens else 0)

    def hcache(self, tokens: int) -> Ns:
        """The longest way through loading and projecting layer by layer."""
        load, project = self._load(tokens, "hidden"), self._project(tokens)
        latency = sum(link.latency for link in self.reach.read)
        first = latency + (load - latency) // self.layers
        return max(first + project, load + project // self.layers)

    def kvpr(self, tokens: int) -> tuple[int, Ns]:
        """Tokens that come as hidden states, and until all is there."""
        load, hidden, project = (
            self._load(tokens, "kv"), self._load(tokens, "hidden"), self._project(tokens),
        )  # fmt: skip
        view = RestoreView(tokens, 0, self.reach.tier.name, load, 0, 0, hidden, project)
        first = sum(part.tokens for part in KVPR().ways(view) if part.way == "hidden")
        first -= first % self.reach.tier.tree.block_tokens
        if not first:
            return 0, load
        return first, self._load(first, "hidden") + max(
            self._project(first), self._load(tokens - first, "kv")
        )

    def _load(self, tokens: int, form: Form) -> Ns:
        size = self.reach.tier.size(tokens, form)
        return self.fabric.estimate(size, self.reach.read, self.reach.read_ceiling)

    def _project(self, tokens: int) -> Ns:
        return projection(self.timing, tokens, self.classes)
