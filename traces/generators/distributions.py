"""What a field like `turns` or `think_time` may be in YAML: a value, or a law that draws it.

    turns: 5
    input_tokens: {lognormal: {median: 300, cv: 1.2}, max: 4000}
    output_tokens: {file: lengths_sharegpt_8k.csv.gz, column: num_decode_tokens}
    think_time: {gamma: {mean: 10 s, cv: 1.5}, min: 1 s}

`min` and `max` clip: what falls outside is put on the edge. Draws are rounded to whole tokens,
turns or nanoseconds, and never below the least value that the field allows.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from kvsim.errors import InputError, perhaps
from kvsim.traces.generators.chance import stream
from kvsim.traces.generators.fields import Reader, duration, number, one_of, read, text
from kvsim.traces.generators.laws import (
    MOST,
    Choice,
    Constant,
    Empirical,
    Exponential,
    Gamma,
    Geometric,
    Law,
    LogNormal,
    Normal,
    Uniform,
)
from kvsim.traces.generators.table import columns

BLOCK = 4096
"""Values drawn at once."""


@dataclass(frozen=True)
class Distribution:
    """Draws of whole numbers, from `low` to `high`."""

    law: Law
    low: int
    high: int = int(MOST)

    def draw(self, rng: Generator, count: int) -> NDArray[np.int64]:
        """`count` values out of `rng`."""
        drawn = np.clip(np.rint(self.law.sample(rng, count)), self.low, self.high)
        return drawn.astype(np.int64)

    def values(self, seed: int, name: str) -> Iterator[int]:
        """Values without end, from the stream called `name`."""
        rng = stream(seed, name)
        while True:
            yield from self.draw(rng, BLOCK).tolist()

    @property
    def constant(self) -> int | None:
        """The value, if it is always the same."""
        if not isinstance(self.law, Constant):
            return None
        return int(min(max(self.law.value, self.low), self.high))


NONE = Distribution(Constant(0), 0)
"""Always 0."""
ONE = Distribution(Constant(1), 0)
"""Always 1."""


def counts(at_least: int) -> Reader:
    """Reads a distribution of tokens, turns or the like, never below `at_least`."""
    return lambda value, where: _distribution(value, where, _Quantity(number, at_least, None))


def durations(value: object, where: str) -> Distribution:
    """Reads a distribution of durations, with units."""
    return _distribution(value, where, _Quantity(duration, 0, "s"))


Tokens = Annotated[Distribution, counts(1)]
"""A number of tokens, turns or the like, at least 1."""
Extra = Annotated[Distribution, counts(0)]
"""A number of tokens or the like, which may be 0."""
Durations = Annotated[Distribution, durations]
"""A duration, in ns."""


class _Quantity(NamedTuple):
    """What is drawn: how one value is read, the least one, and the unit of numbers in files."""

    read: Reader
    least: int
    unit: str | None


@dataclass(frozen=True)
class _File:
    file: Annotated[str, text]
    column: Annotated[str, text]
    unit: Annotated[str, one_of("ns", "us", "ms", "s", "min", "h", "d")] | None = None
    """Unit of the column, if the field is a duration: s if left out."""


_Build = Callable[[Any, str, _Quantity], Law]


def _plain(kind: type[Any]) -> _Build:
    """A law that is written as a mapping of parameters."""

    def build(body: object, where: str, quantity: _Quantity) -> Law:
        readers = dict.fromkeys(("mean", "median", "std"), quantity.read)
        law: Law = read(kind, body, where, readers)
        return law

    return build


def _uniform(body: object, where: str, quantity: _Quantity) -> Law:
    if not isinstance(body, list | tuple) or len(body) != 2:
        raise InputError(f"{where}: found {body!r}; write [lowest, highest].")
    low, high = (_exact(end, f"{where}[{i}]", quantity) for i, end in enumerate(body))
    if low > high:
        raise InputError(f"{where}: found {body!r}; the lowest comes first.")
    return Uniform(low, high)


def _choice(body: object, where: str, quantity: _Quantity) -> Law:
    if not isinstance(body, list | tuple) or not body:
        raise InputError(f"{where}: found {body!r}; write [[value, weight], ...].")
    values, weights = [], []
    for index, pair in enumerate(body):
        at = f"{where}[{index}]"
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise InputError(f"{at}: found {pair!r}; write [value, weight].")
        values.append(_exact(pair[0], f"{at}[0]", quantity))
        weights.append(number(pair[1], f"{at}[1]"))
        if weights[-1] < 0:
            raise InputError(f"{at}[1]: found {pair[1]!r}; a weight is not negative.")
    if not sum(weights):
        raise InputError(f"{where}: one of the weights must be above 0.")
    return Choice(tuple(values), tuple(weights))


_LAWS: dict[str, _Build] = {
    "choice": _choice,
    "exponential": _plain(Exponential),
    "gamma": _plain(Gamma),
    "geometric": _plain(Geometric),
    "lognormal": _plain(LogNormal),
    "normal": _plain(Normal),
    "uniform": _uniform,
}


def _distribution(value: object, where: str, quantity: _Quantity) -> Distribution:
    if not isinstance(value, Mapping):
        return Distribution(Constant(_exact(value, where, quantity)), quantity.least)
    body = dict(value)
    low, high = (_edge(body, edge, where, quantity) for edge in ("min", "max"))
    if "file" in body:
        law = _measured(body, where, quantity)
    else:
        name = _law_name(body, where)
        inside = body[name]
        if isinstance(inside, Mapping):  # min and max may stand beside the law's own parameters
            inside = dict(inside)
            low = _edge(inside, "min", f"{where}.{name}", quantity) if low is None else low
            high = _edge(inside, "max", f"{where}.{name}", quantity) if high is None else high
        law = _LAWS[name](inside, f"{where}.{name}", quantity)
    low, high = quantity.least if low is None else low, int(MOST) if high is None else high
    if low > high:
        raise InputError(f"{where}: min {low} is above max {high}.")
    return Distribution(law, low, high)


def _law_name(body: dict[str, Any], where: str) -> str:
    allowed = [*_LAWS, "file"]
    for name in body:
        if name not in _LAWS:
            raise InputError(f"{where}.{name}: there is no such law.{perhaps(str(name), allowed)}")
    if len(body) != 1:
        raise InputError(f"{where}: write one law, found {len(body)}.{perhaps('', allowed)}")
    return next(iter(body))


def _measured(body: dict[str, Any], where: str, quantity: _Quantity) -> Law:
    """The law of a file's column."""
    source = read(_File, body, where)
    scale = 1
    if quantity.unit is not None:
        scale = duration(f"1 {source.unit or quantity.unit}", f"{where}.unit")
    elif source.unit is not None:
        raise InputError(f"{where}.unit: only a duration has a unit.")
    (values,) = columns(source.file, [source.column], f"{where}.file")
    return Empirical(values * scale)


def _edge(body: dict[str, Any], edge: str, where: str, quantity: _Quantity) -> int | None:
    """Takes `min` or `max` out of `body`."""
    return _exact(body.pop(edge), f"{where}.{edge}", quantity) if edge in body else None


def _exact(value: object, where: str, quantity: _Quantity) -> int:
    """One value that can be drawn: whole, and not below the least."""
    found = quantity.read(value, where)
    if found != int(found) or found < quantity.least:
        raise InputError(
            f"{where}: found {value!r}; write a whole number, at least {quantity.least}."
        )
    return int(found)
