"""Which measured points are kept out of the tables, to see how far the tables are off elsewhere.

The rules look at a point's place in the grid only, never at its value, so anybody can repeat
them. GEMM shapes and batch sizes are held back whole, because what a run asks for is mostly off
the grid in those; single points are held back along contexts, prompt lengths and message sizes.
"""

RULE = (
    "i, j, h count grid values from 0; first and last values are never held back. "
    "GEMM: all m of a shape (n, k), both >= 256, if (i_n + 3 i_k) mod 10 = 0. "
    "Attention: all lengths of a batch size if (h + i_batch) mod 10 = 0, and single lengths "
    "if (h + i_batch + 3 i_length) mod 10 = 5, where h counts head shapes. "
    "Collectives: sizes with (i_size + i_gpus) mod 5 = 0."
)
SMALLEST_SHAPE = 256


def gemm(n: int, k: int, all_n: list[int], all_k: list[int]) -> bool:
    """Whether the shape (n, k) is held back."""
    i, j = all_n.index(n), all_k.index(k)
    interior = 0 < i < len(all_n) - 1 and 0 < j < len(all_k) - 1
    return interior and min(n, k) >= SMALLEST_SHAPE and (i + 3 * j) % 10 == 0


def batch(head: int, index: int, count: int) -> bool:
    """Whether the batch size at `index` of `count` is held back for head shape `head`."""
    return 0 < index < count - 1 and (head + index) % 10 == 0


def length(head: int, index: int, position: int, count: int) -> bool:
    """Whether the length at `position` of `count` is held back, of batch size `index`."""
    return 0 < position < count - 1 and (head + index + 3 * position) % 10 == 5


def message(gpus: int, index: int, count: int) -> bool:
    """Whether the message size at `index` of `count` is held back for the `gpus`-th group size."""
    return 0 < index < count - 1 and (gpus + index) % 5 == 0
