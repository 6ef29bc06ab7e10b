"""A tiny file of every trace format, as its authors write it."""

import json
from pathlib import Path


def jsonl(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def mooncake(timestamp: float, prompt: int, output: int, ids: list[int], **more: object) -> dict:
    lengths = {"input_length": prompt, "output_length": output}
    return {"timestamp": timestamp, **lengths, "hash_ids": ids, **more}


def bailian(chat: int, parent: int, at: float, prompt: int, ids: list[int], turn: int = 1) -> dict:
    return {
        "chat_id": chat, "parent_chat_id": parent, "timestamp": at, "input_length": prompt,
        "output_length": 5, "type": "text", "turn": turn, "hash_ids": ids,
    }  # fmt: skip


def call(t: float, prompt: int, runs: list[list[int]], **more: object) -> dict:
    return {"t": t, "type": "n", "model": "m", "in": prompt, "out": 10, "hash_runs": runs, **more}


def session(name: str, *requests: object) -> dict:
    return {"id": name, "models": ["m"], "block_size": 64, "requests": list(requests)}


def client(name: int, *windows: list, tokens: int = 100) -> dict:
    pdf = {"input_tokens": [[tokens, 1.0]], "output_tokens": [[10, 0.5], [20, 0.5]]}
    return {"client": name, "windows": list(windows), "pdfs": {"0": pdf}}


SAMPLES = {
    "agentic_sessions": jsonl(
        session("a", call(0, 130, [[1, 2]], api_time=4.0, think_time=0.0),
                call(10, 200, [[1, 3]], api_time=5.0, think_time=6.0)),
    ),
    "agentic_stream": jsonl(
        {"timestamp": 0, "session_id": "s", "agent": "", "input_length": 1276,
         "output_length": 116, "hash_ids": [*range(80)]},
    ),
    "azure": "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n",
    "bailian": jsonl(bailian(159, -1, 61.114, 33, [1, 2, 9])),
    "burstgpt": "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
                "5,ChatGPT,472,18,490,Conversation log\n",
    "lengths": "num_prefill_tokens,num_decode_tokens\n3772,54\n",
    "mooncake": jsonl(mooncake(0, 6758, 500, [*range(14)])),
    "servegen": jsonl(client(0, [0, 0.1, 1.0, "Gamma", 1.0, 10.0])),
    "splitwise": "request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,"
                 "token_size\n0,2,7,1.5,1,512,64\n",
    "vidur": "arrived_at,num_prefill_tokens,num_decode_tokens\n0.125,547,248\n",
    "vllm_bench": json.dumps(
        {"date": "20250101", "backend": "vllm", "duration": 2.0, "completed": 2,
         "input_lens": [10, 20, 30], "output_lens": [3, 0, 2], "ttfts": [0.5, 0.0, 0.25],
         "itls": [[0.25, 0.25], [], [0.125]], "start_times": [101.0, 100.5, 100.0],
         "errors": ["", "reset", ""]}, indent=2),
}  # fmt: skip


def written(folder: Path, text: str, name: str = "trace") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path
