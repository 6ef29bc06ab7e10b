"""What a request claims when it is admitted, besides the blocks that it takes as it grows."""

from typing import TYPE_CHECKING, ClassVar, Protocol

from kvsim.sim.buddy import Buddy
from kvsim.sim.clock import Clock
from kvsim.sim.policy import Allocation
from kvsim.sim.recorder import NEVER, NOBODY, Recorder
from kvsim.sim.sequence import Sequence
from kvsim.traces.request import Request

if TYPE_CHECKING:
    from kvsim.sim.memory import KVMemory


class Claims(Protocol):
    """What a memory hands out at admission, and takes back when the request leaves."""

    aside: ClassVar[bool]
    """It comes out of bytes that nothing else may take, not out of those that are free."""

    def refusal(self, request: Request) -> str | None:
        """Why `request` can never have any; None if it can."""
        ...

    def fits(self, sequence: Sequence) -> bool:
        """Whether there is some for `sequence` now."""
        ...

    def take(self, sequence: Sequence) -> int:
        """Give `sequence` its own; bytes."""
        ...

    def give(self, sequence: Sequence) -> int:
        """`sequence` leaves; bytes."""
        ...

    def tokens(self, sequence: Sequence) -> int:
        """Tokens that `sequence` has room for by that; 0 where it is no room for tokens."""
        ...

    def check(self) -> None:
        """Nothing is made, lost or given twice."""
        ...


class Pieces:
    """One piece a request, as large as its allocation says, out of a buddy allocator."""

    aside: ClassVar[bool] = False

    def __init__(self, allocation: Allocation, tokens: int, token_bytes: int, longest: int) -> None:
        self.allocation = allocation
        self.token_bytes = token_bytes
        self.longest = longest
        """Most tokens of a text."""
        self.buddy = Buddy(tokens)
        self._places: dict[Sequence, int] = {}

    def size(self, request: Request) -> int:
        """Tokens that are reserved for `request`."""
        answer = None
        if "future" in self.allocation.needs:
            answer = request.output_tokens + sum(pause.returned for pause in request.pauses)
        return self.allocation.reserve(request.prompt_tokens, self.longest, answer)

    def refusal(self, request: Request) -> str | None:
        """More is reserved for it than the largest piece of an empty memory has."""
        size, largest = self.size(request), self.buddy.largest
        if size <= largest:
            return None
        return f"its piece of {size} tokens is more than the replica's largest, {largest}"

    def fits(self, sequence: Sequence) -> bool:
        """Whether a piece that is large enough is free."""
        return self.buddy.fits(self.size(sequence.request))

    def take(self, sequence: Sequence) -> int:
        """The lowest of the smallest that are."""
        self._places[sequence] = place = self.buddy.take(self.size(sequence.request))
        return self.buddy.size(place) * self.token_bytes

    def give(self, sequence: Sequence) -> int:
        """Its piece is free, and joined with its neighbour if that is too."""
        return self.buddy.give(self._places.pop(sequence)) * self.token_bytes

    def tokens(self, sequence: Sequence) -> int:
        """As many as are reserved: what a power of two is more than that is nobody's."""
        return self.size(sequence.request)

    def check(self) -> None:
        """As the allocator's own."""
        self.buddy.check()


class Slots:
    """One of a fixed number of slots a request, each for its recurrent state."""

    aside: ClassVar[bool] = True

    def __init__(self, slots: int, state_bytes: int) -> None:
        self.slots = slots
        self.state_bytes = state_bytes
        self.free = slots

    def refusal(self, request: Request) -> str | None:
        """A state is as large for everybody."""
        del request
        return None

    def fits(self, sequence: Sequence) -> bool:
        """Whether one is free."""
        del sequence
        return self.free > 0

    def take(self, sequence: Sequence) -> int:
        """Any: they are alike."""
        del sequence
        self.free -= 1
        return self.state_bytes

    def give(self, sequence: Sequence) -> int:
        """It is free again."""
        del sequence
        self.free += 1
        return self.state_bytes

    def tokens(self, sequence: Sequence) -> int:
        """A state has no room for tokens."""
        del sequence
        return 0

    def check(self) -> None:
        """No more than there are."""
        assert 0 <= self.free <= self.slots


def follow(memory: "KVMemory", replica: int, clock: Clock, recorder: Recorder) -> None:
    """Tell `recorder`, if it wants to know, of the claims on `memory`; what was claimed is gone."""
    if not recorder.follows_claims:
        return
    tree = memory.tree

    def told(sequence: Sequence, stored: int, room: int | None) -> None:
        if room is not None and memory.claims is not None:
            room = max(room, memory.claims.tokens(sequence))
        recorder.claimed(
            sequence.id, replica, clock.now, stored, NEVER if room is None else room,
            sequence.published, tree.locked, tree.bytes,
        )  # fmt: skip

    memory.told = told
    recorder.claimed(NOBODY, replica, clock.now, 0, NEVER, 0, 0, 0)
