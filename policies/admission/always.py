"""Admission: everybody."""

from dataclasses import dataclass

from kvsim.sim.policy import Admission, EngineView, SequenceView, admission
from kvsim.units import Ns


@admission.register("always")
@dataclass(slots=True)
class Always(Admission):
    """Everybody joins the queue. The template: copy this file."""

    def refuses(self, sequence: SequenceView, view: EngineView, now: Ns) -> str | None:
        """Never."""
        return None
