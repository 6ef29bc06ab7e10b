"""Closed loop: so many users, each of whom sends the next request when the last one is answered."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from kvsim.traces.generators.chance import stream
from kvsim.traces.generators.distributions import NONE, Durations
from kvsim.traces.generators.fields import Count, Duration, FieldError
from kvsim.traces.generators.independent import Independent, Shape
from kvsim.traces.request import Request
from kvsim.units import Ns


@dataclass(kw_only=True)
class ClosedLoop(Independent):
    """Always `concurrency` requests in flight, as load generators with a fixed concurrency do.

    Users take the next request from one list, so the k-th request sent has the same lengths
    whatever the order of finishing. One run at a time: `arrivals` starts the loop anew.
    """

    concurrency: Count
    """Requests in flight until the last have been sent."""
    jitter: Duration = 0
    """The first requests come at random instants within this time, instead of all at once."""
    think_time: Durations = NONE
    """From an answer's end to the user's next request."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.total = self.requests or self.rows()
        if self.total is None:
            raise FieldError("requests", "is missing; write how many are sent in all.")
        self._coming: Iterator[tuple[int, Shape]] = iter(())
        self._pauses: Iterator[Ns] = iter(())

    def arrivals(self) -> Iterator[Request]:
        """The first requests; each of the others is caused by the end of one."""
        self._coming = enumerate(islice(self.shapes(), self.total))
        self._pauses = self.think_time.values(self.seed, "think_time")
        first = list(islice(self._coming, self.concurrency))
        starts = stream(self.seed, "jitter").integers(0, self.jitter, len(first), endpoint=True)
        starts.sort()
        return iter(
            [
                self.request(id, at, shape)
                for at, (id, shape) in zip(starts.tolist(), first, strict=True)
            ]
        )

    def next_turn(self, request: Request, finished: Ns) -> Request | None:
        """The next request of the list, by the user who has been answered."""
        del request
        for id, shape in self._coming:
            return self.request(id, finished + next(self._pauses), shape)
        return None
