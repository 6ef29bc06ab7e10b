"""Does each reader understand its format as its authors meant it?"""

import gzip
import json

import pytest
from trace_samples import SAMPLES, bailian, call, client, jsonl, mooncake, session, written

from kvsim.traces import formats
from kvsim.traces.lines import Lines
from kvsim.traces.reader import Turn
from kvsim.traces.request import Pause, Request
from kvsim.traces.runs import block_ids
from kvsim.traces.trace import recorded
from kvsim.units import MS, SECOND


def turns(name: str, text: str | None = None) -> list[Turn]:
    source = SAMPLES[name] if text is None else text
    return list(formats()[name].turns(Lines(source.splitlines(keepends=True))))


def requests(name: str, text: str | None = None) -> list[Request]:
    return [turn.request for turn in turns(name, text)]


def test_mooncake():
    assert requests("mooncake") == [Request(0, 0, 6758, 500, (0, 14), 512)]


def test_mooncake_with_what_kvsim_adds():
    row = mooncake(1.5, 64, 9, [4, 5], block_tokens=32, session=3, turn=1, client="c", kind="chat",
                   think=7, service=8, pauses=[[2, 1000, 5]], samples=2)  # fmt: skip
    request = Request(0, 1_500_000, 64, 9, (4, 2), 32, 3, 1, "c", "chat", samples=2,
                      pauses=(Pause(2, 1000, 5),))  # fmt: skip
    assert turns("mooncake", jsonl(row)) == [Turn(request, think=7, service=8)]


def test_azure_keeps_100_ns_digits_and_takes_the_stamps_of_2024():
    text = SAMPLES["azure"] + "2023-11-16 18:17:04.0319601+00:00,3180,8\n"
    one, two = requests("azure", text)
    assert two.arrival - one.arrival == 52_000_100
    assert (one.prompt_tokens, one.output_tokens) == (4808, 10)


