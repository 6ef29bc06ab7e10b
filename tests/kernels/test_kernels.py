"""Do the Triton kernels compute what they claim? On a GPU if there is one, else interpreted.

Random inputs, odd sizes, outputs full of NaN before, and a reference in float64. Needs torch and
triton: `make kernels` installs them.
"""

import os

import pytest

torch = pytest.importorskip("torch", reason="needs torch: make kernels")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    os.environ["TRITON_INTERPRET"] = "1"  # read when triton is imported
pytest.importorskip("triton", reason="needs triton: make kernels")

from kvsim.kernels import (
    blocks,
    cascade,
    decode,
    latent,
    paged,
    pages,
    prefill,
    quantise,
    stream,
)

pytestmark = pytest.mark.filterwarnings("ignore")
NAN = float("nan")


def normal(*shape: int, form: str = "bf16"):
    generator = torch.Generator().manual_seed(7)
    return torch.randn(shape, generator=generator).to(paged.dtype(form)).to(DEVICE)


def close(found, wanted, error: float = 2e-2) -> None:
    """Largest difference, by the largest value: bf16 keeps 8 bits."""
    assert not torch.isnan(found).any()
    assert (found.double() - wanted).abs().max() <= error * wanted.abs().max()


@pytest.mark.parametrize("form", ["bf16", "fp16", "fp8", "int8", "int4", "int2"])
def test_decode_reads_every_format_of_kv(form) -> None:
    cache = paged.make(2, 77, 2, 64, form, DEVICE, ragged=True)
    queries = normal(2, 6, 64)
    close(
        decode.decode(queries, cache, decode.Workspace(queries, 1, 64)),
        decode.reference(queries, cache),
    )


@pytest.mark.parametrize(("splits", "context", "width"), [(3, 333, 128), (8, 65, 64), (2, 1, 64)])
def test_splits_of_a_long_context_merge_to_the_whole(splits, context, width) -> None:
    """8 splits of 65 tokens leave most of them without a key."""
    cache = paged.make(1, context, 2, width, "fp16", DEVICE)
    queries = normal(1, 8, width, form="fp16")
    space = decode.Workspace(queries, splits, width)
    close(decode.decode(queries, cache, space), decode.reference(queries, cache), 5e-3)


def test_latent_decode_reads_one_key_for_all_heads() -> None:
    cache = paged.make(2, 71, 1, 576, "bf16", DEVICE, ragged=True)
    queries = normal(2, 20, 576)
    space = decode.Workspace(queries, 2, 512)
    close(latent.decode(queries, cache, space), latent.reference(queries, cache))


@pytest.mark.parametrize(("tokens", "context"), [(70, 70), (33, 150), (1, 9)])
def test_a_chunk_sees_its_history_and_nothing_after(tokens, context) -> None:
    cache = paged.make(2, context, 2, 64, "bf16", DEVICE)
    queries = normal(2, tokens, 4, 64)
    out = torch.full_like(queries, NAN)
    close(prefill.prefill(queries, cache, out), prefill.reference(queries, cache))


def test_a_shared_prefix_and_the_rest_merge_to_the_whole() -> None:
    cache = paged.make(5, 40, 2, 64, "bf16", DEVICE, ragged=True)
    queries, k = normal(5, 14, 64), normal(199, 2, 64)
    v = normal(199, 2, 64).flip(0)
    found = cascade.cascade(queries, k, v, cache, decode.Workspace(queries, 5, 64), own=2)
    close(found, cascade.reference(queries, k, v, cache))


@pytest.mark.parametrize("form", ["int8", "int4", "int2"])
def test_codes_are_within_half_a_step(form) -> None:
    """A step is a group's largest value over 127, 7 or 1."""
    x = normal(37, 128, form="fp16")
    bits, group = paged.INTEGERS[form], paged.group_of(128, form)
    codes = torch.full((37, 128 * bits // 8), 255, dtype=torch.uint8, device=DEVICE)
    scales = torch.full((37, 128 // group), NAN, dtype=torch.float16, device=DEVICE)
    quantise.quantise(x, codes, scales, form)
    back = torch.full_like(x, NAN)
    quantise.dequantise(codes, scales, back, form)
    step = x.double().abs().view(37, -1, group).amax(-1) / ((1 << (bits - 1)) - 1)
    off = (back.double() - x.double()).abs().view(37, -1, group).amax(-1)
    assert (off <= 0.51 * step + 1e-3).all()
    wanted = paged.plain(codes.view(37, 1, -1), scales.view(37, 1, -1), form, 128).view(37, 128)
    close(back, wanted, 1e-3)


def test_page_bounds_are_never_below_a_score_in_the_page() -> None:
    keys, queries = normal(2, 7, 16, 2, 64), normal(2, 4, 64)
    low, high = keys.amin(2), keys.amax(2)
    out = torch.full((2, 4, 7), NAN, device=DEVICE)
    close(pages.bound(queries, low, high, out), pages.reference(queries, low, high), 1e-3)
    each = keys.double().repeat_interleave(2, dim=3)
    scores = torch.einsum("bhd,bpthd->bhpt", queries.double(), each).amax(-1)
    assert (out.double() >= scores - 1e-2).all()
    chosen = pages.select(queries, low, high, out, 3)
    assert torch.equal(chosen, torch.topk(out, 3).indices)


def test_blocks_come_back_where_they_were() -> None:
    pool = torch.arange(9 * 1100, dtype=torch.int32, device=DEVICE).view(9, 1100)
    ids = torch.tensor([7, 0, 3], dtype=torch.int32, device=DEVICE)
    packed = torch.full((3, 1100), -1, dtype=torch.int32, device=DEVICE)
    blocks.gather(pool, ids, packed)
    assert torch.equal(packed, pool[ids.long()])
    other = torch.full_like(pool, -1)
    blocks.scatter(packed, ids, other)
    assert torch.equal(other[ids.long()], pool[ids.long()])
    assert (other[[1, 2, 4, 5, 6, 8]] == -1).all()


def test_streams_touch_every_element() -> None:
    x = normal(10_001, form="fp32")
    sums = torch.full((3,), NAN, device=DEVICE)
    stream.read(x, sums)
    assert float(sums.sum()) == pytest.approx(float(x.double().sum()), abs=1e-2)
    y = torch.full_like(x, NAN)
    stream.copy(x, y)
    assert torch.equal(x, y)
    stream.write(y, 3.0)
    assert (y == 3.0).all()
