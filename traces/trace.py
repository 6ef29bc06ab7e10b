"""A recorded trace as a workload: the file, the part of it that is wanted, how it is replayed."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from kvsim.errors import InputError, perhaps
from kvsim.traces.clock import Placed, one_each, spread, started
from kvsim.traces.discovery import format_of
from kvsim.traces.lines import Lines, UnreadableError, filled_lines, lines_of
from kvsim.traces.portion import Overflow, Portion
from kvsim.traces.reader import Reader, Turn
from kvsim.traces.request import Request, Workload
from kvsim.traces.sessions import Sessions, gaps
from kvsim.units import Ns, duration

Replay = Literal["timestamps", "sessions"]
REPLAYS = ("timestamps", "sessions")
Instants = Callable[[], Iterable[Ns]]
"""Gives the same instants, from the first on, each time it is asked."""


def open_trace(
    path: str | Path,
    format: str | None = None,
    *,
    replay: Replay = "timestamps",
    rate_scale: float = 1.0,
    limit: int | None = None,
    begin: Ns | str | None = None,
    end: Ns | str | None = None,
    spread: bool = True,
    max_context: int | None = None,
    overflow: Overflow = "drop",
    arrivals: Mapping[str, Any] | Iterable[Ns] | None = None,
    seed: int = 1,
) -> Workload:
    """The requests of a trace file, streamed. Raises InputError for a file that is not in order.

    `format` is one of `formats()`; left out, it is found from the file's beginning. Ids count from
    0, the first arrival is at 0.

    `replay="timestamps"`: requests arrive when they did. `"sessions"`: the first turn of each
    session does; a later one arrives a pause after the one before has finished here. The pause is
    the recorded think time; or the time between the two arrivals less the recorded service time of
    the earlier; or, where neither was recorded, the time between the two arrivals, which is too
    long by that service time. A subagent is a session of its own. The generated tokens of a turn
    then carry the block ids that the next turn knows them by.

    `rate_scale` compresses time; in a replay of sessions only their starts, since people do not
    think faster, and for ServeGen rates only. `begin` and `end` (ns, or text such as "90 s") cut a
    window out, counted from the trace's start; `limit` takes the first rows of it. Of these,
    requests with more than `max_context` tokens of prompt and answer are dropped (and counted in
    `workload.dropped`), or cut: the answer is kept, the prompt loses its tail. `spread` distributes
    requests that a slow clock put at the same instant.

    `arrivals` says when requests come whose trace does not: instants in ns, in order, or the fields
    of an arrival process, drawn with `seed`. For a trace of sessions without times between them it
    says when they start. Iterators are kept as far as they are taken, to be repeatable.
    """
    if replay not in REPLAYS:
        raise InputError(f"replay is {replay!r}.{perhaps(str(replay), REPLAYS)}")
    if not isinstance(spread, bool):
        raise InputError(f"spread is {spread!r}. Allowed: true, false.")
    path = Path(path)
    since, until = _moment("begin", begin), _moment("end", end)
    portion = Portion(rate_scale, limit, since or 0, until, max_context, overflow, seed)
    reader = format_of(path, format)
    if arrivals is not None and replay == "sessions" and reader.times == "trace":
        raise InputError(f"{path}: a replay of sessions takes its times from the trace.")
    own = reader.workload(lambda: lines_of(path), portion)
    if own is not None:
        if replay == "sessions" or arrivals is not None:
            raise InputError(f"{path}: a {reader.name} file has no sessions and its own arrivals.")
        return own
    return Trace(path, reader, portion, replay, spread, _instants(reader, path, arrivals, seed))


def recorded(path: str | Path, format: str | None = None) -> Iterator[Turn]:
    """All rows of a trace file as they are, streamed: nothing shifted, spread, cut or numbered."""
    path = Path(path)
    return _located(format_of(path, format), lines_of(path))


class Trace(Workload):
    """Requests that a file records. `open_trace` makes one.

    One replay at a time: `next_turn` belongs to the latest call of `arrivals`.
    """

    def __init__(
        self,
        path: Path,
        reader: Reader,
        portion: Portion,
        replay: Replay = "timestamps",
        spread: bool = True,
        instants: Instants | None = None,
    ) -> None:
        self.path = path
        self.reader = reader
        self.portion = portion
        self.replay = replay
        self.spread = spread
        self.instants = instants
        self.dropped = 0
        """Requests of the latest replay that were too long."""
        self.total = self._expected()
        self._sizes: Counter[int] | None = None
        self._sessions: Sessions | None = None

    def arrivals(self) -> Iterator[Request]:
        """Requests known beforehand, in order of arrival, streamed."""
        if self.replay == "sessions":
            sizes, starts = self._session_sizes()
            scale = self.portion.rate_scale
            turns = self._fitting(gaps, counting=False)
            self._sessions = Sessions(turns, sizes, starts, scale)
            return self._sessions.starts()
        if self.portion.rate_scale == 1:
            return (turn.request for turn in self._fitting())
        return (self._compressed(turn.request) for turn in self._fitting())

    def next_turn(self, request: Request, finished: Ns) -> Request | None:
        """The session's next turn, a pause after `finished`, if sessions are replayed."""
        return None if self._sessions is None else self._sessions.following(request, finished)

    def rows(self) -> Iterator[Turn]:
        """The rows from `begin` to `end`, not numbered; the first arrives at 0."""
        begin, end = self.portion.begin, self.portion.end
        first: Ns | None = None
        shift: Ns | None = None
        for at, turn in self._placed():
            if first is None:
                first = at
            if at - first < begin:
                continue
            if end is not None and at - first >= end:
                break
            if shift is None:
                shift = at
            request = Request._make((0, at - shift, *turn.request[2:]))
            yield Turn(request, turn.think, turn.service)
        if shift is None:
            what = "has no requests" if first is None else "has no requests between begin and end"
            raise InputError(f"{self.path} {what}.")

    def _compressed(self, request: Request) -> Request:
        return request._replace(arrival=round(request.arrival / self.portion.rate_scale))

    def _session_sizes(self) -> tuple[Counter[int], int]:
        """Turns of each session, and how many requests are not caused by another.

        From a first pass over the trace: so a replay never reads on for a turn in vain.
        """
        if self._sizes is None:
            sizes: Counter[int] = Counter()
            total = 0
            for turn in self._fitting():
                total += 1
                if turn.request.session is not None:
                    sizes[turn.request.session] += 1
            if total and not sizes:
                raise InputError(
                    f"{self.path} has no sessions: a {self.reader.name} trace like this can be "
                    "replayed by timestamps only."
                )
            self._sizes, self.total = sizes, total
        assert self.total is not None
        return self._sizes, self.total - self._sizes.total() + len(self._sizes)

    def _fitting(
        self, prepared: Callable[[Iterator[Turn]], Iterator[Turn]] = iter, counting: bool = True
    ) -> Iterator[Turn]:
        """Rows of the portion that are served, numbered, with arrivals from 0 on."""
        if counting:
            self.dropped = 0
        id = 0
        fit = self.portion.fit
        for turn in prepared(self.rows()):
            request = fit(turn.request)
            if request is None:
                self.dropped += counting
                continue
            yield Turn(Request._make((id, *request[1:])), turn.think, turn.service)
            id += 1
            if id == self.portion.limit:
                break

    def _placed(self) -> Iterator[Placed]:
        turns = _located(self.reader, lines_of(self.path))
        if self.instants is not None:
            if self.reader.times == "session":
                return started(turns, self.instants())
            return one_each(self._short(turns), self.instants())
        placed = ((turn.request.arrival, turn) for turn in turns)
        return spread(placed, self.reader.tick) if self.spread else placed

    def _short(self, turns: Iterator[Turn]) -> Iterator[Turn]:
        """Rows that are not dropped: those that are take no arrival from the others."""
        for turn in turns:
            if self.portion.fit(turn.request) is None:
                self.dropped += 1
            else:
                yield turn

    def _expected(self) -> int | None:
        """How many requests there will be, where each line is one and all are wanted."""
        portion, reader = self.portion, self.reader
        cut = portion.begin or portion.end is not None or portion.max_context is not None
        if cut or not reader.row_per_line or self.instants is not None:
            return None
        lines = filled_lines(self.path)
        if lines is None:
            return None
        lines -= reader.headed
        return lines if portion.limit is None else min(lines, portion.limit)


