"""Requests: readers of public formats, generators, inspection."""

from typing import TYPE_CHECKING

from kvsim.traces.request import Pause, Request, Runs, Workload

if TYPE_CHECKING:
    from kvsim.traces.discovery import formats
    from kvsim.traces.trace import open_trace

__all__ = ["Pause", "Request", "Runs", "Workload", "formats", "open_trace"]


def __getattr__(name: str) -> object:
    """What only users of files need is imported when it is asked for."""
    if name == "open_trace":
        from kvsim.traces.trace import open_trace

        return open_trace
    if name == "formats":
        from kvsim.traces.discovery import formats

        return formats
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
