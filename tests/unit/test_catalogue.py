"""Do the catalogue's models weigh and remember what their authors say?"""

import subprocess
import sys

import pytest
import yaml

from kvsim.errors import InputError
from kvsim.models import Model, model, names
from kvsim.models.catalogue import FOLDER, published

PUBLISHED_WITHIN = 0.02
"""Published sizes are rounded, and some count a vision tower of 1 %."""

ACTIVE_WITHIN = 0.05
"""Active parameters are often given as two digits."""


@pytest.fixture(params=names())
def named(request: pytest.FixtureRequest) -> Model:
    """Each model of the catalogue in turn."""
    return model(str(request.param))


def test_the_catalogue_is_broad() -> None:
    assert len(names()) >= 45
    assert names() == sorted(set(names()))


def test_every_entry_is_found_by_its_name_and_no_name_is_given_twice() -> None:
    entries = [name for file in FOLDER.glob("*.yaml") for name in yaml.safe_load(file.read_text())]
    assert sorted(entries) == names()


def test_an_entry_has_the_same_five_fields_and_no_others() -> None:
    for file in FOLDER.glob("*.yaml"):
        for name, entry in yaml.safe_load(file.read_text()).items():
            assert set(entry) == {"title", "source", "published", "config"}, name
            assert set(entry["published"]) <= {"parameters", "active", "source"}, name


def test_parameters_are_those_published(named: Model) -> None:
    found = published(named.name)
    assert named.parameters == pytest.approx(found.parameters, rel=PUBLISHED_WITHIN)
    assert named.title
    assert named.source


def test_active_parameters_are_those_published(named: Model) -> None:
    """Authors disagree whether the embedding and the LM head count."""
    found = published(named.name).active
    if found is None:
        assert named.active_parameters == named.parameters
        return
    tables = (1 if named.tied else 2) * named.vocabulary * named.hidden
    assert named.active_parameters * (1 + ACTIVE_WITHIN) >= found
    assert (named.active_parameters - tables) * (1 - ACTIVE_WITHIN) <= found


@pytest.mark.parametrize(
    ("name", "parameters"),
    [  # exact, from the model pages
        ("llama-2-7b", 6_738_415_616),
        ("llama-3.1-8b", 8_030_261_248),
        ("llama-3.1-405b", 405_853_388_800),
        ("mistral-7b", 7_241_732_096),
        ("mixtral-8x7b", 46_702_792_704),
        ("falcon-7b", 6_921_720_704),
        ("phi-2", 2_779_683_840),
        ("qwen1.5-72b", 72_287_920_128),
        ("yi-34b", 34_388_917_248),
    ],
)
def test_parameters_to_the_last_one(name: str, parameters: int) -> None:
    assert model(name).parameters == parameters


@pytest.mark.parametrize(
    ("name", "bytes_per_token"),
    [
        ("llama-3.1-8b", 2 * 32 * 8 * 128 * 2),  # 131072
        ("llama-3.1-70b", 2 * 80 * 8 * 128 * 2),  # 327680
        ("deepseek-v3", 61 * (512 + 64) * 2),  # 70272
        ("opt-13b", 2 * 40 * 40 * 128 * 2),  # 819200
        ("qwen2.5-7b", 2 * 28 * 4 * 128 * 2),
        ("falcon-7b", 2 * 32 * 1 * 64 * 2),
        ("gemma-2-9b", 2 * 42 * 8 * 256 * 2),
        ("jamba-1.5-mini", 2 * 4 * 8 * 128 * 2),
        ("gpt-oss-120b", 2 * 36 * 8 * 64 * 2),
        ("hunyuan-large", 2 * 32 * 8 * 80 * 2),  # of 64 layers every second stores
        ("mamba2-2.7b", 0),
    ],
)
def test_kv_bytes_per_token(name: str, bytes_per_token: int) -> None:
    assert model(name).layout.bytes_per_token() == bytes_per_token


@pytest.mark.parametrize(
    ("name", "state_bytes"),
    [
        ("llama-3.1-8b", 0),
        # heads x width x state, and the three last inputs of the convolution over x, B and C
        ("mamba2-2.7b", 2 * 64 * (80 * 64 * 128 + 3 * (5120 + 2 * 128))),
        ("rwkv-6-7b", 2 * 32 * (64 * 64 * 64 + 2 * 4096)),
        ("minimax-text-01", 2 * 70 * 64 * 128 * 128),
        ("jamba-1.5-mini", 2 * 28 * 8192 * (16 + 3)),
    ],
)
def test_state_bytes(name: str, state_bytes: int) -> None:
    assert model(name).layout.state_bytes() == state_bytes


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("gemma-2-9b", {"window": 21, "full": 21}),
        ("gemma-3-27b", {"window": 52, "full": 10}),
        ("gpt-oss-20b", {"window": 12, "full": 12}),
        ("llama-4-scout", {"chunk": 36, "full": 12}),
        ("jamba-1.5-large", {"linear": 63, "full": 9}),
        ("minimax-m1", {"linear": 70, "full": 10}),
        ("kimi-k2", {"latent": 61}),
        ("rwkv-6-7b", {"linear": 32}),
        ("mistral-7b", {"window": 32}),
        ("mistral-large", {"full": 88}),
        ("hunyuan-large", {"full": 32, "shared": 32}),
    ],
)
def test_layers_are_of_their_kinds(name: str, kinds: dict[str, int]) -> None:
    found = model(name).layout.kinds()
    assert {kind: found.count(kind) for kind in found} == kinds


def test_a_name_that_is_nearly_right_gets_a_suggestion() -> None:
    with pytest.raises(InputError, match=r"no model 'llama-3\.1-8' .* mean 'llama-3\.1-8b'"):
        model("llama-3.1-8")
    with pytest.raises(InputError, match=r"Did you mean 'llama-3\.1-8b'"):
        model("meta-llama/Llama-3.1-8B")
    with pytest.raises(InputError, match="`kvsim models list` shows the names"):
        model("zzz")


def test_a_model_is_made_once_and_capitals_do_not_matter() -> None:
    assert model("opt-13b") is model("OPT-13b")


def test_importing_models_does_not_wait_for_yaml_or_numpy() -> None:
    program = "import sys, kvsim.models; print({'yaml', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr
