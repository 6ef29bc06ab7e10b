"""Step times by a handful of coefficients, as some simulators fit them; files by name."""

import json
from pathlib import Path
from typing import Any

from kvsim.errors import InputError, perhaps

FOLDER = Path(__file__).resolve().parent


def coefficients(name_or_path: str) -> dict[str, Any]:
    """A shipped file by name, or a file. Raises InputError where there is none.

    Models by their repository's name; by tensor parallelism `prefill` [a, b, c] and, below and from
    `decoding_large_small_bs_threshold` sequences on, `decoding_smallbs` and `decoding_largebs`: in
    ms, a + b tokens + c sum of squares, and a + b context + c sequences.
    """
    names = sorted(path.stem for path in FOLDER.glob("*.json"))
    path = FOLDER / f"{name_or_path}.json" if name_or_path in names else Path(name_or_path)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        hint = perhaps(name_or_path, names)
        raise InputError(f"coefficients {name_or_path!r} cannot be read: {error}.{hint}") from None
    if not isinstance(found, dict):
        raise InputError(f"coefficients {name_or_path!r}: found no models in it.")
    return found
