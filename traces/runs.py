"""Run-length coding of block ids: a prompt of a thousand blocks becomes a handful of numbers."""

from collections.abc import Sequence
from itertools import pairwise

from kvsim.errors import InputError
from kvsim.traces.request import Request, Runs


def run_length(ids: Sequence[int]) -> Runs:
    """Block ids as runs of consecutive ones: `[7, 8, 9, 3]` is `(7, 3, 3, 1)`."""
    if not ids:
        return ()
    cuts = [i for i, (a, b) in enumerate(pairwise(ids), 1) if b - a != 1]
    if not cuts:
        return (ids[0], len(ids))
    runs: list[int] = []
    begin = 0
    for end in (*cuts, len(ids)):
        runs += (ids[begin], end - begin)
        begin = end
    return tuple(runs)


def block_ids(runs: Runs) -> list[int]:
    """The ids that `runs` stand for, one by one. Undoes `run_length`."""
    return [
        id
        for first, count in zip(runs[::2], runs[1::2], strict=True)
        for id in range(first, first + count)
    ]


def blocks(runs: Runs) -> int:
    """How many blocks `runs` stand for."""
    return sum(runs[1::2])


def head(runs: Runs, wanted: int) -> Runs:
    """The first `wanted` blocks of `runs`; all of them if there are fewer."""
    kept: list[int] = []
    for first, count in zip(runs[::2], runs[1::2], strict=True):
        if wanted <= 0:
            break
        kept += (first, min(count, wanted))
        wanted -= count
    return tuple(kept)


def labels(ids: object, field: str = "hash_ids") -> Runs:
    """A JSON list of block ids as runs. Raises InputError unless they are integers from 0 on."""
    if not isinstance(ids, list):
        raise InputError(f"{field}: found {ids!r}, which is not a list of block ids.")
    if ids and (set(map(type, ids)) != {int} or min(ids) < 0):
        wrong = next(id for id in ids if type(id) is not int or id < 0)
        raise InputError(f"{field}: found {wrong!r}; a block id is an integer from 0 on.")
    return run_length(ids)


def continued(request: Request, following: Request) -> Runs:
    """The labels of `request`'s prompt and, where `following` names them, of its answer.

    `following`, the session's next turn, repeats the prompt and the answer if its full blocks
    begin with those of `request` and if it is long enough to hold both. An answer that was left
    out of the next prompt, such as hidden reasoning, keeps no label.
    """
    size = request.block_tokens
    both = request.prompt_tokens + request.output_tokens
    if not size or size != following.block_tokens or following.prompt_tokens < both:
        return request.blocks
    full = min(request.prompt_tokens // size, blocks(request.blocks))
    if head(request.blocks, full) != head(following.blocks, full):
        return request.blocks
    if blocks(following.blocks) <= blocks(request.blocks):
        return request.blocks
    return head(following.blocks, -(-both // size))
