"""Many runs for one answer: the highest rate that meets an SLO, grids, the cheapest machine."""

from kvsim.sweep.table import sweep

__all__ = ["sweep"]
