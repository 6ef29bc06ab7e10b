"""Does a trace with other arrivals keep its rate and its count when long requests are dropped?"""

from kvsim.traces import open_trace
from kvsim.units import SECOND

AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n" + "".join(
    f"2023-11-16 18:15:{second:02}.0000000,{tokens},10\n"
    for second, tokens in ((10, 100), (11, 9000), (12, 200), (13, 300))
)


def test_dropped_requests_take_neither_a_place_nor_an_arrival(tmp_path) -> None:
    path = tmp_path / "azure.csv"
    path.write_text(AZURE)
    workload = open_trace(path, max_context=4096, limit=2, arrivals=[0, 5 * SECOND, 9 * SECOND])
    served = [(r.id, r.arrival, r.prompt_tokens) for r in workload.arrivals()]
    assert served == [(0, 0, 100), (1, 5 * SECOND, 200)]
    assert workload.dropped == 1  # type: ignore[attr-defined]
