"""Where words go: results to stdout, progress and warnings to stderr, JSON alone or not at all."""

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def out() -> "Console":
    """The console for results."""
    from rich.console import Console

    return Console(highlight=False)


def err() -> "Console":
    """The console for progress and warnings."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    """One JSON value on stdout and nothing else; NaN and infinity are bugs, not JSON."""
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False) + "\n")
