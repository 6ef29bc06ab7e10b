"""Predicted against measured: recorded runs and published serving points, errors by regime."""
