"""Do the notebooks run, and does what they say follow from what they computed?"""

import json

import pytest
from notebook import FOLDER, executed, printed, words

ASK = 'print(table.to_json(orient="records"))'
KEEP = ("GPUs", "DRAM", "SSD")


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """The capacity plan: its text by cell, and the rows of its table."""
    document = executed("capacity_planning.ipynb", tmp_path_factory.mktemp("plan"), ASK)
    texts = [words(cell) for cell in document.cells if cell.cell_type == "code"]
    return "\n".join(texts), json.loads(printed(document.cells[-1]))


def described(row) -> str:
    return f"{row['GPUs']}, DRAM {row['DRAM']}, SSD {row['SSD']}"


def cheapest(rows):
    return min(rows, key=lambda row: row["$/h"])


def in_time(rows):
    return [row for row in rows if row["attainment"] >= 0.95]


@pytest.mark.slow
def test_every_machine_was_run_and_priced(planned):
    _, rows = planned
    assert len(rows) == 3 * 3 * 2
    assert [row["error"] for row in rows] == [None] * len(rows)
    gpu, gib, tib = 3.99, 0.00424, 0.112  # US dollars per hour: hardware/
    for row in rows:
        gpus = int(row["GPUs"].split()[0])
        dram = 0 if row["DRAM"] == "none" else int(row["DRAM"].split()[0])
        ssd = 0 if row["SSD"] == "none" else int(row["SSD"].split()[0])
        assert row["$/h"] == pytest.approx(gpus * gpu + dram * gib + ssd * tib)


@pytest.mark.slow
def test_the_cheapest_machine_is_the_cheapest_of_those_in_time(planned):
    text, rows = planned
    best = cheapest(in_time(rows))
    assert f"**Cheapest: {described(best)}** at **${best['$/h']:.2f} an hour**" in text
    assert f"{len(in_time(rows))} of {len(rows)} machines meet the objectives" in text
    bare = [row for row in in_time(rows) if row["DRAM"] == row["SSD"] == "none"]
    if bare:
        saved = 1 - best["$/h"] / cheapest(bare)["$/h"]
        assert f"{described(cheapest(bare))} at ${cheapest(bare)['$/h']:.2f}" in text
        assert f"tiers save {saved:.0%}" in text


@pytest.mark.slow
def test_drives_that_wear_out_are_told_and_replaced(planned):
    text, rows = planned
    assert [row["wear"] is None for row in rows] == [row["SSD"] == "none" for row in rows]
    lasting = [row for row in in_time(rows) if row["wear"] is None or row["wear"] <= 1]
    told = f"Cheapest whose drives last: {described(cheapest(lasting))}**"
    assert (told in text) == ((cheapest(in_time(rows))["wear"] or 0) > 1)


@pytest.mark.slow
def test_disaggregation_is_compared_at_equal_gpus_and_tiers(planned):
    text, rows = planned
    share = {tuple(row[name] for name in KEEP): row["attainment"] for row in rows}
    unified, apart = "4 GPUs, unified", "4 GPUs, 2 for prefill, 2 for decode"
    tiers = sorted({key[1:] for key in share})
    wins = sum(share[apart, *tier] > share[unified, *tier] for tier in tiers)
    assert f"with {wins} of {len(tiers)} choices of tiers" in text


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_forge_shows_what_came_out(path):
    document = json.loads(path.read_text(encoding="utf-8"))
    cells = [cell for cell in document["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    kinds = {part["output_type"] for cell in cells for part in cell["outputs"]}
    assert kinds <= {"display_data", "execute_result"}  # neither errors nor chatter
    assert path.stat().st_size < 200_000
