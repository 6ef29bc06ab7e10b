"""Measured times: loading, fitting, and the tables a step time is made from."""
