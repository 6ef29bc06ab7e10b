"""The questions what a replica computes next, and who leaves when memory runs out."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Reversible
from collections.abc import Sequence as Ordered
from typing import ClassVar, Literal, NamedTuple

from kvsim.sim.policy.views import EngineView, ReplicaView, SequenceView


class Prefill(NamedTuple):
    """A scheduler's move: compute `tokens` more of a prompt in the next step; may admit it."""

    sequence: SequenceView
    tokens: int


class Pause(NamedTuple):
    """A move: a decoding request takes no more tokens for now. It keeps its memory."""

    sequence: SequenceView


class Resume(NamedTuple):
    """A move: a suspended request decodes again. Only where `view.resumes` says so."""

    sequence: SequenceView


class Preempt(NamedTuple):
    """A move: a running request gives its memory back and returns to the head of the queue.

    Where its KV is moved and not computed again, its memory is free a little later: until then
    `view.vacating` is true.
    """

    sequence: SequenceView


class Hold(NamedTuple):
    """A move: decodes take no token in the next step, which computes prompts only."""


class Stand(NamedTuple):
    """A move: the plan is to be made anew after at most so many steps, whatever happens."""

    steps: int


Move = Prefill | Pause | Resume | Preempt | Hold | Stand


class Scheduler(ABC):
    """What the next step computes besides one token for every decoding sequence."""

    always: ClassVar[bool] = False
    """To be asked at every boundary, even with nobody waiting and no prompt begun."""
    remembers: ClassVar[bool] = False
    """To be told who comes and who is finished: the only ways to learn."""

    @abstractmethod
    def plan(self, view: EngineView) -> Iterator[Move]:
        """Moves for the next step. Each is carried out before the next is asked for.

        Called at every boundary with somebody waiting or suspended, or a prompt begun. Draws no
        random numbers and keeps no memory of the call: asked again without a change in between, it
        says the same. It must not change its mind between boundaries while a batch decodes, unless
        it says with `Stand` for how many steps the plan stands.
        """

    def welcome(self, view: EngineView, sequence: SequenceView) -> None:
        """`sequence` is in the queue since the last plan; called before the next one is asked for.

        Only those that must `awaits` every newcomer may rely on when that is.
        """
        del view, sequence

    def finished(self, view: EngineView, sequence: SequenceView) -> None:
        """`sequence` has its whole answer, and is not among those running any more."""
        del view, sequence

    def awaits(self, view: EngineView) -> bool:
        """Whether a request that has just joined `view.waiting` can change the plan at once.

        False lets the running span go on to its end. Must be true where in doubt.
        """
        del view
        return True


class Preemption(ABC):
    """Who leaves when the running sequences have outgrown memory, and what becomes of its KV."""

    fate: ClassVar[Literal["recompute", "swap", "migrate"]] = "recompute"
    """Its KV is computed again, or waits in the host's memory, or goes to another replica.

    Prompts in progress, and those that nobody has room for, are computed again in any case."""
    space: int = 0
    """Bytes of host memory per GPU for those that are swapped."""
    copy: int = 0
    """Nanoseconds that each copy to or from there takes beside its bytes."""

    @abstractmethod
    def victim(self, running: Reversible[SequenceView], view: EngineView) -> SequenceView:
        """One of `running`, given in order of admission."""

    def target(self, sequence: SequenceView, replicas: Ordered[ReplicaView]) -> int:
        """Where `sequence` migrates to: a place in `replicas`, who all have room for it."""
        del sequence, replicas
        return 0