def _located(reader: Reader, lines: Lines) -> Iterator[Turn]:
    """The rows, in order of time; errors say where they are."""
    earlier: Ns = 0
    ordered = reader.times == "trace"
    try:
        for turn in reader.turns(lines):
            at = turn.request.arrival
            if ordered and at < earlier:
                raise InputError(
                    f"the request arrives {(earlier - at) / 1e9:g} s before the one above it; a "
                    "trace has to be in order of time."
                )
            earlier = at
            yield turn
    except UnreadableError:
        raise
    except InputError as fault:
        raise InputError(f"{lines.place}: {fault}") from None


def _moment(field: str, value: Ns | str | None) -> Ns | None:
    if value is None or type(value) is int:
        return value
    try:
        return duration(value)
    except InputError as fault:
        raise InputError(f"{field}: {fault}") from None


def _instants(
    reader: Reader, path: Path, arrivals: Mapping[str, Any] | Iterable[Ns] | None, seed: int
) -> Instants | None:
    if arrivals is None and reader.times == "trace":
        return None
    if arrivals is None:
        what = "its requests arrive" if reader.times == "none" else "its sessions start"
        raise InputError(f"{path} does not say when {what}; give `arrivals`.")
    if isinstance(arrivals, Mapping):
        from kvsim.traces.generators.arrivals import instants

        spec = arrivals
        return lambda: instants(spec, seed)
    if isinstance(arrivals, str) or not isinstance(arrivals, Iterable):
        raise InputError(f"arrivals: found {arrivals!r}; write the fields of an arrival process.")
    if isinstance(arrivals, Iterator):
        return _kept(arrivals)
    again = arrivals
    return lambda: again


def _kept(source: Iterator[Ns]) -> Instants:
    """The instants of an iterator, remembered as they are taken."""
    taken: list[Ns] = []

    def replayed() -> Iterator[Ns]:
        place = 0
        while True:
            if place == len(taken):
                following = next(source, None)
                if following is None:
                    return
                taken.append(following)
            yield taken[place]
            place += 1

    return replayed
