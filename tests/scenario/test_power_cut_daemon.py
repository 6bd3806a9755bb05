"""The power cut of test_store_torture.py for the whole daemon: what it acknowledged is there.

And with a class of syncs taken away the loss shows, so that the rig is known to see it.

    POWER_CUT_CYCLES   cuts (default 10)
    POWER_CUT_SEED     of the moments and of what a cut spares (default: random)
"""

import os
import random

import pytest

from test_kill9 import check, torture
from test_powercut_rig import built, powercut
from world import Key

CYCLES = int(os.environ.get("POWER_CUT_CYCLES", "10"))
SEED = int(os.environ.get("POWER_CUT_SEED", random.randrange(1 << 30)))


class Rig:
    """A coordinator's data directory on a disk whose power can be cut."""

    def __init__(self, world, **settings):
        self.root, self.journal = world.dir / "disk", world.dir / "journal"
        self.root.mkdir()
        self.c = world.coordinator(DATA_DIR=self.root / "data", **settings)

    def watch(self, ignore=""):
        self.c.preload = powercut.environment(built("powercut.so"), self.root, self.journal, ignore)

    def cut(self, seed=None):
        """After a kill."""
        if self.journal.exists():
            powercut.replay(self.journal, self.root, seed)


@pytest.mark.parametrize("spared", ["nothing", "something"])
def test_nothing_acknowledged_is_lost(world, spared):
    print(f"POWER_CUT_SEED={SEED}")
    rng = random.Random(f"{SEED} {spared}")
    rig = Rig(world, PROVER_TIMEOUT=1000, CANDIDATES_PER_BATCH=16, CANDIDATES_PER_SOURCE=10000)
    acked = torture(world, rng, (CYCLES + 1) // 2, rig.c, rig.watch,
                    lambda: rig.cut(rng.randrange(1 << 30) if spared == "something" else None))
    print(f"{len(acked)} proofs acknowledged, none lost")
    assert acked


@pytest.mark.parametrize("ignore", ["wal", "db", "data-dir", "parent-dir"])
def test_a_lost_proof_is_noticed(world, ignore):
    rig = Rig(world)
    world.proofs, key = {}, Key()
    rig.watch(ignore)
    rig.c.start()
    rig.c.enroll(key)
    world.put(rig.c, 1, 3)
    acked = set()
    for n in (1, 2, 3):
        proof = world.proof(key, n)
        assert rig.c.submit(n, proof) is True
        acked.add((n, proof))
    rig.c.kill()
    rig.cut()
    with pytest.raises(Exception) as lost:
        check(world, rig.c, acked)
        rig.watch(ignore)  # what WAL kept may go with the next cut
        rig.c.start()
        rig.c.stop()
        rig.cut()
        check(world, rig.c, acked)
    print(f"without the syncs of {ignore}: {lost.type.__name__} {str(lost.value)[:120]}")


def test_input_bytes_that_were_not_synced_are_gone(world):
    rig = Rig(world)
    rig.watch("input-file")
    rig.c.start()
    world.put(rig.c, 1, 2)
    rig.c.kill()
    rig.cut()
    sizes = [p.stat().st_size for p in (rig.c.data / "inputs").rglob("*") if p.is_file()]
    assert sizes and not any(sizes)


def test_a_lost_input_is_noticed(world):
    rig = Rig(world)
    rig.watch("input-dir")
    rig.c.start()
    world.put(rig.c, 1, 2)
    rig.c.kill()
    rig.cut()
    rig.watch()
    rig.c.start(ready=False)
    rig.c.saw("event=input_missing")
    # The row alone promises nothing: the input can be put again, and a prover gets it whole.
    rig.c.saw("event=ready .*", start=rig.c.log().rindex("event=input_missing"))
    world.put(rig.c, 1, 2)
    rig.c.kill()
    rig.cut()
    rig.watch()
    rig.c.start()
    world.put(rig.c, 1, 2)
    assert rig.c.stop() == 0
