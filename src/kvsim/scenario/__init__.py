"""A scenario: read, checked, and built into a machine that can run."""

from kvsim.scenario.load import dump, load, names
from kvsim.scenario.schema import Scenario

__all__ = ["Scenario", "dump", "load", "names"]
