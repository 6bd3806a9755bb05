"""The store killed at random points, and the power cut with it: what it acknowledged is there.

And with any one class of syncs taken away, the loss shows: each of them is needed.

    STORE_TORTURE_CYCLES   kills (default 120)
    STORE_TORTURE_SEED     of the moments of the kills and of what a cut spares (default: random)
"""

import os
import random
import select
import shutil
import signal
import subprocess
import time

import pytest

from test_powercut_rig import built, powercut

CYCLES = int(os.environ.get("STORE_TORTURE_CYCLES", "120"))
SEED = int(os.environ.get("STORE_TORTURE_SEED", random.randrange(1 << 30)))
CYCLES_A_DIRECTORY = 8
DEADLINE = 60


class Lost(AssertionError):
    pass


class Torture:
    def __init__(self, tmp, name, rng):
        self.root, self.journal, self.rng = tmp / name, tmp / (name + ".journal"), rng
        self.root.mkdir()
        self.data = self.root / "data"
        self.acked = set()

    def run(self, ignore="", at_least=0):
        """Runs, kills after a random while and at_least that many lines, and notes them."""
        env = {**os.environ,
               **powercut.environment(built("powercut.so"), self.root, self.journal, ignore)}
        p = subprocess.Popen([built("store_torture"), "run", self.data], env=env,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, end = b"", time.monotonic() + DEADLINE
        stop = time.monotonic() + self.rng.choice((0.02, 0.1, 0.2)) * self.rng.random()
        while p.poll() is None:
            now = time.monotonic()
            if now >= end or (now >= stop and out.count(b"\n") >= at_least):
                break
            if select.select([p.stdout], [], [], max(0.0, min(stop - now, 0.05)))[0]:
                out += os.read(p.stdout.fileno(), 65536)
        p.send_signal(signal.SIGKILL)
        rest, err = p.communicate(timeout=DEADLINE)
        if p.returncode != -signal.SIGKILL:
            raise Lost(f"the store did not come up: {err.decode()}")
        lines = (out + rest).decode().splitlines()
        self.acked |= {line.replace("ACK", "PROOF") for line in lines}

    def verify(self):
        p = subprocess.run([built("store_torture"), "verify", self.data], capture_output=True,
                           text=True, timeout=DEADLINE, check=False)
        if p.returncode:
            raise Lost(p.stderr)
        lost = self.acked - set(p.stdout.splitlines())
        if lost:
            raise Lost(f"{len(lost)} of {len(self.acked)} lost: {sorted(lost)[:5]}")

    def cycle(self, cut, ignore="", at_least=0):
        """cut: 'kill' (no cut), 'strict' or 'seeded'."""
        self.run(ignore, at_least)
        if cut == "kill":
            shutil.rmtree(self.journal, ignore_errors=True)
        elif self.journal.exists():
            powercut.replay(self.journal, self.root,
                            self.rng.randrange(1 << 30) if cut == "seeded" else None)
        self.verify()


@pytest.mark.parametrize("cut", ["kill", "strict", "seeded"])
def test_nothing_acknowledged_is_lost(tmp_path, cut):
    print(f"STORE_TORTURE_SEED={SEED}")
    rng = random.Random(f"{SEED} {cut}")
    acked = {"PROOF": 0, "INPUT": 0}
    for cycle in range((CYCLES + 2) // 3):
        if cycle % CYCLES_A_DIRECTORY == 0:
            torture = Torture(tmp_path, f"t{cycle}", rng)
        before = set(torture.acked)
        torture.cycle(cut, at_least=rng.choice((0, 1, 25)))
        for line in torture.acked - before:
            acked[line.split()[0]] += 1
        if (cycle + 1) % CYCLES_A_DIRECTORY == 0:
            shutil.rmtree(torture.root)
    print(f"{cut}: {acked} acknowledged, none lost")
    assert all(acked.values())


@pytest.mark.parametrize("ignore,when", [
    (ignore, when)
    for ignore in ("wal", "db", "input-file", "input-dir", "data-dir", "parent-dir")
    for when in ("from the start", "later")
    # Nothing new is ever made in the parent after the first start.
    if (ignore, when) != ("parent-dir", "later")
])
def test_every_sync_is_needed(tmp_path, ignore, when):
    print(f"STORE_TORTURE_SEED={SEED}")
    torture = Torture(tmp_path, "t", random.Random(f"{SEED} {ignore}"))
    if when == "later":
        torture.cycle("strict", at_least=60)
    # One cut in two shows it, and one in ten beside much else: the store may just have written all into its database.
    with pytest.raises(Lost) as lost:
        for _ in range(300):
            torture.cycle("strict", ignore, at_least=60)
    print(f"without the syncs of {ignore}, {when}: {str(lost.value)[:160]}")
