"""Measured lengths of prompts and answers, in pairs out of a file."""

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kvsim.errors import InputError
from kvsim.traces.generators.fields import read, text
from kvsim.traces.generators.table import columns, header

PAIRS = (
    ("num_prefill_tokens", "num_decode_tokens"),  # Sarathi-Serve, Vidur
    ("ContextTokens", "GeneratedTokens"),  # Azure LLM inference traces
    ("input_length", "output_length"),  # Mooncake
    ("input_tokens", "output_tokens"),
)
"""Columns of prompt and answer lengths, as public files call them."""


class Pairs(NamedTuple):
    """Row by row, a prompt's length and its answer's."""

    inputs: NDArray[np.int64]
    outputs: NDArray[np.int64]


@dataclass(frozen=True)
class _File:
    file: Annotated[str, text]
    input: Annotated[str, text] | None = None
    """Column of prompt lengths; found by its usual names if left out."""
    output: Annotated[str, text] | None = None


def pairs(value: object, where: str) -> Pairs:
    """Reads `{file: name.csv.gz}`, perhaps with the columns' names as `input` and `output`."""
    source = read(_File, {"file": value} if isinstance(value, str) else value, where)
    path = f"{where}.file"
    names = source.input, source.output
    if None in names:
        found = header(source.file, path)
        usual = next((pair for pair in PAIRS if set(pair) <= set(found)), None)
        if usual is None:
            raise InputError(
                f"{path}: {source.file} has no columns of a usual name; say which by `input` and"
                f" `output`. Its columns: {', '.join(found)}."
            )
        names = source.input or usual[0], source.output or usual[1]
    inputs, outputs = columns(source.file, [str(name) for name in names], path)
    if min(inputs.min(), outputs.min()) < 0:
        raise InputError(f"{path}: {source.file} has negative lengths.")
    return Pairs(_whole(inputs), _whole(outputs))


def _whole(lengths: NDArray[np.float64]) -> NDArray[np.int64]:
    """As whole numbers; a request has one token to read and one to write at least."""
    return np.maximum(np.rint(lengths), 1).astype(np.int64)
