"""Does a broken trace file say what is wrong, and where?"""

import gzip
import json

import pytest
from trace_samples import SAMPLES, bailian, call, client, jsonl, mooncake, session, written

from kvsim.errors import InputError
from kvsim.traces import open_trace
from kvsim.traces.discovery import format_of
from kvsim.traces.trace import recorded

GOOD = mooncake(0, 600, 5, [1, 2])
IDLE = [0, 0.0, 0.0, "", 0.0, 0.0]
AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
VIDUR = "arrived_at,num_prefill_tokens,num_decode_tokens\n"
BENCH = json.loads(SAMPLES["vllm_bench"])


def bench(**changed):
    return json.dumps(BENCH | changed)


@pytest.mark.parametrize(
    ("format", "text", "line", "words"),
    [
        ("mooncake", jsonl(GOOD, GOOD | {"input_length": -600}), 2, "input_length: found -600"),
        ("mooncake", jsonl(GOOD | {"output_length": "5"}), 1, "output_length: found '5'"),
        ("mooncake", jsonl(GOOD | {"output_length": True}), 1, "output_length: found True"),
        ("mooncake", jsonl(GOOD | {"timestamp": -1}), 1, "timestamp: found -1"),
        ("mooncake", jsonl(GOOD | {"timestamp": float("nan")}), 1, "timestamp: found nan"),
        ("mooncake", jsonl(GOOD | {"hash_ids": [1]}), 1, "found 1 blocks of 512 .* which has 2"),
        ("mooncake", jsonl(GOOD | {"hash_ids": [1, -2]}), 1, "hash_ids: found -2"),
        ("mooncake", jsonl(GOOD | {"hash_ids": [1, "x"]}), 1, "hash_ids: found 'x'"),
        ("mooncake", jsonl(GOOD | {"hash_ids": 7}), 1, "hash_ids: found 7, which is not a list"),
        ("mooncake", jsonl(GOOD | {"sessions": 7}), 1, "'sessions' is not known. Did .* 'session'"),
        ("mooncake", jsonl(GOOD | {"session": "a"}), 1, "session: found 'a'"),
        ("mooncake", jsonl(GOOD | {"block_tokens": 0}), 1, "block_tokens: found 0"),
        ("mooncake", jsonl(GOOD | {"block_tokens": 700}), 1, "found 2 blocks of 700"),
        ("mooncake", jsonl(GOOD | {"pauses": [[1, 2]]}), 1, "pauses: found"),
        ("mooncake", jsonl(GOOD, {"timestamp": 1, "input_length": 3}), 2, "'output_length' is mis"),
        ("mooncake", jsonl(GOOD) + "[1]\n", 2, "not a JSON object"),
        ("mooncake", jsonl(GOOD) + '{"timest\n', 2, "not JSON"),
        ("mooncake", jsonl(GOOD) + '{"timestamp": 3, "inp', 2, "not JSON.* cut off here"),
        ("mooncake", jsonl(GOOD | {"timestamp": 9}, GOOD), 2, "arrives 0.009 s before the one ab"),
        ("azure", AZURE + "yesterday,1,2\n", 2, "TIMESTAMP: found 'yesterday'"),
        ("azure", AZURE + "2023-13-01 00:00:00,1,2\n", 2, "TIMESTAMP: found '2023-13-01"),
        ("azure", AZURE + "2023-11-16 18:17:03,1\n", 2, "found 2 columns of 3"),
        ("azure", AZURE + "2023-11-16 18:17:03,-1,2\n", 2, "ContextTokens: found '-1'"),
        ("azure", AZURE.replace("Gen", "Cre") + "a,b,c\n", 1, "'GeneratedTokens' is missing"),
        ("vidur", VIDUR + "-1,5,5\n", 2, "arrived_at: found '-1'; a time is not negative"),
        ("vidur", VIDUR + "inf,5,5\n", 2, "arrived_at: found 'inf'"),
        ("vidur", VIDUR + "1,2.5,5\n", 2, "num_prefill_tokens: found '2.5'"),
        ("vidur", VIDUR + "1,many,5\n", 2, "num_prefill_tokens: found 'many'"),
        ("vidur", VIDUR + "2,5,5\n1,5,5\n", 3, "arrives 1 s before"),
        ("bailian", jsonl(bailian(1, -1, 0, 40, [1])), 1, "found 1 blocks of 16"),
        ("bailian", jsonl(bailian("x", -1, 0, 16, [1])), 1, "chat_id: found 'x'"),
        ("agentic_stream", SAMPLES["agentic_stream"].replace("79]", "79, 80]") * 2, 1, "81 blocks"),
        ("agentic_sessions", jsonl(session("a", call(0, 130, [[1, 3]]))), 1, "3 blocks of 64"),
        ("agentic_sessions", jsonl(session("a", call(0, 130, [[1, 0]]))), 1, "hash_runs: found"),
        ("agentic_sessions", jsonl(session("a", call(9, 1, []), call(8, 1, []))), 1, "t: found 8"),
        ("agentic_sessions", jsonl(session("a") | {"block_size": 0}), 1, "block_size: found 0"),
        ("agentic_sessions", jsonl(session("a") | {"requests": [1]}), 1, "requests: found"),
        ("vllm_bench", bench(start_times=[1.0]), 1, "input_lens has 3 entries, start_times 1"),
        ("vllm_bench", bench(itls=[1, 2, 3]), 1, "ttfts and itls of request 0"),
        ("vllm_bench", bench(input_lens=7), 1, "input_lens: found 7"),
        ("vllm_bench", "{", 1, "not JSON"),
        ("vllm_bench", json.dumps({"input_lens": []}), 1, "'start_times' is missing: run the"),
        ("servegen", jsonl(client(0, [0, 1, 1, "Pareto", 1, 1])), 1, "the law 'Pareto'"),
        ("servegen", jsonl(client(0, [0, -1, 1, "", 1, 1])), 1, "rate -1"),
        ("servegen", jsonl(client(0, [0, 1, 1])), 1, "windows: not"),
        ("servegen", jsonl(client(0, [0, 1, 1, "", 0, 0]) | {"pdfs": {}}), 1, "has no lengths"),
        ("servegen", jsonl(client(0, IDLE) | {"pdfs": {"0": {"a": [[1, 1]]}}}), 1, "needs output"),
    ],
)  # fmt: skip
def test_a_broken_row(format, text, line, words, tmp_path):
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=words) as caught:
        list(recorded(path, format))
    assert str(caught.value).startswith(f"{path}, line {line}: ")


