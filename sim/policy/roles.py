"""The question who computes prompts and who decodes, where pools divide the work."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from collections.abc import Sequence as Ordered
from typing import Literal, NamedTuple

from kvsim.units import Ns

Role = Literal["prefill", "decode", "mixed"]


class RoleView(NamedTuple):
    """One replica that takes requests, when it is asked about."""

    replica: int
    """Its index."""
    home: Role
    """What its pool is for."""
    role: Role
    prompts: int
    """Requests here whose prompt is not computed."""
    queued_tokens: int
    """Tokens of these that are to be computed."""
    answers: int
    """Requests that decode here, or will when there is room for their KV."""
    kv: float
    """Share of its KV memory that requests hold."""


class Roles(ABC):
    """Who computes prompts and who decodes. One instance for the cluster."""

    period: int = 0
    """Nanoseconds between two questions; 0: never asked, everybody does what its pool is for."""
    switch: int = 0
    """Nanoseconds in which one that changes takes nothing new; it goes on with what it has."""

    @abstractmethod
    def changes(self, replicas: Ordered[RoleView], now: Ns) -> Mapping[int, Role]:
        """New roles by replica, for those of `replicas` that are to change, in this order.

        The last one that computes prompts, or decodes, keeps doing so whatever is answered.
        """
