"""ServeGen's clients: how often each asks, in windows of ten minutes, and what lengths it draws.

From alibaba/ServeGen (arXiv 2505.09999), one client a line. A workload is the sum over clients. As
in the authors' generator, a window holds its measured rate times its length requests, and the gaps
drawn from its fitted distribution are scaled to fill it: the shape makes the bursts, the rate is
measured. Unlike there, prompt and answer lengths are drawn independently.
"""

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

from kvsim.errors import InputError
from kvsim.traces.lines import Lines
from kvsim.traces.portion import Portion
from kvsim.traces.reader import Reader, Turn, keys, objects, required
from kvsim.traces.request import Request, Workload
from kvsim.units import SECOND, Ns

if TYPE_CHECKING:
    from numpy import float64, int64
    from numpy.random import Generator
    from numpy.typing import NDArray

WINDOW_S = 600
"""Length of a window, where no later one tells: ServeGen's README, ten minutes."""
LAWS = ("Gamma", "Weibull", "")
"""Distributions of gaps; the empty one is exponential."""
MEDIA = ("image", "audio", "video")
"""What a prompt may hold besides text: so many pieces, each of so many tokens."""


class Window(NamedTuple):
    """A stretch of a client's day."""

    start: int
    """Seconds since the trace's start, as all times here."""
    width: int
    rate: float
    """Requests per second."""
    cv: float
    """Coefficient of variation of the gaps, as measured."""
    law: str
    shape: float
    scale: float
    """As fitted; not used to draw, since gaps are scaled to the rate."""


@dataclass(frozen=True, slots=True)
class Density:
    """A discrete distribution of token counts."""

    values: tuple[float, ...]
    weights: tuple[float, ...]

    def mean(self) -> float:
        """Its expected value."""
        weighted = sum(v * w for v, w in zip(self.values, self.weights, strict=True))
        return weighted / sum(self.weights)

    def draw(self, rng: "Generator", size: int) -> "NDArray[int64]":
        """`size` independent values."""
        import numpy as np

        steps = np.cumsum(self.weights)
        places = np.searchsorted(steps, rng.random(size) * steps[-1], side="right")
        drawn = np.asarray(self.values)[np.minimum(places, len(steps) - 1)]
        return np.asarray(np.rint(drawn), np.int64)


Lengths = Mapping[str, Density]
"""Distributions by field."""


@dataclass(frozen=True, slots=True)
class Client:
    """One client: its windows in order, and its lengths, each valid from an instant on."""

    name: str
    windows: tuple[Window, ...]
    lengths: tuple[tuple[int, Lengths], ...]

    def lengths_at(self, start: int) -> Lengths:
        """The lengths that hold at `start`; the earliest ones before they begin."""
        valid = self.lengths[0][1]
        for since, lengths in self.lengths:
            if since > start:
                break
            valid = lengths
        return valid

    def arrivals(self, portion: Portion) -> Iterator[tuple[Ns, int, int]]:
        """Instants from the trace's start, prompt and answer tokens, in order."""
        end = portion.end
        for window in self.windows:
            begins, ends = window.start * SECOND, (window.start + window.width) * SECOND
            if not window.rate or ends <= portion.begin or (end is not None and begins >= end):
                continue
            for arrival in self._window(window, portion):
                if arrival[0] >= portion.begin and (end is None or arrival[0] < end):
                    yield arrival

    def _window(self, window: Window, portion: Portion) -> Iterator[tuple[Ns, int, int]]:
        rng = _stream(portion.seed, f"servegen/{self.name}/{window.start}")
        expected = window.rate * portion.rate_scale * window.width
        count = int(expected + rng.random())  # rounded at random: the mean is kept
        if not count:
            return iter(())
        at = window.start * SECOND + _filled(window, count, rng) * SECOND
        lengths = self.lengths_at(window.start)
        prompt, output = _prompts(lengths, count, rng), lengths["output_tokens"].draw(rng, count)
        return zip(at.astype("int64").tolist(), prompt.tolist(), output.tolist(), strict=True)


class Clients(Workload):
    """The requests of all clients, merged by time. Instant 0 is the portion's beginning."""

    def __init__(self, clients: tuple[Client, ...], portion: Portion) -> None:
        self.clients = clients
        self.portion = portion
        self.dropped = 0
        """Requests of the latest replay that were too long."""

    def arrivals(self) -> Iterator[Request]:
        """Requests in order of time, then of client."""
        self.dropped = 0
        portion, names = self.portion, [client.name for client in self.clients]
        streams = [_numbered(i, c.arrivals(portion)) for i, c in enumerate(self.clients)]
        id = 0
        for at, client, prompt, output in islice(heapq.merge(*streams), portion.limit):
            raw = Request(id, at - portion.begin, prompt, output, client=names[client])
            request = portion.fit(raw)
            if request is None:
                self.dropped += 1
                continue
            yield request
            id += 1


