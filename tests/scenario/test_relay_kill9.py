"""The relay between provers of three dialects and a stand-in for ethrex's coordinator, over a network that cuts,
delays, truncates and duplicates, with kill -9 of both at random moments, for each who sends verifyBatches.

    RELAY_CYCLES   kills a world (default 4: all worlds in about a minute; make soak: 100)
    RELAY_SEED     of the moments and the faults (default: random)
"""

import json
import os
import random
import threading
import time

import pytest

from chaos import Chaos
from test_kill9 import check
from test_upstream import acked, asks, submits
from upstream import Upstream, exchange
from world import BATCHES, Key

CYCLES = int(os.environ.get("RELAY_CYCLES", "4"))
SEED = int(os.environ.get("RELAY_SEED", random.randrange(1 << 30)))
DIALECTS = ("p4", "p6", "p7")
PATIENCE = 120
# What does not depend on the relay's own times is as quick as it can be.
QUICK = {"UPSTREAM_POLL": 100, "UPSTREAM_WAIT": 500, "UPSTREAM_TIMEOUT": 2000, "UPSTREAM_PREFETCH": 3,
         "PROVER_TIMEOUT": 1000, "PROVER_SILENCE": 3000, "LEASES_PER_SOURCE": 0}


class Prover(threading.Thread):
    """One of ethrex's provers of that dialect, which notes what was acknowledged."""

    def __init__(self, world, coordinator, dialect, rng):
        super().__init__(daemon=True)
        self.world, self.c, self.dialect, self.rng, self.key = world, coordinator, dialect, rng, Key()
        self.acked, self.proven, self.stopping, self.error = set(), {}, False, None

    def run(self):
        while not self.stopping:
            try:
                self.once()
            except (OSError, ValueError):
                pass  # killed under our feet, or cut short
            except Exception as error:  # for the test's thread
                self.error = error
                return
            time.sleep(0.02)

    def say(self, message):
        return json.loads(exchange(self.c.port, message))

    def once(self):
        answer = self.say(asks(self.dialect))
        fields = next(iter(answer.values())) if isinstance(answer, dict) else {}
        number = fields.get("id") or fields.get("batch_number")
        if not number or self.rng.random() < 0.1:
            time.sleep(0.05)  # nothing to do; or it is restarted, and forgets
            return
        assert fields["input"] == json.loads(self.world.batch(number)["input"])
        proof = self.proof(number)
        for _ in range(2 if self.rng.random() < 0.1 else 1):
            if self.say(submits(self.dialect, number, proof)) == acked(self.dialect, number):
                self.acked.add((number, proof))

    def proof(self, number):
        if number not in self.proven:
            self.proven[number] = self.world.proof(self.key, number)
        return self.proven[number]


class Relayed:
    """A world in which ethrex's coordinator feeds ours through a proxy."""

    def __init__(self, world, submit, dialects, rng):
        self.world, self.rng, self.submit, self.sealed = world, rng, submit, 0
        # In `both` the two senders are two accounts, as ethrex's committer's is another than ours.
        sender = {"l1": None, "upstream": world.l1.accounts[1], "both": world.l1.accounts[0]}[submit]
        self.upstream = world.add(Upstream(world.dir, dialects, world=world, sender=sender, prover_timeout=1500))
        self.network = world.add(Chaos(self.upstream.start().port))
        key = {"L1_PRIVATE_KEY_FILE": None} if submit == "upstream" else {}
        self.c = world.coordinator(UPSTREAM=f"tcp://127.0.0.1:{self.network.port}", SUBMIT=submit, **QUICK, **key)
        self.provers = [Prover(world, self.c, dialect, random.Random(rng.random())) for dialect in DIALECTS]

    def seal(self, last):
        for number in range(self.sealed + 1, last + 1):
            self.upstream.seal(number, self.world.batch(number)["input"])
        self.world.commit(self.sealed + 1, last)
        self.sealed = self.world.fed = last

    def start(self):
        self.c.start()
        for prover in self.provers:
            self.c.enroll(prover.key)
            prover.start()

    def cycle(self):
        """A kill of one of the two, or of both."""
        if self.sealed < BATCHES - 3:
            self.seal(self.sealed + self.rng.randint(1, 3))
        time.sleep(self.rng.choice((0.1, 0.5, 1.0)) * self.rng.random())
        victims = self.rng.choice(((self.c,), (self.upstream,), (self.c, self.upstream)))
        for victim in victims:
            victim.kill()
        self.check_provers()
        if self.c in victims:
            self.check_store()
        for victim in self.rng.sample(victims, len(victims)):
            victim.start()

    def check_provers(self):
        for prover in self.provers:
            if prover.error:
                raise prover.error

    def acked(self):
        return set().union(*(set(prover.acked) for prover in self.provers))

    def check_store(self):
        """Of a stopped relay: what it acknowledged before is there, or no longer needed."""
        self.world.proofs = {(p.key, n): proof for p in self.provers for n, proof in list(p.proven.items())}
        check(self.world, self.c, self.acked(), crowded=False)

    def finish(self):
        end = time.monotonic() + PATIENCE
        while self.world.verified < self.sealed:
            assert time.monotonic() < end, json.dumps(self.c.status())
            self.check_provers()
            time.sleep(0.1)
        for prover in self.provers:
            prover.stopping = True
        for prover in self.provers:
            prover.join(30)
        assert self.c.stop() == 0
        self.check_store()


@pytest.mark.parametrize("client", [None, "ethrex"], ids=["anvil", "ethrex"])
@pytest.mark.parametrize("submit, dialects", [("l1", "p7"), ("upstream", "p4,p6,p7"), ("both", "p6")])
def test_nothing_acknowledged_is_lost_between_two_coordinators(new_world, monkeypatch, submit, dialects, client):
    print(f"RELAY_SEED={SEED}")
    if client:
        monkeypatch.setenv("L1_CLIENT", client)
    rng, done, total = random.Random(f"{SEED}{submit}{client}"), 0, 0
    while done < CYCLES:
        world = new_world()
        relayed = Relayed(world, submit, dialects, rng)
        relayed.seal(1)
        relayed.start()
        relayed.network.storm(rng, 0.15)
        now = min(20, CYCLES - done)
        for _ in range(now):
            relayed.cycle()
        relayed.network.storm(rate=0)
        relayed.finish()
        relayed.upstream.check_forwarded({(n, proof.hex()) for (_, n), proof in world.proofs.items()}, submit, relayed.sealed)
        if client:
            assert not world.front.strict.refused, "a simulation that this client refuses"
        done, total = done + now, total + len(relayed.acked())
        world.close()
    print(f"{done} kills, {total} proofs acknowledged, none lost")
