"""The answers to the machine's questions: a folder per question, a file per answer."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from kvsim.errors import InputError, perhaps
from kvsim.sim import policy
from kvsim.sim.registry import Registry


def questions() -> list[str]:
    """The questions that have answers here, alphabetical."""
    return sorted(module.name for module in iter_modules(__path__) if module.ispkg)


@cache
def answers(question: str) -> Registry[Any]:
    """The registry of a question, with every file of its folder loaded."""
    if question not in questions():
        raise InputError(f"there is no question {question!r}.{perhaps(question, questions())}")
    folder = import_module(f"{__name__}.{question}")
    for module in iter_modules(folder.__path__):
        import_module(f"{folder.__name__}.{module.name}")
    registry: Registry[Any] = getattr(policy, question)
    return registry
