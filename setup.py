"""How kvsim is built: pure Python or, with KVSIM_COMPILE=1, its inner modules compiled by mypyc.

Compiled or not, the results are the same. Policies and everything that people write themselves stay
Python; of what they derive from, only step times are compiled.
"""

import os

from setuptools import setup

SIM = """
    batch bound carrier claiming cluster demotion engine fabric hierarchy lifecycle lifetime
    looking_ahead memory parking planning prefix recorder restoring rounds seats sequence span
    storing tier timing tokens
"""
CALIBRATION = "contexts ledger measured operators roofline steps table"


def modules() -> list[str]:
    """What a step calls, as files."""
    sim = [f"src/kvsim/sim/{name}.py" for name in SIM.split()]
    calibration = [f"src/kvsim/calibration/{name}.py" for name in CALIBRATION.split()]
    return [*sim, *calibration, "src/kvsim/models/attention.py"]


def extensions() -> list[object]:
    """What is compiled."""
    if os.environ.get("KVSIM_COMPILE") != "1":
        return []
    from mypyc.build import mypycify

    made: list[object] = mypycify(modules(), opt_level="3", debug_level="0")
    return made


setup(ext_modules=extensions())
