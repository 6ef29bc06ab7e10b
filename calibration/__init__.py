"""Numbers for step times: measured tables, the roofline, and what engines add to them."""

from kvsim.calibration.attending import attending
from kvsim.calibration.engine import EngineProfile, engine, engines
from kvsim.calibration.table import calibrations, digest

__all__ = ["EngineProfile", "attending", "calibrations", "digest", "engine", "engines"]
