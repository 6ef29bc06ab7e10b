"""`kvsim policies`: the questions of the machine and the answers that can be chosen."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from kvsim.cli.console import out, print_json
from kvsim.cli.options import Json

if TYPE_CHECKING:
    from kvsim.scenario.presets import Preset
    from kvsim.sim.registry import Description

app = typer.Typer(no_args_is_help=True, help="Policies: questions, answers, parameters.")


@app.command("list")
def list_policies(
    question: Annotated[str | None, typer.Argument(help="Only this question.")] = None,
    json: Json = False,
) -> None:
    """Every answer with its first line."""
    from rich.markup import escape
    from rich.table import Table

    from kvsim.policies import answers, questions

    found = []
    for one in [question] if question else questions():
        registry = answers(one)
        found += [registry.describe(name) for name in registry.names()]
    if json:
        keys = ("question", "name", "summary")
        print_json({"policies": [{key: getattr(d, key) for key in keys} for d in found]})
        return
    table = Table("question", "name", "what it does", box=None, pad_edge=False)
    for described in found:
        table.add_row(described.question, described.name, escape(described.summary))
    out().print(table)


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="NAME, or QUESTION/NAME.")], json: Json = False
) -> None:
    """One answer: what it does, its parameters, its source."""
    from kvsim.errors import InputError, perhaps
    from kvsim.policies import answers, questions

    if name in questions():
        raise InputError(f"{name!r} is a question; its answers: kvsim policies list {name}.")
    asked, _, wanted = name.rpartition("/")
    found = []
    everything: list[str] = []
    for question in [asked] if asked else questions():
        registry = answers(question)
        everything += registry.names()
        if wanted in registry.names():
            found.append(registry.describe(wanted))
    if not found:
        raise InputError(f"there is no policy {name!r}.{perhaps(wanted, everything)}")
    if json:
        print_json({"policies": [_whole(described) for described in found]})
        return
    for described in found:
        _print(described)


@app.command("presets")
def list_presets(
    name: Annotated[str | None, typer.Argument(help="All of this one, its note included.")] = None,
    json: Json = False,
) -> None:
    """Published systems that answer several questions at once: `policies: {preset: NAME}`."""
    from rich.markup import escape
    from rich.table import Table

    from kvsim.scenario.presets import preset, presets

    found = [preset(one) for one in ([name] if name else presets())]
    if json:
        print_json({"presets": [one._asdict() for one in found]})
        return
    if name:
        _print_preset(found[0])
        return
    table = Table("preset", "what it is", "its answers", box=None, pad_edge=False)
    for one in found:
        table.add_row(one.name, escape(one.title), escape(", ".join(_answers(one))))
    out().print(table)


def _print_preset(preset: "Preset") -> None:
    console = out()
    console.print(f"[bold]{preset.name}[/]: ", end="")
    console.print(f"{preset.title}\n{preset.source}", markup=False)
    for answer in _answers(preset):
        console.print(f"  {answer}", markup=False)
    if preset.note:
        console.print(preset.note, markup=False)
    command = f"kvsim run {preset.scenario} --set policies.preset={preset.name}"
    console.print(f"Try it: {command}", markup=False, soft_wrap=True)


def _answers(preset: "Preset") -> list[str]:
    """As a scenario would write them."""
    import yaml

    return [
        yaml.safe_dump({question: answer}, default_flow_style=True, sort_keys=False, width=1000)
        .strip()
        .removeprefix("{")
        .removesuffix("}")
        for question, answer in preset.policies.items()
    ]


def _print(described: "Description") -> None:
    console = out()
    console.print(f"[bold]{described.question}: {described.name}[/]")
    for paragraph in described.text.split("\n\n"):
        console.print(" ".join(paragraph.split()), markup=False)
    for name, kind, default in described.parameters:
        console.print(f"  {name}: {kind} = {default}", markup=False)
    if described.needs:
        console.print(f"  knows: {', '.join(sorted(described.needs))}; no real system does")


def _whole(described: "Description") -> dict[str, Any]:
    return {
        **described._asdict(),
        "parameters": [parameter._asdict() for parameter in described.parameters],
        "needs": sorted(described.needs),
    }
