"""Does a layout keep, saturate and share as its layers say?"""

from kvsim.models import KVLayout, Layer, Model
from kvsim.models.blocks import Block, grouped

FULL = Layer("full", query_heads=8, kv_heads=2, key_width=4, value_width=3)
WINDOW = Layer("window", query_heads=8, kv_heads=2, key_width=4, value_width=3, window=10)
LATENT = Layer("latent", 8, 1, key_width=6, scored=(5, 4), latent=4)
LINEAR = Layer("linear", state=100)
SHARED = Layer("shared", query_heads=8, kv_heads=2, key_width=4, value_width=3, shares=0)
CROSS = Layer("cross", query_heads=8, kv_heads=8, key_width=4, value_width=4)


def test_only_layers_that_store_text_grow_with_it() -> None:
    layout = KVLayout((FULL, WINDOW, LATENT, LINEAR, SHARED, CROSS, Layer("none")))
    assert layout.bytes_per_token(bits=16) == 2 * (2 * 7 + 2 * 7 + 6)
    assert layout.bytes_per_token(bits=8) == 2 * 7 + 2 * 7 + 6
    assert layout.state_bytes(bits=32) == 400
    assert layout.bytes(0) == layout.state_bytes() == 200
    assert layout.kinds() == ["full", "window", "latent", "linear", "shared", "cross", "none"]


def test_a_window_saturates_and_the_rest_goes_on() -> None:
    layout = KVLayout((FULL, WINDOW))
    assert layout.bytes(10) == 10 * layout.bytes_per_token()
    assert layout.bytes(25) == 2 * 14 * (25 + 10)


def test_odd_widths_are_packed_and_rounded_up() -> None:
    assert KVLayout((Layer("full", 1, 1, 1, 0),)).bytes(3, bits=3) == 2  # 9 bits


def test_ranks_share_heads_but_not_a_head_and_not_the_latent() -> None:
    layout = KVLayout((FULL, LATENT))
    assert layout.bytes_per_token(16, tensor=2) == 2 * (7 + 6)
    assert layout.bytes_per_token(16, tensor=8) == 2 * (7 + 6)
    assert KVLayout((LINEAR,)).state_bytes(16, tensor=3) == 2 * 34


def test_sharing_saves_memory_but_not_reading() -> None:
    blocks = tuple(Block(layer, grouped(8, layer), 0) for layer in (WINDOW, SHARED, FULL))
    made = Model("x", "x", "x", None, 10, 8, blocks, tied=True)
    assert made.layout.bytes_per_token() == 2 * 2 * 14
    windowed, full = made.attention()
    assert (windowed.kind, windowed.layers, windowed.window) == ("window", 2, 10)
    assert windowed.read_bytes(16) == 2 * 2 * 14
    assert (full.kind, full.layers) == ("full", 1)
