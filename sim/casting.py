"""Replicas that change between computing prompts and decoding while they run.

A role is what is sent to a replica. Whoever changes finishes what it has, prompts and answers in
one batch, and takes the new kind of requests after the policy's `switch`; weights and cache stay.
One that is mixed takes both, and keeps the answers of its own prompts.

Nobody waits in a circle: who decodes has no request that waits for room elsewhere, so those that
wait for room are at replicas that have only computed prompts since.
"""

import math

from kvsim.sim.clock import PLAN, ring
from kvsim.sim.cluster import Cluster
from kvsim.sim.engine import Engine
from kvsim.sim.policy import Role, Roles, RoleView


class Casting:
    """All replicas of a cluster whose pools divide the work."""

    def __init__(self, cluster: Cluster, policy: Roles) -> None:
        self.cluster = cluster
        self.policy = policy
        self.roles: dict[Engine, Role] = {
            engine: "decode" if engine in cluster.decoders else "prefill"
            for engine in cluster.engines
            if engine in cluster.decoders or engine.handoff is not None
        }
        self.homes = dict(self.roles)
        self._changing: set[Engine] = set()
        self._await()

    def _await(self) -> None:
        ring(self.cluster.env, self.cluster.env.now + self.policy.period, PLAN - 1, self._ask)

    def _ask(self) -> None:
        """Ask the policy; ends when nothing else happens."""
        views = [self._view(one) for one in self.roles if self._can_change(one)]
        for index, role in self.policy.changes(views, self.cluster.env.now).items():
            self._change(self.cluster.engines[index], role)
        if self.cluster.env.peek() < math.inf:
            self._await()

    def _can_change(self, engine: Engine) -> bool:
        return engine.is_open and engine not in self._changing

    def _view(self, engine: Engine) -> RoleView:
        prompts, tokens = engine.prompts, engine.queued_tokens
        engine.catch_up()
        memory = engine.memory
        answers = engine.waiting_requests + engine.running_requests - prompts
        return RoleView(
            engine.index, self.homes[engine], self.roles[engine], prompts, tokens, answers,
            memory.leased / max(1, memory.capacity),
        )  # fmt: skip

    def _change(self, engine: Engine, role: Role) -> None:
        """`engine` takes nothing new until it has switched."""
        cluster = self.cluster
        left = {"prefill": cluster.decoders, "decode": cluster.entries}.get(role, [])
        if engine in left:
            if not any(one.is_open for one in left if one is not engine):
                return
            left.remove(engine)
        self.roles[engine] = role
        cluster.recorder.cast(engine.index, cluster.env.now, role)
        if not self.policy.switch:
            self._take_up(engine)
            return
        self._changing.add(engine)
        at = cluster.env.now + self.policy.switch
        ring(cluster.env, at, PLAN - 1, lambda: self._take_up(engine))

    def _take_up(self, engine: Engine) -> None:
        cluster, role = self.cluster, self.roles[engine]
        self._changing.discard(engine)
        assert cluster.handoff is not None
        engine.handoff = cluster.handoff if role == "prefill" else None
        if role != "prefill":
            cluster.handoff.recall(engine)
        for side, other in ((cluster.entries, "decode"), (cluster.decoders, "prefill")):
            if role != other and engine not in side:
                side.append(engine)
                side.sort(key=lambda one: one.index)
        cluster.serve_stranded()
