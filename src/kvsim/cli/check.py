"""`kvsim check`: claims about a run that is over; exit 1 if one does not hold."""

from pathlib import Path
from typing import Annotated

import typer

from kvsim.cli.console import out, print_json
from kvsim.cli.options import Json


def check(
    run: Annotated[Path, typer.Argument(help="A run folder, or its summary.json.")],
    claims: Annotated[
        list[str] | None, typer.Option("--assert", metavar="CLAIM", help="'ttft_s.p99 < 2 s'.")
    ] = None,
    json: Json = False,
) -> None:
    """Check claims about a run, as in CI."""
    from json import loads

    from kvsim.errors import InputError
    from kvsim.sweep.assertions import check as holds

    file = run / "summary.json" if run.is_dir() else run
    if not file.is_file():
        raise InputError(f"{run} is no run folder: there is no {file}.")
    if not claims:
        raise InputError("--assert is missing: write --assert 'ttft_s.p99 < 2 s'.")
    try:
        summary = loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{file} is not JSON: {error}.") from None
    found = [holds(summary, claim) for claim in claims]
    if json:
        print_json({"checks": [one._asdict() for one in found]})
    else:
        for one in found:
            value = "nothing" if one.found is None else f"{one.found:.6g}"
            out().print(f"{'holds ' if one.holds else 'FAILS '} {one.claim}  (found {value})",
                        markup=False)  # fmt: skip
    if not all(one.holds for one in found):
        raise typer.Exit(1)
