"""The products and attention heads that `kvsim.kernels` measures, from the model catalogue.

    python -m kvsim.calibration.shapes [kernels/shapes.json]

The measuring part knows nothing of kvsim, so it is given this file. Some models' own shapes are
measured; look-ups of others go by their neighbours (`kvsim.calibration.products`).
"""

import json
import sys
from pathlib import Path
from typing import Any

from kvsim.models import model

MODELS = ("llama-3.1-8b", "llama-3.1-70b", "qwen2.5-7b", "qwen2.5-32b", "qwen3-8b", "mistral-7b")
"""Measured on GPUs, each at these tensor parallelisms. The first comes first if time is short."""
TENSOR = (1, 2, 4, 8)
SMALL = ("qwen2.5-0.5b",)
"""Measured on processors."""
HEADS = 6
"""Head shapes on GPUs: decode attention of each takes some 90 points."""


def shapes() -> dict[str, Any]:
    """Products (n, k) and heads (query heads, KV heads, width), for GPUs and for processors."""
    return {"gpu": _of(MODELS, TENSOR, HEADS), "cpu": _of(SMALL, (1,), HEADS)}


def _of(names: tuple[str, ...], tensor: tuple[int, ...], most: int) -> dict[str, list[list[int]]]:
    products: dict[tuple[int, int], None] = {}
    heads: dict[tuple[int, int, int], None] = {}
    for ranks in tensor:
        for name in names:
            kind = model(name)
            layer = kind.attention(1)[0]
            if layer.query_heads % ranks:
                continue
            products |= {(one.n, one.k): None for one in kind.matmuls(ranks)}
            for one in kind.attention(ranks):
                heads[one.query_heads, one.kv_heads, one.key_width] = None
    return {"gemm": [list(one) for one in products], "heads": [list(one) for one in heads][:most]}


def main() -> None:
    """Write the file."""
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "kernels/shapes.json")
    path.write_text(json.dumps(shapes()) + "\n", encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
