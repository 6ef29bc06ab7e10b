"""What every test shares: how hard Hypothesis tries, and how golden numbers are accepted."""

from importlib import import_module
from pkgutil import walk_packages

import pytest
from hypothesis import settings

import kvsim

settings.register_profile("default", deadline=None, derandomize=True, print_blob=True)
settings.register_profile(
    "thorough", deadline=None, derandomize=False, max_examples=2000, print_blob=True
)
settings.load_profile("default")

# Hypothesis tries constants of the modules loaded so far: load them all, or its examples depend on
# the tests that a worker has run before.
for module in walk_packages(kvsim.__path__, "kvsim."):
    if not module.name.startswith(("kvsim.kernels", "kvsim.__main__")):
        import_module(module.name)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write what golden scenarios give now beside them, instead of comparing",
    )


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden numbers are to be written, not compared."""
    return bool(request.config.getoption("--update-golden"))
