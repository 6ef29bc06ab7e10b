"""Roles: a mixed pool between the other two."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kvsim.sim.policy import Role, Roles, RoleView, roles
from kvsim.units import MS, Ns


@roles.register("splitwise")
@dataclass(slots=True)
class Splitwise(Roles):
    """Where a pool overflows, a replica of the other one joins a mixed pool until it is free again.

    Patel et al., Splitwise: efficient generative LLM inference using phase splitting, ISCA 2024:
    prompts overflow when the shortest queue of those that compute them is too long, answers when no
    replica that decodes has memory. The paper's scheduler looks at each arrival, this one at a
    period. A mixed replica goes home when the other kind of work is done there.
    """

    queue: int = 8192
    """Tokens of prompts in the shortest queue (its simulator's `prompt_max_pending_batch_tokens`,
    as a published configuration sets it)."""
    kv: float = 0.95
    """Share of memory from which a replica counts as full; its simulator foresees lengths."""
    period: int = 100 * MS
    switch: int = 0
    """Replicas of both pools hold the same model."""

    def changes(self, replicas: Sequence[RoleView], now: Ns) -> Mapping[int, Role]:
        """Those that are free go home; one joins for each pool that overflows."""
        found: dict[int, Role] = {
            one.replica: one.home
            for one in replicas
            if one.role == "mixed" and not (one.prompts if one.home == "decode" else one.answers)
        }
        prompts = [one.queued_tokens for one in replicas if one.role != "decode"]
        memory = [one.kv for one in replicas if one.role != "prefill"]
        if prompts and min(prompts) > self.queue:
            decode = [one for one in replicas if one.role == "decode"]
            if decode:
                found[min(decode, key=lambda one: (one.queued_tokens, one.kv)).replica] = "mixed"
        if memory and min(memory) > self.kv:
            prefill = [one for one in replicas if one.role == "prefill"]
            if prefill:
                found[min(prefill, key=lambda one: (one.kv, one.replica)).replica] = "mixed"
        return found
