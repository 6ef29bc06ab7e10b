"""What do prefill and decode cost, product by product?"""

import pytest

from kvsim.models import Attention, Matmul, model
from kvsim.models.phases import decode_flops, kv_read_bytes, prefill_flops, weight_read_bytes


def by_name(name: str, tensor: int = 1) -> dict[str, Matmul]:
    return {product.name: product for product in model(name).matmuls(tensor)}


def test_the_products_of_llama_fused_as_engines_do() -> None:
    assert model("llama-3.1-8b").matmuls() == (
        Matmul("qkv", n=(32 + 2 * 8) * 128, k=4096, times=32),
        Matmul("o", n=4096, k=4096, times=32),
        Matmul("gate_up", n=2 * 14336, k=4096, times=32),
        Matmul("down", n=4096, k=14336, times=32),
        Matmul("lm_head", n=128256, k=4096, times=1, rows="sampled"),
    )


def test_ranks_get_whole_heads() -> None:
    shards = by_name("llama-3.1-8b", tensor=16)  # 2 query heads, and half a KV head is a whole one
    assert shards["qkv"].n == (2 + 2) * 128
    assert shards["o"].k == 2 * 128
    assert by_name("falcon-7b", tensor=2)["qkv"].n == (36 + 2) * 64  # 71 heads: 36 and 35


def test_latents_are_whole_on_every_rank() -> None:
    shards = by_name("deepseek-v3", tensor=8)
    assert (shards["qkv_a"].n, shards["qkv_a"].k) == (1536 + 512 + 64, 7168)
    assert (shards["q_b"].n, shards["kv_b"].n) == (16 * 192, 16 * 256)
    assert shards["router"].n == 256


def test_routed_experts_see_their_share_of_rows() -> None:
    products = by_name("deepseek-v3")
    experts = products["expert_gate_up"]
    assert (experts.rows, experts.experts, experts.active, experts.times) == ("experts", 256, 8, 58)
    assert (products["gate_up"].times, products["shared_gate_up"].times) == (3, 58)
    assert experts.flops(10) == 2 * 10 * 8 * 58 * 7168 * 4096


def test_a_step_reads_only_the_experts_it_visits() -> None:
    experts = by_name("mixtral-8x7b")["expert_down"]
    one = 32 * 14336 * 4096 * 2
    assert experts.weight_bytes(1) == 2 * one
    assert experts.weight_bytes(2) == pytest.approx(8 * (1 - 0.75**2) * one)
    assert experts.weight_bytes(1000) == pytest.approx(8 * one)
    mixtral = model("mixtral-8x7b")
    read = weight_read_bytes(mixtral, tokens=10_000)
    assert read == pytest.approx(mixtral.weights_bytes() - 2 * 32000 * 4096, rel=1e-5)


def test_token_flops_are_twice_the_weights_met() -> None:
    llama = model("llama-3.1-8b")
    tables, norms = 2 * 128256 * 4096, 65 * 4096
    assert llama.token_flops() == 2 * (llama.parameters - tables - norms)
    assert llama.head_flops() == 2 * 128256 * 4096
    assert llama.head_flops(tensor=8) == 2 * 128256 * 4096 // 8


def test_attention_by_class() -> None:
    gemma = model("gemma-2-9b").attention(tensor=4)
    assert gemma == (
        Attention("window", 21, 4, 2, 256, 256, window=4096),
        Attention("full", 21, 4, 2, 256, 256),
    )
    assert gemma[0].read_bytes(16) == 21 * 2 * (256 + 256) * 2
    assert gemma[0].pair_flops(prefill=True) == 2 * 21 * 4 * (256 + 256)
    assert gemma[0].pair_flops(prefill=False) == gemma[0].pair_flops(prefill=True)


def test_latent_attention_scores_narrow_in_prefill_and_wide_in_decode() -> None:
    (latent,) = model("deepseek-v3").attention(tensor=8)
    assert (latent.query_heads, latent.kv_heads, latent.scored) == (16, 1, (192, 128))
    assert latent.pair_flops(prefill=True) == 2 * 61 * 16 * (192 + 128)
    assert latent.pair_flops(prefill=False) == 2 * 61 * 16 * (576 + 512)
    assert latent.read_bytes(16) == 61 * 576 * 2


def test_recurrent_layers_have_a_state_and_no_attention() -> None:
    mamba = model("mamba2-2.7b")
    assert mamba.attention() == ()
    assert mamba.state_flops() == 4 * mamba.layout.state_bytes(8)
    assert kv_read_bytes(mamba, context=1000) == 0
    assert mamba.context == 1 << 20  # no limit is stated


def test_a_prompt_costs_its_tokens_its_pairs_and_one_sampled_row() -> None:
    llama = model("llama-3.1-8b")
    pairs = 2 * 32 * 32 * (128 + 128)
    assert prefill_flops(llama, tokens=3, history=4) == (
        3 * llama.token_flops() + (5 + 6 + 7) * pairs + llama.head_flops()
    )
    assert decode_flops(llama, context=7) == (llama.token_flops() + 7 * pairs + llama.head_flops())
    assert kv_read_bytes(llama, context=7) == 7 * 131_072


def test_a_cached_latent_is_rebuilt_for_prefill() -> None:
    deepseek = model("deepseek-v3")
    cached = prefill_flops(deepseek, tokens=1, history=99)
    pairs = 100 * deepseek.attention()[0].pair_flops(prefill=True)
    rebuilt = 99 * 61 * 2 * 512 * 128 * (128 + 128)
    assert cached == deepseek.token_flops() + pairs + rebuilt + deepseek.head_flops()


def test_activation_bytes_between_the_products_of_llama() -> None:
    products = (4096 + 6144) + (4096 + 4096) + (4096 + 28672) + (14336 + 4096)
    assert model("llama-3.1-8b").elementwise_bytes() == 2 * 32 * (products + 2 * 2 * 4096)


@pytest.mark.parametrize(
    ("name", "reductions", "reduction_bytes"),
    [
        ("llama-3.1-8b", 2 * 32, 2 * 4096),
        ("falcon-40b", 60, 2 * 8192),  # attention and feed-forward side by side
        ("mamba2-2.7b", 64, 2 * 2560),
    ],
)
def test_reductions_under_tensor_parallelism(
    name: str, reductions: int, reduction_bytes: int
) -> None:
    found = model(name)
    assert (found.reductions, found.reduction_bytes) == (reductions, reduction_bytes)
