"""What uneven contexts add to attention, from LLMServingSim's `skew.csv` (MIT, CASYS KAIST).

    python -m kvsim.calibration.importers.skew SMS KV_HEADS skew.csv.gz

In the file, steps of n sequences with two context lengths stand beside steps in which all have the
mean. Its absolute times differ from those of the other files, so the slope per token that the
differences are counted in is its own too. `kvsim.calibration.uneven` says what comes of it.
"""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def points(skew: "pd.DataFrame", kv_heads: int, sms: int) -> "pd.DataFrame":
    """Tiles per SM, whether beside prompts, and what a token of deviation adds: a row a batch."""
    import numpy as np
    import pandas as pd

    share = skew["nb"] / skew["n"]
    big, small = skew["kv_big"] - skew["kv_mean"], skew["kvs"] - skew["kv_mean"]
    skew = skew.assign(deviation=np.sqrt(share * big**2 + (1 - share) * small**2))
    found = []
    for key, steps in skew.groupby(["pc", "kp", "n"]):
        chunk, _, n = (int(str(part)) for part in key)
        mean = steps["t_mean_us"]
        if steps["kv_mean"].nunique() < 3:
            continue
        slope = np.polyfit(steps["kv_mean"], mean, 1, w=1 / mean)[0]
        unit, added = slope * steps["deviation"] / mean, (steps["t_skew_us"] - mean) / mean
        found.append((n * kv_heads / sms, chunk > 0, (added * unit).sum() / (unit**2).sum()))
    rows = pd.DataFrame(found, columns=["tiles", "beside", "added"])
    return rows.groupby(["beside", "tiles"], as_index=False).median()


def main() -> None:
    """Print the points of one file."""
    import pandas as pd

    print(points(pd.read_csv(sys.argv[3]), int(sys.argv[2]), int(sys.argv[1])).to_string())


if __name__ == "__main__":
    main()
