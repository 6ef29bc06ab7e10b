"""Sessions replayed: first turns arrive by the trace, later ones when the turn before is over."""

from collections import deque
from collections.abc import Iterator, Mapping

from kvsim.traces.reader import Turn
from kvsim.traces.request import Request
from kvsim.traces.runs import continued
from kvsim.units import Ns


def gaps(turns: Iterator[Turn]) -> Iterator[Turn]:
    """Rows whose `think` is the pause before them, as well as the trace knows it.

    That is the recorded think time; or else the time since the session's turn before arrived, less
    what its service took if that was recorded. Where it was not, the pause holds the service. No
    pause is longer than the time between the two arrivals, whatever was recorded.
    """
    before: dict[int, tuple[Ns, Ns]] = {}
    for turn in turns:
        request, think = turn.request, turn.think
        if request.session is not None:
            arrival, service = before.get(request.session, (request.arrival, 0))
            apart = request.arrival - arrival
            think = max(apart - service, 0) if think is None else min(think, apart)
            before[request.session] = (request.arrival, turn.service or 0)
        yield Turn(request, think, turn.service)


class Sessions:
    """One replay. Reads on in the trace only as far as the next turn of a session asks for."""

    def __init__(
        self, turns: Iterator[Turn], sizes: Mapping[int, int], starts: int, rate_scale: float
    ) -> None:
        self._turns = turns
        self._starts = starts
        """First turns, and requests without a session, that have not been read."""
        self._unread = dict(sizes)
        """Turns of each session that have not been read."""
        self._rate_scale = rate_scale
        self._first: deque[Turn] = deque()
        """First turns that were read ahead."""
        self._later: dict[int, deque[Turn]] = {}
        """Turns of sessions under way that were read ahead."""

    def starts(self) -> Iterator[Request]:
        """First turns, and requests without a session, in order of arrival."""
        while self._first or (self._starts and self._read()):
            if self._first:
                turn = self._first.popleft()
                yield self._placed(turn, round(turn.request.arrival / self._rate_scale))

    def following(self, request: Request, finished: Ns) -> Request | None:
        """The turn after `request`, a pause after its end; None if it was the last."""
        turn = None if request.session is None else self._ahead(request.session)
        if turn is None:
            return None
        assert request.session is not None
        self._later[request.session].popleft()
        return self._placed(turn, finished + (turn.think or 0))

    def _placed(self, turn: Turn, arrival: Ns) -> Request:
        request = turn.request
        after = None if request.session is None else self._ahead(request.session)
        blocks = request.blocks if after is None else continued(request, after.request)
        return request._replace(arrival=arrival, blocks=blocks)

    def _ahead(self, session: int) -> Turn | None:
        """The session's next turn; reads on if it has not been met yet."""
        while not self._later.get(session):
            if not self._unread[session]:
                self._later.pop(session, None)
                return None
            self._read()
        return self._later[session][0]

    def _read(self) -> bool:
        turn = next(self._turns, None)
        if turn is None:
            return False
        session = turn.request.session
        if session is None:
            self._first.append(turn)
            self._starts -= 1
            return True
        self._unread[session] -= 1
        if session in self._later:
            self._later[session].append(turn)
        else:
            self._first.append(turn)
            self._starts -= 1
            if self._unread[session]:
                self._later[session] = deque()
        return True