def test_bailian_follows_parents_and_gives_a_fork_a_session_of_its_own():
    rows = [
        bailian(7, -1, 0.5, 16, [1]),
        bailian(8, -1, 0.75, 16, [2]),
        bailian(9, 7, 1.0, 40, [1, 3], turn=2),  # 40 tokens: 2 full blocks, the last not hashed
        bailian(10, 9, 2.0, 48, [1, 3, 4], turn=3),
        bailian(11, 7, 3.0, 32, [1, 5], turn=2),  # another answer to 7
        bailian(12, 99, 4.0, 16, [6], turn=4),  # its parent came before the trace
    ]
    found = requests("bailian", jsonl(*rows))
    assert [r.session for r in found] == [0, 1, 0, 0, 2, 3]
    assert [r.turn for r in found] == [0, 0, 1, 2, 1, 3]
    assert [r.arrival for r in found][:2] == [SECOND // 2, SECOND * 3 // 4]
    assert {r.kind for r in found} == {"text"}


def test_burstgpt_leaves_out_what_failed():
    text = SAMPLES["burstgpt"] + "45,GPT-4,1087,0,1087,API log\n46,GPT-4,20,30,50,API log\n"
    assert requests("burstgpt", text) == [
        Request(0, 5 * SECOND, 472, 18, client="ChatGPT", kind="Conversation log"),
        Request(0, 46 * SECOND, 20, 30, client="GPT-4", kind="API log"),
    ]


def test_burstgpt_of_release_2_has_sessions_and_durations():
    text = (
        "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,"
        "Log Type\n"
        "19440110.0,1722ac82,43,GPT-4,906,446,1352,Conversation log\n"
        "19440161.0,d5983bf9,2,ChatGPT,36,29,65,Conversation log\n"
        "19440192.0,1722ac82,8,GPT-4,1779,123,1902,Conversation log\n"
        "19440200.0,,,GPT-4,5,6,11,API log\n"
    )
    found = turns("burstgpt", text)
    assert [t.request.session for t in found] == [0, 1, 0, None]
    assert [t.request.turn for t in found] == [0, 0, 1, 0]
    assert [t.service for t in found] == [43 * SECOND, 2 * SECOND, 8 * SECOND, None]


def test_vidur_splitwise_and_lengths():
    assert requests("vidur") == [Request(0, 125 * MS, 547, 248)]
    assert requests("splitwise") == [Request(0, 1500 * MS, 512, 64, client="7")]
    assert requests("lengths") == [Request(0, 0, 3772, 54)]


def test_columns_are_found_by_name_wherever_they_stand():
    text = "request_id,num_decode_tokens, arrived_at ,num_prefill_tokens\r\n0,5.0,1e-3,40\r\n\r\n"
    assert requests("vidur", text) == [Request(0, MS, 40, 5)]


def test_vllm_bench_orders_by_start_and_leaves_out_failures():
    assert turns("vllm_bench") == [
        Turn(Request(0, 100 * SECOND, 30, 2), service=375 * MS),
        Turn(Request(0, 101 * SECOND, 10, 3), service=SECOND),
    ]


def test_an_agentic_stream_tells_its_block_size():
    assert requests("agentic_stream")[0].block_tokens == 16
    row = json.loads(SAMPLES["agentic_stream"])
    # 1000 tokens: 15 full blocks of 64, and 8 of those make one of 512, so two
    coarse = [row | {"input_length": 213785, "hash_ids": [*range(418)]},
              row | {"input_length": 1000, "hash_ids": [0, 1], "agent": "sub", "timestamp": 3},
              row | {"input_length": 1030, "hash_ids": [0, 2], "timestamp": 4}]  # fmt: skip
    found = requests("agentic_stream", jsonl(*coarse))
    assert {r.block_tokens for r in found} == {512}
    assert [(r.session, r.turn, r.client, r.kind) for r in found] == [
        (0, 0, "s", ""), (1, 0, "s", "subagent"), (0, 1, "s", "")]  # fmt: skip


def test_agentic_sessions_move_ids_apart_and_let_subagents_run_beside():
    sub = {"t": 5.5, "type": "subagent", "requests": [call(0, 64, [[7, 1]]), call(9, 64, [[8, 1]])]}
    text = jsonl(
        session("a", call(0, 130, [[1, 2]], api_time=4.0, think_time=0.0), sub,
                call(10, 200, [[1, 2], [3, 1]], think_time=6.0)),
        session("b", call(0, 64, [[1, 1]]), call(2, 10, [])),
    )  # fmt: skip
    found = turns("agentic_sessions", text)
    shown = [(t.request.session, t.request.turn, t.request.kind, t.request.arrival) for t in found]
    assert shown == [
        (0, 0, "", 0), (1, 0, "subagent", 5.5 * SECOND), (0, 1, "", 10 * SECOND),
        (1, 1, "subagent", 14.5 * SECOND), (2, 0, "", 0), (2, 1, "", 2 * SECOND)]  # fmt: skip
    assert [t.request.blocks for t in found] == [(1, 2), (7, 1), (1, 3), (8, 1), (10, 1), ()]
    assert [t.request.client for t in found] == [*"aaaabb"]
    assert (found[0].service, found[2].service) == (4 * SECOND, None)
    assert (found[0].think, found[2].think, found[4].think) == (0, 6 * SECOND, None)


def test_a_servegen_window_holds_its_rate_times_its_length():
    text = jsonl(
        client(0, [0, 0.5, 3.0, "Gamma", 0.1, 9.0], [600, 0.0, 0.0, "", 0.0, 0.0]),
        client(1, [0, 0.0, 0.0, "", 0.0, 0.0], [600, 0.25, 1.0, "Weibull", 1.1, 4.0], tokens=7),
        client(2, [0, 0.1, 1.0, "", 0.0, 0.0], [600, 0.0, 0.0, "", 0.0, 0.0], tokens=9),
    )
    found = requests("servegen", text)
    by_client = {name: [r for r in found if r.client == name] for name in "012"}
    assert [len(by_client[name]) for name in "012"] == [300, 150, 60]
    assert all(600 * SECOND <= r.arrival <= 1200 * SECOND for r in by_client["1"])
    assert {r.prompt_tokens for r in by_client["1"]} == {7}
    assert {r.output_tokens for r in found} == {10, 20}
    assert [r.arrival for r in found] == sorted(r.arrival for r in found)


def test_a_servegen_prompt_holds_its_images():
    row = client(0, [0, 0.1, 1.0, "", 0.0, 0.0])
    row["pdfs"]["0"] = {
        "text_tokens": [[10, 1.0]], "image_count": [[0, 0.5], [2, 0.5]],
        "image_tokens": [[100, 1.0]], "output_tokens": [[1, 1.0]],
    }  # fmt: skip
    assert {r.prompt_tokens for r in requests("servegen", jsonl(row))} == {10, 210}


@pytest.mark.parametrize("name", list(SAMPLES))
def test_gzip_is_told_by_content_not_by_name(name, tmp_path):
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress(SAMPLES[name].encode()))
    assert list(recorded(packed)) == list(recorded(written(tmp_path, SAMPLES[name])))


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    path = tmp_path / "azure.csv"
    path.write_text(SAMPLES["azure"], encoding="utf-8-sig")
    assert len(list(recorded(path))) == 1


def test_ids_keep_their_order():
    [request] = requests("mooncake", jsonl(mooncake(0, 2048, 1, [5, 3, 4, 9])))
    assert request.blocks == (5, 1, 3, 2, 9, 1)
    assert block_ids(request.blocks) == [5, 3, 4, 9]
