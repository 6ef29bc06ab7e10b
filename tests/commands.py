"""kvsim's commands as its users give them."""

import json
import os
import subprocess
import sys
from typing import Any

from typer.testing import CliRunner

from kvsim.cli.app import app


def kvsim(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """`kvsim WORDS` as a user's shell runs it."""
    return subprocess.run(
        [sys.executable, "-m", "kvsim", *map(str, words)],
        capture_output=True, text=True, check=False, env={**os.environ, **environment},
    )  # fmt: skip


def told(*words: object) -> Any:
    """The JSON that `kvsim WORDS` prints, run in this process."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)
