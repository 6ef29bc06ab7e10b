"""The commands, by name, each a file of this folder; they import what they need when they run."""

from typing import Annotated

import typer

from kvsim.cli import hardware, models, policies, trace, validate
from kvsim.cli.calibrate import calibrate
from kvsim.cli.check import check
from kvsim.cli.compare import compare
from kvsim.cli.explain import explain
from kvsim.cli.goodput import goodput
from kvsim.cli.hitrate import hitrate
from kvsim.cli.plan import plan
from kvsim.cli.report import report
from kvsim.cli.run import run
from kvsim.cli.sweep import sweep

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Simulate LLM serving: TTFT, TPOT, goodput, hit rates and cost of a scenario.",
)


def _version(wanted: bool) -> None:
    if wanted:
        import kvsim

        print(kvsim.__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options of every command: only `--version`."""


for command in (run, compare, sweep, goodput, plan, explain, hitrate, report, check, calibrate):
    app.command()(command)
for noun, group in (
    ("trace", trace.app),
    ("models", models.app),
    ("hardware", hardware.app),
    ("policies", policies.app),
    ("validate", validate.app),
):
    app.add_typer(group, name=noun)
