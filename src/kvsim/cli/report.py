"""`kvsim report`: draw a run folder's report again."""

from pathlib import Path
from typing import Annotated

import typer

from kvsim.cli.console import out
from kvsim.errors import InputError


def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="A folder that `run` wrote.")],
) -> None:
    """Draw report.html of a run folder again."""
    from kvsim.report.page import write_report

    if not (folder / "summary.json").is_file():
        raise InputError(f"{folder} is not a run folder: it has no summary.json.")
    out().print(f"Written to {write_report(folder)}", soft_wrap=True)
