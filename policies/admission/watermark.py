"""Admission: as long as the queue is short."""

from dataclasses import dataclass

from kvsim.sim.policy import Admission, EngineView, SequenceView, admission
from kvsim.units import Ns


@admission.register("watermark")
@dataclass(slots=True)
class Watermark(Admission):
    """A replica whose queue has reached a mark turns newcomers away (load shedding)."""

    waiting: int = 256
    """Requests in the queue."""

    def refuses(self, sequence: SequenceView, view: EngineView, now: Ns) -> str | None:
        """Above the mark."""
        return "the queue is full" if len(view.waiting) >= self.waiting else None
