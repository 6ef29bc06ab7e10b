"""The trace formats there are, found by looking into `traces/readers/`."""

from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from kvsim.errors import InputError, perhaps
from kvsim.traces.lines import text_head
from kvsim.traces.reader import Reader

HEAD = 1 << 16
"""Characters of a file that are looked at to tell its format."""


@cache
def formats() -> dict[str, Reader]:
    """Every format by name, alphabetical."""
    from kvsim.traces import readers

    found: dict[str, Reader] = {}
    for module in iter_modules(readers.__path__, f"{readers.__name__}."):
        for kind in vars(import_module(module.name)).values():
            if isinstance(kind, type) and issubclass(kind, Reader) and kind is not Reader:
                found[kind.name] = kind()
    return dict(sorted(found.items()))


def format_of(path: Path, name: str | None = None) -> Reader:
    """The format called `name`, or the one that `path` is written in.

    Raises InputError for a name that is none, and for a file that no format or several recognise.
    """
    known = formats()
    if name is not None:
        if not isinstance(name, str) or name not in known:
            raise InputError(f"there is no trace format {name!r}.{perhaps(str(name), known)}")
        return known[name]
    head = text_head(path, HEAD)
    fitting = [reader for reader in known.values() if reader.detects(head)]
    if len(fitting) == 1:
        return fitting[0]
    first = head.lstrip().split("\n", 1)[0][:60]
    what = " and ".join(reader.name for reader in fitting) or "none that is known"
    raise InputError(
        f"{path} begins with {first!r}, which is the format of {what}. "
        f"Name its format: {', '.join(known)}."
    )