def test_a_servegen_file_is_parsed_at_once(tmp_path):
    path = written(tmp_path, jsonl(client(0, [0, 1, 1, "Pareto", 1, 1])))
    with pytest.raises(InputError, match="line 1: windows: found the law 'Pareto'"):
        open_trace(path)


def test_truncated_gzip(tmp_path):
    whole = gzip.compress(jsonl(*[GOOD | {"timestamp": at} for at in range(3000)]).encode())
    path = tmp_path / "trace.jsonl.gz"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"trace\.jsonl\.gz: the gzip data end too early, after"):
        list(recorded(path))


def test_damaged_gzip(tmp_path):
    whole = bytearray(gzip.compress(SAMPLES["mooncake"].encode()))
    whole[12:30] = b"\xff" * 18
    path = tmp_path / "trace.jsonl.gz"
    path.write_bytes(whole)
    with pytest.raises(InputError, match="damaged gzip data after line 0"):
        list(recorded(path))


def test_no_text(tmp_path):
    path = tmp_path / "trace.jsonl"
    path.write_bytes(b'{"timestamp"\xff\xfe')
    with pytest.raises(InputError, match="not UTF-8 text"):
        open_trace(path)


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_an_empty_file(text, tmp_path):
    with pytest.raises(InputError, match="trace is empty"):
        open_trace(written(tmp_path, text))


def test_a_header_alone(tmp_path):
    with pytest.raises(InputError, match="has no requests"):
        list(open_trace(written(tmp_path, VIDUR)).arrivals())


def test_no_file(tmp_path):
    with pytest.raises(InputError, match=r"gone\.jsonl cannot be read: No such file"):
        open_trace(tmp_path / "gone.jsonl")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        open_trace(tmp_path)


def test_an_unknown_format_names_the_known_ones(tmp_path):
    path = written(tmp_path, SAMPLES["vidur"])
    with pytest.raises(InputError, match=r"no trace format 'mooncak'\. Did you mean 'mooncake'"):
        open_trace(path, "mooncak")
    with pytest.raises(InputError, match=r"Allowed: agentic_sessions, .*, vidur, vllm_bench"):
        open_trace(path, "xyz")


def test_an_unrecognised_file_names_the_known_formats(tmp_path):
    with pytest.raises(InputError, match=r"begins with 'a,b', which is the format of none .*vidur"):
        format_of(written(tmp_path, "a,b\n1,2\n"))
