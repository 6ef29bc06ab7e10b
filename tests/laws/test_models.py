"""What holds for every model of the catalogue, however it is sharded and however long the text."""

from hypothesis import given, settings
from hypothesis import strategies as st

from kvsim.models import Attention, Model, model, names
from kvsim.models.layout import GROWING

models = st.sampled_from(names()).map(model)
ranks = st.integers(1, 128)


@given(models, ranks)
def test_shards_cover_the_whole_and_never_exceed_it(found: Model, tensor: int) -> None:
    for whole, shard in zip(found.matmuls(), found.matmuls(tensor), strict=True):
        for one, all_ in ((shard.n, whole.n), (shard.k, whole.k)):
            assert one <= all_ <= one * tensor
    assert found.weights_bytes(16, tensor) <= found.weights_bytes()
    assert found.weights_bytes(16, tensor) * tensor >= found.weights_bytes()
    layout = found.layout
    for bits in (4, 8, 16):
        one = layout.bytes_per_token(bits, tensor)
        assert one <= layout.bytes_per_token(bits) <= one * tensor
        assert layout.state_bytes(bits, tensor) * tensor >= layout.state_bytes(bits)


@given(models, st.sampled_from([2, 4, 8]))
def test_shards_are_equal_parts_where_ranks_divide_the_heads(found: Model, tensor: int) -> None:
    attention = found.attention(tensor)
    for whole, shard in zip(found.attention(), attention, strict=True):
        if whole.query_heads % tensor == 0:
            assert shard.query_heads * tensor == whole.query_heads
            assert shard.pair_flops(True) * tensor == whole.pair_flops(True)
        if whole.kv_heads % tensor == 0:
            assert shard.read_bytes() * tensor == whole.read_bytes()


@given(models, st.integers(0, 2**21), st.integers(0, 2**21))
def test_memory_grows_by_at_most_the_bytes_of_a_token(found: Model, few: int, more: int) -> None:
    layout = found.layout
    added = layout.bytes(few + more) - layout.bytes(few)
    assert 0 <= added <= more * layout.bytes_per_token()
    windows = [layer.window for layer in found.layers if layer.window is not None]
    if few + more <= min(windows, default=few + more):
        assert added == more * layout.bytes_per_token()
    unlimited = sum(layer.stored() for layer in found.layers if layer.window is None)
    if few >= max(windows, default=0):
        assert added == 2 * more * unlimited
    assert layout.bytes(0) == layout.state_bytes()


@given(models)
def test_weights_are_products_tables_and_little_else(found: Model) -> None:
    products = sum(p.n * p.k * p.times * max(1, p.experts) for p in found.matmuls())
    tables = 0 if found.tied else found.vocabulary * found.hidden
    whole = found.weights_bytes(16)
    assert 2 * (products + tables) <= whole <= 2 * (products + tables) * 1.01
    assert whole == 2 * found.parameters
    biases = found.vocabulary if found.head_bias else 0
    tables += (found.vocabulary + found.positions) * found.hidden + biases
    assert found.weights_bytes(4) == 2 * tables + (found.parameters - tables + 1) // 2
    assert found.active_parameters <= found.parameters


@given(models)
def test_reading_is_storing_and_what_is_shared(found: Model) -> None:
    read = [layer for layer in found.layers if layer.kind in GROWING or layer.kind == "shared"]
    assert sum(attention.layers for attention in found.attention()) == len(read)
    assert sum(a.read_bytes() for a in found.attention()) == 2 * sum(layer.read() for layer in read)


@settings(max_examples=200)
@given(
    st.sampled_from(["full", "window", "chunk"]),
    st.integers(1, 9),
    st.integers(0, 40),
    st.integers(0, 40),
)
def test_pairs_are_those_a_mask_shows(kind: str, window: int, history: int, tokens: int) -> None:
    def sees(query: int, key: int) -> bool:
        if key > query:
            return False
        if kind == "window":
            return key > query - window
        return kind == "full" or key // window == query // window

    limit = None if kind == "full" else window
    attention = Attention(kind, 1, 1, 1, 1, 1, window=limit)  # type: ignore[arg-type]
    end = history + tokens
    counted = sum(sees(query, key) for query in range(history, end) for key in range(end))
    assert attention.pairs(tokens, history) == counted
