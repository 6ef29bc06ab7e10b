"""What becomes of KV below HBM: stored at its cost, found again, loaded or not, never too soon?"""

from machine import Affine, Below, Machine

from kvsim.policies.placement.selective import Selective
from kvsim.policies.placement.write_through import WriteThrough
from kvsim.policies.restore.break_even import BreakEven
from kvsim.policies.restore.recompute import Recompute
from kvsim.units import MS

STEP = Affine(base=10 * MS, per_token=MS // 10)
"""A prompt of 160 tokens takes 26 ms, a decode 10.1 ms."""
SLOW = Below("dram", 1000, bandwidth=16_000.0)
"""A block of 16 bytes takes 1 ms."""


def machine(*tiers: Below, blocks: int = 11, **more) -> Machine:
    """HBM for one request of some 160 tokens at a time, so that the next one throws it out."""
    return Machine(blocks=blocks, timing=STEP, tiers=tiers, **more)


def talk(made: Machine, apart: int = 1) -> Machine:
    """The same prompt twice, with another one between them that needs all of HBM."""
    made.send(160, 1, "0 ms", blocks=(0, 10), block_tokens=16)
    made.send(176, 1, f"{100 * apart} ms", blocks=(100, 11), block_tokens=16)
    made.send(160, 1, f"{200 * apart} ms", blocks=(0, 10), block_tokens=16)
    return made


def test_without_tiers_what_left_hbm_is_computed_again() -> None:
    outcome = talk(machine()).run()
    assert outcome["hit_hbm"] == [0, 0, 0]
    assert outcome.ms("first_token") == [26, 127.6, 226]


def test_what_left_hbm_is_loaded_from_below_at_the_cost_of_its_bytes() -> None:
    outcome = talk(machine(SLOW)).run()
    # 9 whole blocks before the last token: 144 bytes in 9 ms; then 16 tokens in 11.6 ms
    assert outcome["hit_dram"] == [0, 0, 144]
    assert outcome["load"] == [0, 0, 9 * MS]
    assert outcome.ms("first_token") == [26, 127.6, 200 + 9 + 11.6]
    assert outcome["queue"] == [0, 0, 0]


def test_writing_takes_the_links_and_is_counted() -> None:
    made = talk(machine(SLOW))
    made.run()
    tier, up, down = made.below["dram", 0]
    assert tier.written == down.bytes == (10 + 11) * 16
    assert tier.tree.bytes == 21 * 16
    assert up.bytes == 9 * 16
    assert down.busy == 21 * MS


def test_nothing_is_read_before_it_has_landed() -> None:
    made = machine(Below("dram", 1000, bandwidth=160.0))  # 100 ms a block
    made.send(160, 1, "0 ms", blocks=(0, 10), block_tokens=16)
    made.send(16, 1, "500 ms", blocks=(0, 1), block_tokens=16)
    made.send(160, 1, "1100 ms", blocks=(0, 10), block_tokens=16)
    outcome = made.run()
    # the store takes 1 s, from 26 ms on; HBM still has the blocks, held while they are copied
    assert outcome["hit_dram"] == [0, 0, 0]
    assert outcome["hit_hbm"] == [0, 0, 144]


def test_what_is_being_copied_stays_in_hbm_until_it_has_landed() -> None:
    made = machine(Below("dram", 1000, bandwidth=160.0))
    made.send(160, 1, "0 ms", blocks=(0, 10), block_tokens=16)
    made.send(160, 1, "100 ms", blocks=(100, 10), block_tokens=16)
    outcome = made.run()
    # 10 of 11 blocks are held until 1,026 ms: the second request waits for room
    assert outcome.ms("admitted") == [0, 1026]


def test_a_tier_that_falls_behind_refuses_and_says_so() -> None:
    made = talk(machine(Below("dram", 1000, bandwidth=800.0, backlog=100), blocks=40))
    made.run()
    tier = made.below["dram", 0][0]
    # the first prompt is taken, though it is more than the backlog, and is on its way from 26 to
    # 226 ms; the second and the 144 tokens the third found come meanwhile, and are offered twice
    assert tier.written == 160
    assert tier.refused == 2 * (176 + 144)


def test_a_full_tier_makes_room_by_its_own_eviction() -> None:
    made = talk(machine(Below("dram", 12, bandwidth=16_000_000.0)))
    outcome = made.run()
    tier = made.below["dram", 0][0]
    # the second prompt's 11 blocks left one block of the first
    assert outcome["hit_dram"] == [0, 0, 16]
    assert tier.tree.evicted > 0


def test_a_shared_tier_gives_one_replica_what_another_has_computed() -> None:
    pool = Below("remote", 1000, bandwidth=16_000.0, shared=True)
    made = machine(pool, blocks=1000, replicas=2)
    made.send(160, 1, "0 ms", blocks=(0, 10), block_tokens=16)
    made.send(160, 1, "100 ms", blocks=(0, 10), block_tokens=16)
    outcome = made.run()
    assert outcome["replica_prefill"] == [0, 1]
    assert outcome["hit_remote"] == [0, 144]
    assert outcome.ms("first_token") == [26, 100 + 9 + 11.6]


def test_pieces_come_from_the_fastest_tier_that_has_them() -> None:
    small = Below("dram", 4, bandwidth=16_000.0)
    large = Below("ssd", 1000, bandwidth=4_000.0)
    outcome = talk(machine(small, large)).run()
    # DRAM was filled by the second prompt; all comes from the drive, 4 ms a block
    assert outcome["hit_dram"][2] + outcome["hit_ssd"][2] == 144
    assert outcome["hit_ssd"][2] > 0


def test_break_even_computes_what_would_take_longer_to_load() -> None:
    slow = Below("dram", 1000, bandwidth=1_000.0)  # 144 bytes in 144 ms; computing takes 24.4 ms
    outcome = talk(machine(slow, restore=BreakEven())).run()
    assert outcome["hit_dram"] == [0, 0, 0]
    fast = Below("dram", 1000, bandwidth=100_000.0)
    assert talk(machine(fast, restore=BreakEven())).run()["hit_dram"] == [0, 0, 144]


def test_recompute_writes_and_never_reads() -> None:
    made = talk(machine(SLOW, restore=Recompute()))
    outcome = made.run()
    assert outcome["hit_dram"] == [0, 0, 0]
    assert made.below["dram", 0][1].bytes == 0


def test_selective_keeps_what_has_been_found_before() -> None:
    made = machine(Below("dram", 1000, 16e6, placement=Selective(2)), blocks=100)
    for at in ("0 ms", "100 ms", "200 ms"):
        made.send(160, 1, at, blocks=(0, 10), block_tokens=16)
    made.run()
    assert 0 < made.below["dram", 0][0].written <= 160


def test_a_second_stretch_waits_for_the_first() -> None:
    made = machine(
        Below("dram", 1000, 4_000.0, placement=WriteThrough()), blocks=40
    )  # 4 ms a block
    made.send(160, 33, "0 ms", blocks=(0, 12), block_tokens=16)
    made.run()
    tier, _, down = made.below["dram", 0]
    assert tier.written == down.bytes == 192  # 160 + 32 of the answer; the last token is not stored
    assert tier.tree.bytes == 192


def test_a_parked_request_lets_others_run() -> None:
    made = talk(machine(Below("dram", 1000, 1_600.0), blocks=13))  # 10 ms a block
    made.send(32, 1, "201 ms", blocks=(500, 2), block_tokens=16)
    outcome = made.run()
    assert outcome.ms("first_token")[3] < outcome.ms("first_token")[2]


def test_transfers_slow_the_steps_that_run_beside_them() -> None:
    tier = Below("dram", 1000, 1_600.0, placement=WriteThrough(prefill=False))  # 10 ms a block
    made = machine(tier, blocks=100, disturbance=0.5)
    made.send(32, 1, "0 ms", blocks=(0, 2), block_tokens=16)
    made.send(16, 5, "14 ms", blocks=(50, 1), block_tokens=16)
    outcome = made.run()
    # the store of 2 blocks runs from 13.2 to 33.2 ms: the step that starts at 14 ms takes half as
    # long again, 17.4 ms, and so does the next one, which starts beside it; the others do not
    assert outcome.ms("first_token") == [13.2, 31.4]
    assert outcome.ms("finish") == [13.2, 31.4 + 1.5 * 10.1 + 3 * 10.1]


def test_layers_come_up_behind_the_step_that_uses_them() -> None:
    outcome = talk(machine(SLOW, layers=4)).run()
    # 9 blocks in 9 ms: the first layer after 2.25 ms; 16 tokens take 11.6 ms, and the last layer,
    # 2.9 ms of them, comes after 9 ms at the earliest: arithmetic is longer
    assert outcome["load"] == [0, 0, 2_250_000]
    assert outcome.ms("first_token")[2] == 200 + 2.25 + 11.6


def test_a_step_ends_after_its_last_layer_has_come_and_been_computed() -> None:
    slow = Below("dram", 1000, bandwidth=1_600.0)  # 9 blocks in 90 ms
    outcome = talk(machine(slow, layers=4), apart=10).run()
    assert outcome.ms("load") == [0, 0, 22.5]
    assert outcome.ms("first_token")[2] == 2000 + 90 + 11.6 / 4


def test_layers_on_their_way_are_not_read_by_others() -> None:
    slow = Below("dram", 1000, bandwidth=1_600.0)
    made = talk(machine(slow, blocks=24, layers=4), apart=10)
    made.send(160, 1, "2005 ms", blocks=(0, 10), block_tokens=16)
    outcome = made.run()
    # what HBM still has is found by both; what is on its way is found by neither
    assert outcome["hit_hbm"][3] == outcome["hit_hbm"][2]


def test_who_was_being_loaded_for_a_replica_that_fails_is_loaded_elsewhere() -> None:
    """Half of the link goes on to serve the load that lands in vain: 5 blocks of it are left."""
    shared = Below("dram", 1000, bandwidth=16_000.0, shared=True)
    made = machine(shared, replicas=2, incidents=((304 * MS, 1, "fail"),))
    made.send(160, 1, "0 ms", blocks=(0, 10), block_tokens=16)
    made.send(16, 1, "100 ms", blocks=(50, 1), block_tokens=16)
    made.send(176, 1, "200 ms", blocks=(100, 11), block_tokens=16)
    made.send(160, 1, "300 ms", blocks=(0, 10), block_tokens=16)
    outcome = made.run()
    assert outcome["replica_decode"] == [0, 1, 0, 0]
    assert outcome["hit_dram"] == [0, 0, 0, 144]
    # 4 ms until the failure, 10 beside what is left of the first load, 4 for the last 4 blocks
    assert outcome["load"][-1] == 18 * MS
    assert outcome.ms("first_token")[-1] == 318 + 11.6
    _, up, _ = made.below["dram", 0]
    assert up.bytes == 2 * 144


def test_what_was_being_stored_when_a_replica_failed_can_be_read() -> None:
    shared = Below("dram", 1000, bandwidth=16_000.0, shared=True)
    made = machine(shared, replicas=2, incidents=((30 * MS, 0, "fail"),))
    made.send(160, 1, "0 ms", blocks=(0, 10), block_tokens=16)
    made.send(160, 1, "100 ms", blocks=(0, 10), block_tokens=16)
    outcome = made.run()
    assert outcome["replica_decode"] == [0, 1]
    assert outcome["hit_dram"] == [0, 144]
    assert outcome.ms("first_token") == [26, 100 + 9 + 11.6]
