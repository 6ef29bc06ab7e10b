"""What went wrong, said to the person at the keyboard. Not for bugs: those keep their traceback."""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """Input that its author can mend: where it is, what was found, what is allowed."""


def perhaps(word: str, allowed: Iterable[str]) -> str:
    """The end of an error sentence: the allowed word that was perhaps meant, or all of them."""
    names = [str(name) for name in allowed]
    close = get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    if close:
        return f" Did you mean {close[0]!r}?"
    return f" Allowed: {', '.join(names)}." if len(names) <= 30 else ""
