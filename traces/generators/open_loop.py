"""Open loop: requests come at their rate, whatever becomes of those before them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from kvsim.traces.generators.arrivals import Arrivals, Burstiness, Process, Rate
from kvsim.traces.generators.fields import Duration, FieldError
from kvsim.traces.generators.independent import Independent
from kvsim.traces.request import Request


@dataclass(kw_only=True)
class OpenLoop(Independent):
    """Requests at a rate: `open_loop: {rate: 2/s, input_tokens: 512, output_tokens: 128, ...}`."""

    rate: Rate
    process: Process = "poisson"
    cv: Burstiness | None = None
    duration: Duration | None = None
    """No request arrives from this instant on."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._arrivals = Arrivals(self.rate, self.process, self.cv, self.duration)
        if self.requests is None and not self._arrivals.ends:
            self.requests = self.rows()
            if self.requests is None:
                raise FieldError("requests", "is missing; write how many, or a `duration`.")
        self.total = None if self._arrivals.ends else self.requests

    def arrivals(self) -> Iterator[Request]:
        """All requests, one after the other."""
        coming = zip(self._arrivals.instants(self.seed), self.shapes(), strict=False)
        for id, (at, shape) in enumerate(islice(coming, self.requests)):
            yield self.request(id, at, shape)
