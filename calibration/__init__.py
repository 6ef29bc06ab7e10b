"""Numbers for step times: measured tables, the roofline, and what engines add to them."""

from kvsim.calibration.attending import attending
from kvsim.calibration.engine import EngineProfile, engine, engines
from kvsim.calibration.table import calibrated, calibrations, digest

__all__ = [
    "EngineProfile",
    "attending",
    "calibrated",
    "calibrations",
    "digest",
    "engine",
    "engines",
]
