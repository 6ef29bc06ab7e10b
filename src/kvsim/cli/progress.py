"""What a run shows while it runs, on stderr, and how Ctrl-C ends it early."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from kvsim.cli.console import err
from kvsim.units import Ns, seconds

if TYPE_CHECKING:
    from rich.progress import Progress

    from kvsim.scenario.build import Machine
    from kvsim.sim.recorder import Recorder

REDRAW = 0.1
"""Seconds between two looks of the bar."""


class Watch:
    """Hears where a run is, draws it, and says when the user has had enough."""

    def __init__(self, bar: "Progress | None") -> None:
        self.interrupted = False
        self._bar = bar
        self._task: Any = None
        self._started = self._drawn = time.monotonic()

    def started(self, machine: "Machine") -> None:
        """A machine is about to run."""
        self._started = time.monotonic()
        if self._bar is None:
            return
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task("simulated 0 s", total=machine.workload.total, rate="")

    def look(self, now: Ns, recorder: "Recorder") -> bool:
        """Draw; True stops the run."""
        moment = time.monotonic()
        if self._bar is not None and moment - self._drawn > REDRAW:
            self._drawn = moment
            over = recorder.finished_count + recorder.rejected_count
            rate = over / max(moment - self._started, 1e-9)
            self._bar.update(
                self._task,
                completed=over,
                description=f"simulated {seconds(now):,.0f} s",
                rate=f"{over:,} requests, {rate:,.0f}/s",
            )
        return self.interrupted

    def interrupt(self, signum: int, frame: FrameType | None) -> None:
        """The first Ctrl-C asks the run to stop and write; the second ends the program."""
        del signum, frame
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True


@contextmanager
def watching() -> Iterator[Watch]:
    """A watch with a bar if stderr is a terminal; Ctrl-C is its own inside."""
    console = err()
    bar = None
    if console.is_terminal:
        from rich.progress import BarColumn, Progress, TextColumn

        texts = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rate]}")
        bar = Progress(*texts, console=console, transient=True)
    watch = Watch(bar)
    before = signal.signal(signal.SIGINT, watch.interrupt)
    try:
        if bar is None:
            yield watch
        else:
            with bar:
                yield watch
    finally:
        signal.signal(signal.SIGINT, before)
