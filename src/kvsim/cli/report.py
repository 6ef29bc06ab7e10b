"""`kvsim report`: a run folder as a page."""

from pathlib import Path
from typing import Annotated

import typer

from kvsim.cli.console import out


def report(
    run_dir: Annotated[Path, typer.Argument(help="A folder written by `kvsim run --out`.")],
) -> None:
    """Write a run's report.html anew from the files in its folder, and print its path."""
    from kvsim.report.page import write_report

    out().print(str(write_report(run_dir)), soft_wrap=True, markup=False)
