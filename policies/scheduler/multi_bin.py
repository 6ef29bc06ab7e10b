"""Scheduler: batches of answers of about the same length."""

from collections.abc import Iterator
from dataclasses import dataclass

from kvsim.sim.policy import EngineView, Move, Prefill, Scheduler, SequenceView, scheduler


@scheduler.register("multi_bin")
@dataclass(slots=True)
class MultiBin(Scheduler):
    """Static batches, each out of one bin of predicted lengths (multi-bin batching).

    Guldogan et al., Multi-bin batching for increasing LLM inference throughput, 2024. A batch lasts
    as long as its longest answer; with lengths even over [shortest, longest] and k bins it does so
    for E = shortest + (longest - shortest) (i + B / (B + 1)) / k on average over bins i < k. A bin
    is served when it has a full batch, or when the machine would idle otherwise.
    """

    sequences: int = 8
    """Requests of a batch, B."""
    bins: int = 4
    shortest: int = 1
    longest: int = 1024
    """Tokens of answers between which bins are equally wide."""

    def plan(self, view: EngineView) -> Iterator[Move]:
        """A batch of one bin, when the last one has ended."""
        for sequence in tuple(view.prefilling):
            yield Prefill(sequence, sequence.missing)
        if view.running_requests:
            return
        for sequence in self._batch(view):
            cached = view.cached(sequence)
            if not view.fits(sequence, sequence.missing):
                return
            yield Prefill(sequence, sequence.missing - cached)

    def _batch(self, view: EngineView) -> list[SequenceView]:
        """The oldest full batch, or the largest of those that are not full."""
        bins: dict[int, list[SequenceView]] = {}
        for one in view.waiting:
            bins.setdefault(self._bin(view, one), []).append(one)
        full = [found for found in bins.values() if len(found) >= self.sequences]
        if full:
            chosen = min(full, key=lambda found: found[self.sequences - 1].id)
        else:
            chosen = max(bins.values(), key=lambda found: (len(found), -found[0].id), default=[])
        return chosen[: self.sequences]

    def _bin(self, view: EngineView, sequence: SequenceView) -> int:
        share = (view.predicted(sequence) - self.shortest) / max(1, self.longest - self.shortest)
        return min(self.bins - 1, max(0, int(share * self.bins)))
