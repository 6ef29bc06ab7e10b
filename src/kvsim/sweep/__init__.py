"""Many runs for one answer: the highest rate that meets an SLO, grids, the cheapest machine."""
