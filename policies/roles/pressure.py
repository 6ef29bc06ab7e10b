"""Roles: prefill instances become decode instances and back, one at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kvsim.sim.policy import Role, Roles, RoleView, roles
from kvsim.units import SECOND, Ns


@roles.register("pressure")
@dataclass(slots=True)
class Pressure(Roles):
    """The side that is short gets a replica of the other one, if that one is not short too.

    Prompts are short of replicas when more than `queue` tokens wait for each; answers when they
    hold more than `kv` of the memory. The replica with the least to do changes. All thresholds are
    choices of this file, for want of published ones.
    """

    queue: int = 8192
    """Tokens of prompts per replica that computes them: one full step of the default scheduler."""
    kv: float = 0.8
    """Share of the memory of replicas that decode."""
    period: int = 1 * SECOND
    switch: int = 0
    """Roles differ in what is sent to a replica: nothing has to be loaded."""

    def changes(self, replicas: Sequence[RoleView], now: Ns) -> Mapping[int, Role]:
        """One change at most."""
        prefill = [one for one in replicas if one.role == "prefill"]
        decode = [one for one in replicas if one.role == "decode"]
        if not prefill or not decode:
            return {}
        queued = sum(one.queued_tokens for one in prefill) > self.queue * len(prefill)
        full = sum(one.kv for one in decode) > self.kv * len(decode)
        if queued and not full:
            spare = min(decode, key=lambda one: (one.kv, one.replica))
            return {spare.replica: "prefill"}
        if full and not queued:
            spare = min(prefill, key=lambda one: (one.queued_tokens, one.replica))
            return {spare.replica: "decode"}
        return {}
