"""What uneven contexts cost: a batch waits for its longest sequences.

Counted in units of what the kernel takes to read as many tokens as the contexts deviate from their
mean (standard deviation times their number). `python -m kvsim.calibration.importers.skew` prints
the points from LLMServingSim's profiles; here are the medians of those at about the same place.

An RTX PRO 6000 (188 SMs; 8 and 4 KV heads) and an RTX 4090 (128; 8) fall on one line over tiles per
multiprocessor, sequences times KV heads by SMs. Below one tile each, the kernel cuts contexts into
pieces and evens them out; at two to four the last tiles are waited for; with many, the queue evens
itself out. In a step that holds prompts too another kernel runs, which does not cut contexts, so
that few sequences are the worst there. Other GPUs are taken to be on the same line.
"""

from kvsim.calibration.table import Row, line

ALONE = Row(
    (0.34, 0.68, 1.0, 1.36, 2.0, 2.72, 4.0, 5.45, 8.0, 10.9, 16.0),
    (0.06, 0.03, 0.06, 0.05, 0.36, 0.21, 0.21, 0.09, 0.085, 0.03, 0.015),
)
"""Over tiles per SM, in a step of decodes only."""
BESIDE = Row(
    (0.085, 0.17, 0.34, 0.68, 1.36, 2.72, 5.45), (1.02, 1.07, 0.55, 0.49, 0.32, 0.22, 0.08)
)
"""Over tiles per SM, in a step that holds prompts too."""


def uneven(tiles: float, beside: bool) -> float:
    """Added time over that of reading as many tokens as contexts deviate from their mean."""
    row = BESIDE if beside else ALONE
    return line(row, min(max(tiles, row.contexts[0]), row.contexts[-1]))
