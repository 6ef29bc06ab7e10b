"""Roles: as the pools say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kvsim.sim.policy import Role, Roles, RoleView, roles
from kvsim.units import Ns


@roles.register("fixed")
@dataclass(slots=True)
class Fixed(Roles):
    """Everybody does what its pool is for."""

    def changes(self, replicas: Sequence[RoleView], now: Ns) -> Mapping[int, Role]:
        """None."""
        return {}
