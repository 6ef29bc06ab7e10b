"""Real traces and measurements outside the package: tests that need them skip without."""

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("KVSIM_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def shared(name: str) -> Path:
    """The path of a shared file; skips the test where it is absent."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{name} is not beside this checkout (set KVSIM_SHARED to its folder)")
    return path
