"""How long a step takes: the question. Answers are tables, built elsewhere."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from mypy_extensions import mypyc_attr

from kvsim.models import Attention
from kvsim.units import Ns

FOREVER = 1 << 60
"""Steps for which a pace holds that nothing ends."""
FRACTION = 20
"""Step times are integers in units of 2**-FRACTION ns, so that long spans round once."""


class Chunk(NamedTuple):
    """A piece of a prompt computed in one step."""

    tokens: int
    history: int
    """Tokens of the same sequence whose KV is already there and is attended to."""
    projected: int = 0
    """Tokens of the history that came as hidden states: their K and V are made in this step."""


class Work(NamedTuple):
    """What one step computes, summed over the batch. One entry per attention class of the model."""

    decodes: int
    """Sequences that take one token each."""
    contexts: tuple[int, ...]
    """Per attention class: stored tokens the decodes read in this step, their own included."""
    growing: tuple[int, ...]
    """Per attention class: by how much `contexts` grows with each further step of this batch."""
    chunks: tuple[Chunk, ...]
    sampled: int
    """Rows that go through the LM head: decodes, and chunks that end their prompt."""
    shared: int = 0
    """Tokens of full contexts that the attention kernel has read for another decode already."""
    spread: int = 0
    """Standard deviation of the decodes' contexts times their number, in tokens."""
    idle: int = 0
    """Tokens stored of requests that take none in this step, where step times ask for it."""


class Pace(NamedTuple):
    """Durations of a run of equal steps: step k (from 0) takes first + k * growth."""

    first: int
    """In 2**-FRACTION ns."""
    growth: int
    """In 2**-FRACTION ns per step."""
    steps: int
    """How many steps this holds for: exactly what asking again at each of them would give."""
    extrapolated: bool
    """Some look-up left the measured grid."""

    def at_least(self, first: int, growth: int) -> "Pace":
        """This, or the bound where that is larger, up to the step at which they cross."""
        ahead, gain = self.first - first, self.growth - growth
        if ahead >= 0:
            if gain >= 0:
                return self
            steps = min(self.steps, ahead // -gain + 1)
            return Pace(self.first, self.growth, steps, self.extrapolated)
        steps = self.steps if gain <= 0 else min(self.steps, (-ahead - 1) // gain + 1)
        return Pace(first, growth, steps, self.extrapolated)


@mypyc_attr(allow_interpreted_subclasses=True)
class StepTime(ABC):
    """The duration of a step on one replica. Pure: the same work, the same answer."""

    peak_flops: float
    """FLOP/s of the replica, all its GPUs together."""
    bandwidth: float
    """HBM bytes/s of the replica, all its GPUs together."""
    classes: tuple[Attention, ...]
    """Attention classes of the model on one rank; a step's contexts are counted for each."""
    counts_idle: bool = False
    """Whether it wants to know `Work.idle`."""
    projects: bool = True
    """Whether it knows how long making K and V of hidden states takes."""

    @abstractmethod
    def pace(self, work: Work) -> Pace:
        """Duration of the next step and how it grows. Work with chunks holds for one step."""

    @abstractmethod
    def flops(self, work: Work) -> tuple[int, int]:
        """FLOPs of the next step, and by how many each further step has more."""

    @abstractmethod
    def bytes_moved(self, work: Work) -> tuple[int, int]:
        """HBM bytes of the next step, and by how many each further step has more."""

    def parts(self, work: Work) -> dict[str, float]:
        """The next step's time in ns by what takes it, for people; bounds apart, they add up."""
        return {"step": self.pace(work).first / (1 << FRACTION)}


def alone(timing: StepTime, chunk: Chunk, classes: int) -> Ns:
    """How long `chunk` takes in a step of its own, in a model of so many attention classes."""
    idle = (0,) * classes
    return timing.pace(Work(0, idle, idle, (chunk,), 0)).first >> FRACTION


def projection(timing: StepTime, tokens: int, classes: int) -> Ns:
    """What making K and V of `tokens` hidden states adds to a step."""
    without, beside = Chunk(1, tokens), Chunk(1, tokens, tokens)
    return alone(timing, beside, classes) - alone(timing, without, classes)
