"""Time in the machine: who goes first at one instant, and an alarm that can be moved.

SimPy keeps the queue; this file only says what is put in it.
"""

from typing import TYPE_CHECKING

from simpy import Environment, Event
from simpy.events import EventPriority

from kvsim.units import Ns

REPLICAS_PER_RANK = 1 << 20
FINISH, LANDED, ARRIVAL, PLAN = (rank * REPLICAS_PER_RANK for rank in range(4))
"""Order of simultaneous events. The replica's index breaks ties; insertion order never does."""


class Clock(Environment):
    """SimPy's queue of events, whose time is an integer."""

    if TYPE_CHECKING:

        @property
        def now(self) -> Ns:
            """This instant."""
            ...


class Alarm(Event):
    """An event that fires at a chosen instant, and can be told to fire earlier."""

    def __init__(self, env: Clock, at: Ns, rank: int) -> None:
        super().__init__(env)
        self._clock = env
        self._ok = True
        self._value = None
        env.schedule(self, EventPriority(rank), at - env.now)

    def moved(self, at: Ns, rank: int) -> "Alarm":
        """A new alarm for the same sleepers; this one then fires unheard."""
        earlier = Alarm(self._clock, at, rank)
        earlier.callbacks, self.callbacks = self.callbacks, []
        return earlier