class ServeGen(Reader):
    """Lines of client, windows, pdfs."""

    name = "servegen"
    summary = "ServeGen clients JSONL: rates, burstiness and lengths to draw requests from"
    row_per_line = False

    def detects(self, head: str) -> bool:
        """JSON objects with a client's windows."""
        return keys(head) >= {"client", "windows"}

    def turns(self, lines: Lines) -> Iterator[Turn]:
        """One draw of the whole trace."""
        return map(Turn, Clients(tuple(clients(lines)), Portion()).arrivals())

    def workload(self, lines: Callable[[], Lines], portion: Portion) -> Workload:
        """The sum over the clients. `rate_scale` multiplies rates and leaves the day its length."""
        source = lines()
        try:
            return Clients(tuple(clients(source)), portion)
        except InputError as fault:
            raise InputError(f"{source.place}: {fault}") from None


def clients(lines: Lines) -> Iterator[Client]:
    """The clients of a file. Raises InputError for what is missing or of no known distribution.

    A quarter of the day in which a client was not seen has empty pdfs: the ones before go on.
    """
    for row in objects(lines):
        name = str(required(row, "client"))
        windows = tuple(_windows(required(row, "windows")))
        pdfs = required(row, "pdfs")
        try:
            seen = {int(start): pdf for start, pdf in pdfs.items() if any(pdf.values())}
            since = tuple((start, _lengths(seen[start])) for start in sorted(seen))
        except (TypeError, ValueError, AttributeError) as fault:
            if isinstance(fault, InputError):
                raise
            shape = "{start: {field: [[value, share], …]}}"
            raise InputError(f"pdfs: they are not {shape} ({fault}).") from None
        if not since and any(window.rate for window in windows):
            raise InputError(f"pdfs: client {name} sends requests but has no lengths.")
        yield Client(name, windows, since)


def _windows(rows: Any) -> Iterator[Window]:
    try:
        ends = [row[0] for row in rows[1:]]
        ends.append(2 * rows[-1][0] - rows[-2][0] if len(rows) > 1 else rows[-1][0] + WINDOW_S)
        for (start, rate, cv, law, shape, scale), end in zip(rows, ends, strict=True):
            if law not in LAWS:
                raise InputError(f"windows: found the law {law!r}. Allowed: Gamma, Weibull or ''.")
            if rate < 0 or end <= start or (law and rate and shape <= 0):
                raise InputError(f"windows: found start {start}, rate {rate}, shape {shape}.")
            yield Window(start, end - start, rate, cv, law, shape, scale)
    except (TypeError, ValueError, IndexError) as fault:
        if isinstance(fault, InputError):
            raise
        raise InputError(f"windows: not [[start, rate, cv, law, p1, p2], …] ({fault}).") from None


def _lengths(fields: Mapping[str, list[list[float]]]) -> Lengths:
    found = {
        field: Density(*map(tuple, zip(*pairs, strict=True)))
        for field, pairs in fields.items()
        if pairs
    }
    if "output_tokens" not in found or not found.keys() & {"input_tokens", "text_tokens"}:
        raise InputError("pdfs: needs output_tokens, and input_tokens or text_tokens.")
    return found


def _filled(window: Window, count: int, rng: "Generator") -> "NDArray[float64]":
    """`count` instants inside the window, with gaps of its law, in seconds from its start."""
    import numpy as np

    if window.law == "Gamma":
        gaps = rng.standard_gamma(window.shape, count + 1)
    elif window.law == "Weibull":
        gaps = rng.weibull(window.shape, count + 1)
    else:
        gaps = rng.standard_exponential(count + 1)
    until = np.cumsum(gaps)
    if not until[-1] > 0:  # a shape so small that every gap is too small for a float
        until = np.arange(1.0, count + 2)
    return np.asarray(until[:-1] / until[-1] * window.width)


def _prompts(lengths: Lengths, count: int, rng: "Generator") -> "NDArray[int64]":
    """Tokens of each prompt: its text, and for each medium the sum over its pieces."""
    import numpy as np

    text = "input_tokens" if "input_tokens" in lengths else "text_tokens"
    prompt = lengths[text].draw(rng, count)
    for medium in MEDIA:
        pieces, size = lengths.get(f"{medium}_count"), lengths.get(f"{medium}_tokens")
        if text == "input_tokens" or pieces is None or size is None:
            continue
        owners = np.repeat(np.arange(count), pieces.draw(rng, count))
        sizes = size.draw(rng, len(owners))
        prompt += np.bincount(owners, sizes, count).astype(np.int64)
    return prompt


def _numbered(
    client: int, arrivals: Iterator[tuple[Ns, int, int]]
) -> Iterator[tuple[Ns, int, int, int]]:
    return ((at, client, prompt, output) for at, prompt, output in arrivals)


def _stream(seed: int, name: str) -> "Generator":
    from numpy.random import PCG64, Generator, SeedSequence

    return Generator(PCG64(SeedSequence((seed, crc32(name.encode())))))
