"""Quantities as a person writes them: three digits that matter, and always a unit."""

import math

MISSING = "–"
"""Stands where there is no number."""

# fmt: off
_TIMES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_AMOUNTS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_SIZES = ((2.0**50, "PiB"), (2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"))
# fmt: on
LONG = 600.0
"""Seconds from which a duration is written in minutes or hours."""
TIMES = ("", "once", "twice")


def known(value: object) -> float | None:
    """`value` as a finite float; None for null, NaN, infinity and what is not a number."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def digits(value: float, significant: int = 3) -> str:
    """`value` with three digits that matter: 0.0123, 1.23, 12.3, 1,234."""
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    value = round(value, significant - 1 - magnitude) if magnitude < significant else value
    magnitude = math.floor(math.log10(abs(value)))
    return f"{value:,.{min(max(0, significant - 1 - magnitude), 9)}f}"


def duration(value: object) -> str:
    """Seconds with the unit that fits: 850 µs, 12.3 ms, 3.20 s, 12 min 5 s, 2 h 10 min."""
    number = known(value)
    if number is None:
        return MISSING
    if abs(number) >= LONG:
        return _clock(round(number))
    scale, unit = time_unit(number)
    return f"{digits(number / scale)} {unit}"


def target(seconds: float) -> str:
    """A duration that somebody chose, with no more digits than they gave: 2 s, 50 ms."""
    scale, unit = time_unit(seconds)
    return f"{seconds / scale:.6g} {unit}"


def time_unit(value: float) -> tuple[float, str]:
    """The unit in which `value` seconds read well, as (seconds per unit, name)."""
    if value == 0:
        return _TIMES[0]
    fits = (unit for unit in _TIMES if abs(value) >= 0.9995 * unit[0])
    return next(fits, _TIMES[-1])


def _clock(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min" if minutes else f"{hours:,} h"


def amount(value: object) -> str:
    """A count or a rate: 512, 12.3k, 4.56M."""
    number = known(value)
    if number is None:
        return MISSING
    for scale, letter in _AMOUNTS:
        if abs(number) >= 10 * scale or (scale > 1e3 and abs(number) >= scale):
            return f"{digits(number / scale)}{letter}"
    return f"{number:,.0f}" if number == round(number) else digits(number)


def count(value: object) -> str:
    """A whole number in full: 12,345."""
    number = known(value)
    return MISSING if number is None else f"{number:,.0f}"


def plural(value: object, noun: str) -> str:
    """A count with its noun: 1 request, 2 requests."""
    return f"{count(value)} {noun}" + ("" if known(value) == 1 else "s")


def tokens(value: object) -> str:
    """A count of tokens: 1 token, 900 tokens, 85.0k tokens."""
    return f"{amount(value)} token" + ("" if known(value) == 1 else "s")


def percent(value: object) -> str:
    """A share of one: 41.2 %; says 0 % and 100 % only where that is exact."""
    number = known(value)
    if number is None:
        return MISSING
    if number in (0, 1):
        return f"{number:.0%}".replace("%", " %")
    shown = round(100 * number, 1)
    if 0 < number < 0.0005:
        return "<0.1 %"
    if shown == 100:
        return ">99.9 %" if number < 1 else "100 %"
    return f"{shown:,.1f} %"


def size(value: object) -> str:
    """Bytes with the binary unit that fits: 512 GiB."""
    number = known(value)
    if number is None:
        return MISSING
    for scale, unit in _SIZES:
        if abs(number) >= scale:
            return f"{digits(number / scale)} {unit}"
    return f"{number:,.0f} B"


def dollars(value: object) -> str:
    """US dollars, to the cent, or to three digits below ten cents."""
    number = known(value)
    if number is None:
        return MISSING
    return f"${number:,.2f}" if abs(number) >= 0.1 or number == 0 else f"${digits(number)}"


def times(value: float) -> str:
    """How often: once, twice, 3 times."""
    return TIMES[int(value)] if 0 < value < len(TIMES) else f"{value:,.0f} times"
