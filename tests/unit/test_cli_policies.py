"""Does `kvsim policies` say which answers there are, and what they are?"""

import json

import pytest
from typer.testing import CliRunner

from kvsim.cli.policies import app
from kvsim.errors import InputError
from kvsim.policies import answers, questions


def policies(*words: str) -> str:
    result = CliRunner(env={"COLUMNS": "80"}).invoke(app, list(words))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_list_names_every_answer_to_every_question() -> None:
    found = json.loads(policies("list", "--json"))["policies"]
    named = [(one["question"], one["name"]) for one in found]
    assert named == [(asked, name) for asked in questions() for name in answers(asked).names()]
    assert all(one["summary"].endswith(".") for one in found)


def test_list_of_one_question_as_a_table() -> None:
    table = policies("list", "eviction")
    assert max(map(len, table.splitlines())) <= 80
    for name in answers("eviction").names():
        assert f"eviction {name} " in " ".join(table.split())
    assert "round_robin" not in table


def test_show_gives_fields_and_needs() -> None:
    (found,) = json.loads(policies("show", "eviction/slru", "--json"))["policies"]
    assert found["parameters"] == [{"name": "protected", "type": "float", "default": 0.8}]
    assert found["needs"] == []
    assert found["text"].startswith(found["summary"])
    (found,) = json.loads(policies("show", "belady", "--json"))["policies"]
    assert found["needs"] == ["future"]


def test_show_in_words() -> None:
    text = policies("show", "s3fifo")
    assert text.startswith("eviction: s3fifo\n")
    assert "small: float = 0.1" in text
    assert "SOSP 2023" in text
    assert "knows" not in text
    assert "knows: future; no real system does" in policies("show", "belady")


def test_a_name_in_two_questions_is_shown_for_both() -> None:
    found = json.loads(policies("show", "recompute", "--json"))["policies"]
    asked = [one for one in questions() if "recompute" in answers(one).names()]
    assert [one["question"] for one in found] == asked


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "beladi"), r"no policy 'beladi'\. Did you mean 'belady'"),
        (("show", "router/lru"), "no policy 'router/lru'"),
        (("show", "eviction"), "'eviction' is a question"),
        (("list", "evict"), "no question 'evict'"),
        (("show", "evict/lru"), "no question 'evict'"),
    ],
)
def test_errors(words, said) -> None:
    with pytest.raises(InputError, match=said):
        policies(*words)
