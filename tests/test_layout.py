"""Does the package hold together: links, names, quick imports, sizes, what ships, what is told?"""

import json
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
from commands import kvsim

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "kvsim"
ROOMS = ("calibration", "hardware", "kernels", "models", "policies", "scenarios", "sim", "traces")
HEAVY = {"numpy", "pandas", "plotly", "pyarrow", "pydantic", "simpy", "torch", "triton"}
"""What takes long to import, and is imported where it is used."""
LINES = 400
"""No file of code is longer."""


def code() -> list[Path]:
    """Every file of Python, of the package, its tests and whatever stands beside them."""
    found = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if found.returncode:  # an sdist has no git
        return [path for path in ROOT.rglob("*.py") if ".venv" not in path.parts]
    return [ROOT / name for name in found.stdout.splitlines() if (ROOT / name).is_file()]


def imported(statement: str) -> set[str]:
    """Top-level modules there are in a fresh interpreter after `statement`."""
    told = f"{statement}; import json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return {name.split(".")[0] for name in json.loads(done.stdout)}


# Links


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_is_linked_into_the_package(room):
    link = PACKAGE / room
    assert link.is_symlink()
    assert link.readlink() == Path("..") / ".." / room
    assert link.resolve() == ROOT / room
    assert link.is_dir()


def test_every_link_is_a_room():
    assert {path.name for path in PACKAGE.iterdir() if path.is_symlink()} == set(ROOMS)


def test_every_folder_with_code_is_a_package():
    folders = {path.parent for path in code() if (PACKAGE in path.parents)}
    folders |= {path.parent for path in code() if path.relative_to(ROOT).parts[0] in ROOMS}
    lacking = [str(f.relative_to(ROOT)) for f in folders if not (f / "__init__.py").is_file()]
    assert lacking == []


# Names and imports


def test_public_names_exist_and_are_in_order():
    import kvsim as package

    names = list(getattr(package, "__all__", []))
    assert names == sorted(names)
    assert [name for name in names if not hasattr(package, name)] == []
    assert len(names) <= 25


def test_the_version_is_that_of_the_project():
    import kvsim as package

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert package.__version__ == project["version"]


@pytest.mark.parametrize("module", ["kvsim", "kvsim.cli", "kvsim.cli.app"])
def test_imports_are_quick(module):
    assert imported(f"import {module}") & HEAVY == set()


def test_help_needs_nothing_heavy():
    calls = "import sys; sys.argv = ['kvsim', '--help']; from kvsim.cli import main\n"
    told = f"{calls}try:\n    main()\nexcept SystemExit:\n    pass\nprint('|', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    names = {name.split(".")[0] for name in done.stdout.rsplit("|", 1)[1].split()}
    assert names & HEAVY == set()


# Sizes


def test_no_file_is_too_long():
    long = {
        str(path.relative_to(ROOT)): lines
        for path in code()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LINES
    }
    assert long == {}


# What ships


def test_every_file_of_data_ships():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["*"]
    rooms = [ROOT / room for room in ROOMS]
    inside = [path for path in PACKAGE.iterdir() if path.is_dir() and not path.is_symlink()]
    left_out = [
        str(path.relative_to(ROOT))
        for folder in (*rooms, *inside)
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc", ".md")
        if not any(fnmatch(path.name, pattern) for pattern in patterns)
    ]
    assert left_out == []


def test_folders_of_data_are_found_by_setuptools():
    """Data ship with the nearest package above them: a folder deeper down must be one itself."""
    lost = [
        str(path.relative_to(ROOT))
        for room in ROOMS
        for path in (ROOT / room).rglob("*.yaml")
        if not _ships(path)
    ]
    assert lost == []


def _ships(path: Path) -> bool:
    """Whether setuptools' automatic discovery takes the folder for a namespace package."""
    return all(part.isidentifier() for part in path.relative_to(ROOT).parts[:-1])


# What is told


def shown(text: str) -> list[list[str]]:
    """The commands of a page's console blocks and inline code, less what they cannot show here."""
    lines = re.findall(r"^\$ kvsim (.+)$", text, re.MULTILINE)
    lines += re.findall(r"`kvsim ([^`]+)`", text)
    return [re.sub(r"\s+", " ", line).split("#")[0].split() for line in lines]


def pages() -> list[Path]:
    """What explains kvsim to people."""
    return [path for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
            if path.is_file()]  # fmt: skip


def test_commands_that_pages_show_exist():
    from typer.main import get_command

    from kvsim.cli.app import app

    root = get_command(app)
    unknown = []
    for page in pages():
        for words in shown(page.read_text(encoding="utf-8")):
            command = root
            while words and hasattr(command, "commands") and words[0] in command.commands:
                command = command.commands[words.pop(0)]
            options = {option for part in command.params for option in part.opts}
            used = {word.split("=")[0] for word in words if word.startswith("--")}
            if command is root and words and not words[0].startswith("-"):
                unknown.append(f"{page.name}: kvsim {words[0]}")
            unknown += [f"{page.name}: {command.name} {option}"
                        for option in sorted(used - options - {"--help"})]  # fmt: skip
    assert unknown == []


def test_scenarios_that_pages_show_can_be_loaded(tmp_path):
    from kvsim.errors import InputError
    from kvsim.scenario import load

    faults = []
    for page in pages():
        blocks = re.findall(r"^```yaml\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
        for number, block in enumerate(blocks):
            if not re.search(r"^model:", block, re.M):
                continue
            path = tmp_path / f"{page.stem}-{number}.yaml"
            path.write_text(block, encoding="utf-8")
            try:
                load(str(path))
            except InputError as fault:
                faults.append(str(fault))
    assert faults == []


def test_every_command_explains_itself():
    from typer.main import get_command

    from kvsim.cli.app import app

    def lacking(command, name: str) -> list[str]:
        found = [] if command.help else [name]
        for inner, one in getattr(command, "commands", {}).items():
            found += lacking(one, f"{name} {inner}")
        return found

    assert lacking(get_command(app), "kvsim") == []


def test_the_program_says_its_version_and_shows_help_without_words():
    import kvsim as package

    assert kvsim("--version").stdout.strip() == package.__version__
    assert "Usage" in kvsim().stdout + kvsim().stderr
