"""Products of the model catalogue's shapes: y[m, n] = x[m, k] W, through torch or numpy's BLAS."""

from collections.abc import Iterator
from functools import partial

from .point import Bench, Point, Ready, copies

ROWS = (1, 8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192)
QUICK_ROWS = (1, 8, 32, 64, 128, 512, 2048, 8192)
CPU_ROWS = (1, 8, 32, 128, 512)


def points(bench: Bench) -> Iterator[Point]:
    """Shape by shape, so that shapes which are there have all their rows."""
    if bench.device == "cpu":
        rows: tuple[int, ...] = CPU_ROWS
    else:
        rows = QUICK_ROWS if bench.quick else ROWS
    forms = ("bf16",) if bench.device == "cpu" else ("bf16", "fp8")
    for n, k in bench.shapes:
        for form in forms:
            for m in rows:
                axes = {"form": form, "m": m, "n": n, "k": k}
                yield Point(axes, partial(_prepare, bench, form, m, n, k))


def _prepare(bench: Bench, form: str, m: int, n: int, k: int) -> Ready:
    size = 2 if form == "bf16" else 1
    moved = size * (n * k + m * k) + 2 * m * n
    count = copies(moved, bench.memory)
    flops = 2.0 * m * n * k
    if bench.device == "cpu":
        return Ready(_host(m, n, k, min(count, 3)), moved, flops)
    import torch

    xs, ws = (
        [torch.randn(*s, device=bench.device) for _ in range(count)] for s in ((m, k), (n, k))
    )
    if form == "fp8":
        one = torch.ones((), device=bench.device)
        xs, ws = ([t.to(torch.float8_e4m3fn) for t in ts] for ts in (xs, ws))

        def call(i: int) -> object:
            at = i % count
            return torch._scaled_mm(
                xs[at], ws[at].t(), scale_a=one, scale_b=one, out_dtype=torch.bfloat16
            )

        return Ready(call, moved, flops)
    xs, ws = ([t.to(torch.bfloat16) for t in ts] for ts in (xs, ws))
    out = torch.empty(m, n, device=bench.device, dtype=torch.bfloat16)
    return Ready(lambda i: torch.mm(xs[i % count], ws[i % count].t(), out=out), moved, flops)


def _host(m: int, n: int, k: int, count: int):  # type: ignore[no-untyped-def]
    """torch in bf16 where there is torch, else numpy in float32."""
    from .processor import library

    if library() == "torch":
        import torch

        x = torch.randn(m, k).to(torch.bfloat16)
        ws = [torch.randn(n, k).to(torch.bfloat16) for _ in range(count)]
        return lambda i: torch.mm(x, ws[i % count].t())
    import numpy as np

    rng = np.random.default_rng(0)
    y = rng.random((m, k), dtype=np.float32)
    vs = [rng.random((n, k), dtype=np.float32) for _ in range(count)]
    return lambda i: y @ vs[i % count].T
