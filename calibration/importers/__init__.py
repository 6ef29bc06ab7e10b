"""Readers that turn published measurements into calibration files. They run once, by hand."""
