"""Time in the machine: who goes first at one instant, and an alarm that can be moved.

SimPy keeps the queue; this file only says what is put in it.
"""

from collections.abc import Callable
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


def ring(clock: Clock, at: Ns, rank: int, what: Callable[[], None]) -> Alarm:
    """Let `what` happen at instant `at`."""
    alarm = Alarm(clock, at, rank)
    assert alarm.callbacks is not None
    alarm.callbacks.append(lambda event: what())
    return alarm


class Sleeper:
    """What one process waits for: an instant, which may be moved forward, or to be woken."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._alarm: Alarm | None = None
        self._idle: Event | None = None

    @property
    def is_idle(self) -> bool:
        """Whether it waits for `wake` only."""
        return self._idle is not None

    def until(self, at: Ns, rank: int) -> Event:
        """Until `at`."""
        self._alarm = Alarm(self.clock, at, rank)
        return self._alarm

    def move(self, at: Ns, rank: int) -> None:
        """Until `at` instead, which is earlier."""
        assert self._alarm is not None
        self._alarm = self._alarm.moved(at, rank)

    def forever(self) -> Event:
        """Until somebody calls `wake`."""
        self._alarm, self._idle = None, Event(self.clock)
        return self._idle

    def wake(self, rank: int) -> None:
        """End `forever` at this instant; nothing for who does not wait so."""
        if self._idle is not None:
            Alarm(self.clock, self.clock.now, rank).callbacks = self._idle.callbacks
            self._idle.callbacks, self._idle = [], None
