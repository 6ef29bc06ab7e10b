"""Public simulators from the package registry, each installed into a throw-away environment."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BLOCKED = ("No matching distribution", "Connection", "connection", "timed out", "resolve")
"""What pip says where there is no registry, or none with this package."""


def install(folder: Path, package: str) -> Path:
    """A Python that can import `package`; skips the test where pip cannot get it."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "-q", "--retries", "1", package]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and any(words in done.stderr for words in BLOCKED):
        pytest.skip(f"pip cannot get {package} here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return python


def ask(python: Path, program: str, *words: str, given: object = None) -> Any:
    """What `program`, given one JSON value on stdin, prints as JSON in its last line."""
    done = subprocess.run(
        [str(python), "-c", program, *words],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
