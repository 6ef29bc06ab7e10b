"""Fit the roofline's efficiencies to a GPU's measured operators, and say how far off it stays.

    python -m kvsim.calibration.efficiency [GPU]

Each operator is fitted by itself: of all shares in steps of 0.05, those with the least mean
relative error over the measured points that look like a layer's (GEMM widths >= 1024, prompts
>= 1024 tokens, decodes that read >= 1 MB in the layer).
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from statistics import mean, median

from kvsim.calibration.operators import Gemms
from kvsim.calibration.roofline import Efficiency, Roofline
from kvsim.calibration.table import Head, Row, Table, line, load
from kvsim.hardware import GPU, gpu
from kvsim.models import Attention

SHARES = tuple(step / 20 for step in range(8, 20))
WIDTH = 1024
PROMPT = 1024
READ = 1_000_000
WIDTHS = (64, 128)
"""Elements per head of the attention shapes that are fitted to: those most models have."""
Errors = Callable[[Efficiency], list[float]]


def fit(table: Table, device: GPU) -> Iterator[tuple[str, Efficiency, list[float]]]:
    """For each operator: the best efficiencies, the others as stated, and the errors left."""
    if 16 in table.gemm or 16 in table.shapes:
        yield "GEMM bf16", *_best(_gemm(table, device, 16), "gemm_flops", "gemm_bytes")
    if 8 in table.gemm:
        yield "GEMM fp8", *_best(_gemm(table, device, 8), "gemm_flops_8bit", "gemm_bytes")
    yield "prefill attention", *_best(_prefill(table, device), "prefill_flops")
    yield "decode attention", *_best(_decode(table, device), "decode_bytes")


def _best(errors: Errors, *names: str) -> tuple[Efficiency, list[float]]:
    """The efficiencies among SHARES with the least mean error."""
    choices = (
        replace(Efficiency(), **dict(zip(names, shares, strict=True)))
        for shares in product(SHARES, repeat=len(names))
    )
    return min(((one, errors(one)) for one in choices), key=lambda found: mean(found[1]))


def _gemm(table: Table, device: GPU, bits: int) -> Errors:
    grid = table.gemm.get(bits)
    rows = {shape: Row(grid.m, ns) for shape, ns in grid.ns.items()} if grid else table.shapes[bits]
    points = [
        (Gemms(*shape), int(m), ns)
        for shape, row in rows.items()
        if min(shape) >= WIDTH
        for m, ns in zip(*row, strict=True)
    ][::7]  # every seventh is enough, and takes a second

    def errors(efficiency: Efficiency) -> list[float]:
        roofline = Roofline(device, bits, 16, efficiency)
        return [abs(roofline.gemm(shape, m, bits).ns / ns - 1) for shape, m, ns in points]

    return errors


def _prefill(table: Table, device: GPU) -> Errors:
    def errors(efficiency: Efficiency) -> list[float]:
        roofline = Roofline(device, 16, 16, efficiency)
        return [
            abs(roofline.prefill(_layer(head), int(tokens)).alone / ns - 1)
            for head, (alone, _) in table.prefill.items()
            if head.bits == 16 and head.width in WIDTHS and not head.window
            for tokens, ns in zip(*alone, strict=True)
            if tokens >= PROMPT
        ]

    return errors


def _decode(table: Table, device: GPU) -> Errors:
    def errors(efficiency: Efficiency) -> list[float]:
        roofline, found = Roofline(device, 16, 16, efficiency), []
        for head, rows in table.decode.items():
            if head.bits != 16 or head.window or head.width not in WIDTHS:
                continue
            read = _layer(head).read_bytes(16)
            for batch, row in rows.items():
                predicted, _ = roofline.decode(_layer(head), batch)
                for context, ns in zip(*row, strict=True):
                    if context * batch * read >= READ:
                        found.append(abs(line(predicted, context * batch) / ns - 1))
        return found

    return errors


def _layer(head: Head) -> Attention:
    return Attention("full", 1, head.query_heads, head.kv_heads, head.width, head.width, None, None)


def main() -> None:
    """Print the fitted efficiencies and the errors with them and with the stated ones."""
    name = sys.argv[1] if len(sys.argv) > 1 else "h100-sxm"
    for operator, best, errors in fit(load(name), gpu(name)):
        print(f"{operator}: mean {mean(errors):.1%}, median {median(errors):.1%}  {best}")


if __name__ == "__main__":
    main()
