"""A paged KV cache for measurements: pages in random order, in any stored format.

Codes of less than 8 bits are packed in planes: byte j of a head holds elements j, j + W, ... where
W is the head's width over the elements of a byte. A group of neighbours shares a scale.
"""

from dataclasses import dataclass
from typing import Any

FLOATS = ("bf16", "fp16", "fp8")
INTEGERS = {"int8": 8, "int4": 4, "int2": 2}
BITS = {"bf16": 16, "fp16": 16, "fp8": 8, **INTEGERS}


def dtype(name: str) -> Any:
    """torch's type of a float format."""
    import torch

    known = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
    return known.get(name, torch.float8_e4m3fn)


@dataclass
class Cache:
    """Keys and values of `slots` tokens, `heads` by `width`, and each sequence's pages."""

    k: Any
    v: Any
    k_scale: Any
    v_scale: Any
    table: Any
    """Pages of each sequence, int32."""
    lengths: Any
    page: int
    format: str

    @property
    def nbytes(self) -> int:
        """What reading all of it moves."""
        scales = (self.k_scale, self.v_scale) if self.format in INTEGERS else ()
        return sum(part.numel() * part.element_size() for part in (self.k, self.v, *scales))


def make(
    batch: int, context: int, heads: int, width: int, form: str, device: str,
    page: int = 16, seed: int = 0, ragged: bool = False,
) -> Cache:  # fmt: skip
    """A random cache; `ragged` gives each sequence a length of its own, up to `context`."""
    import torch

    generator = torch.Generator(device=device).manual_seed(seed)
    pages = -(-context // page)
    slots = batch * pages * page
    table = torch.randperm(batch * pages, generator=generator, device=device)
    lengths = torch.full((batch,), context, dtype=torch.int32, device=device)
    if ragged:
        lengths = torch.randint(
            1, context + 1, (batch,), generator=generator, device=device, dtype=torch.int32
        )
    k, k_scale = _stored((slots, heads, width), form, device, generator)
    v, v_scale = _stored((slots, heads, width), form, device, generator)
    shaped = table.view(batch, pages).to(torch.int32)
    return Cache(k, v, k_scale, v_scale, shaped, lengths, page, form)


def group_of(width: int, form: str) -> int:
    """Neighbours that share a scale: 32, or fewer where a byte's plane is narrower."""
    return min(32, width * INTEGERS[form] // 8)


def _stored(shape: tuple[int, int, int], form: str, device: str, generator: Any) -> tuple[Any, Any]:
    import torch

    slots, heads, width = shape
    if form not in INTEGERS:
        if form == "fp8":  # random bytes below the codes of NaN (0x7f, 0xff)
            byte = {"generator": generator, "device": device, "dtype": torch.uint8}
            raw = torch.randint(0, 2, shape, **byte) * 0x80
            raw = raw.add_(torch.randint(0, 0x38, shape, **byte)).view(torch.float8_e4m3fn)
        else:
            raw = torch.randn(shape, generator=generator, device=device, dtype=torch.float32)
            raw = raw.to(dtype(form))
        return raw, torch.ones(1, device=device, dtype=torch.float16)
    packed = (slots, heads, width * INTEGERS[form] // 8)
    codes = torch.randint(0, 256, packed, generator=generator, device=device, dtype=torch.uint8)
    groups = (slots, heads, width // group_of(width, form))
    scale = torch.rand(groups, generator=generator, device=device) + 0.5
    return codes, (scale / (1 << (INTEGERS[form] - 1))).to(torch.float16)


def plain(stored: Any, scale: Any, form: str, width: int) -> Any:
    """Stored elements as float64, for references."""
    import torch

    if form not in INTEGERS:
        return stored.to(torch.float32).to(torch.float64)
    bits = INTEGERS[form]
    planes = [(stored.int() >> (bits * p)) & ((1 << bits) - 1) for p in range(8 // bits)]
    codes = torch.cat(planes, dim=-1).double() - (1 << (bits - 1))
    return codes * scale.double().repeat_interleave(group_of(width, form), dim=-1)


def sequence(cache: Cache, index: int, width: int) -> tuple[Any, Any]:
    """Keys and values of one sequence, in order, as float64."""
    import torch

    length = int(cache.lengths[index])
    at = torch.arange(length, device=cache.table.device)
    slots = cache.table[index].long()[at // cache.page] * cache.page + at % cache.page
    scales = [s[slots] if cache.format in INTEGERS else s for s in (cache.k_scale, cache.v_scale)]
    raw = [x.view(torch.uint8)[slots].view(x.dtype) if cache.format == "fp8" else x[slots]
           for x in (cache.k, cache.v)]  # fmt: skip
    pairs = zip(raw, scales, strict=True)
    k, v = (plain(x, s, cache.format, width) for x, s in pairs)
    return k, v
