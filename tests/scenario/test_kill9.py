"""kill -9 of the coordinator at random moments: what it acknowledged is there, and is verified.

    KILL9_CYCLES   kills (default 120, a minute or two; make soak: 1000)
    KILL9_SEED     of the moments and of what is sent (default: random)
"""

import json
import os
import random
import secrets
import threading
import time

from test_retention import VERIFIED, Liar
from world import BATCHES, Background, Key, until

CYCLES = int(os.environ.get("KILL9_CYCLES", "120"))
SEED = int(os.environ.get("KILL9_SEED", random.randrange(1 << 30)))
CYCLES_A_WORLD = 12
HEADSTART = 3  # batches that are there before the first kill


class Client(threading.Thread):
    """Sends honest proofs and rubbish, and notes what was acknowledged, until told to stop."""

    def __init__(self, world, coordinator, keys, rng):
        super().__init__(daemon=True)
        self.world, self.c, self.keys, self.rng = world, coordinator, keys, rng
        self.acked, self.stopping, self.error = set(), False, None

    def run(self):
        while not self.stopping:
            try:
                self.once()
            except (OSError, ValueError):
                pass  # killed under our feet
            except Exception as error:  # for the test's thread
                self.error = error
                return
            time.sleep(0.005)

    def once(self):
        """A batch is taken as a prover takes it, or out of the blue."""
        number = self.c.request()[0] if self.rng.random() < 0.5 else self.rng.randint(1, self.world.fed)
        if not number:
            return
        if self.rng.random() < 0.4:
            proof = secrets.token_bytes(65)
        else:
            proof = self.world.known_proof(self.rng.choice(self.keys), number)
        if self.c.submit(number, proof) is True:
            self.acked.add((number, proof))


def check(world, c, acked, crowded):
    """Of a stopped coordinator: each acknowledged proof is kept, or its batch is verified, or the
    batch has a good proof already, so that a further one was only thanked for. crowded: so much
    rubbish comes that of what was judged bad only the last is remembered."""
    verified, stored = world.verified, c.stored_proofs()
    good = {(n, p) for (_, n), p in world.proofs.items()}
    proven = {n for n, p in good if (n, p) in stored}
    if crowded:
        acked = acked & good
    lost = {(n, p) for n, p in acked if n > verified and n not in proven and (n, p) not in stored}
    assert not lost, f"{len(lost)} of {len(acked)} acknowledged proofs are lost: batches {sorted(n for n, _ in lost)}"


def prove_if_taken(world, c, key):
    number, _ = c.request()
    return number is not None and c.submit(number, world.proof(key, number)) is True


def torture(world, rng, cycles, c, before=lambda: None, after=lambda: None, crowded=False):
    """Kills c so many times; returns what was acknowledged. before() and after() frame each run."""
    active, standby = Key(), Key()
    proofs = world.proofs = {}

    def known_proof(key, number):
        if (key, number) not in proofs:
            proofs[key, number] = world.proof(key, number)
        return proofs[key, number]

    world.known_proof = known_proof
    acked = set()
    before()
    c.start()
    c.enroll(active)
    c.enroll(standby)
    world.feed(c, HEADSTART)
    for _ in range(cycles):
        if not c.alive:
            before()
            c.start()
        clients = [Client(world, c, [active, standby], random.Random(rng.random())) for _ in range(2)]
        for client in clients:
            client.start()
        if world.fed < BATCHES - 2:
            try:
                world.feed(c, world.fed + rng.randint(1, 2))
            except OSError:
                pass
        time.sleep(rng.choice((0.05, 0.3, 1.0)) * rng.random())
        c.kill()
        for client in clients:
            client.stopping = True
        for client in clients:
            client.join(30)
            if client.error:
                raise client.error
            acked |= client.acked
        after()
        check(world, c, acked, crowded)
    before()
    c.start()
    world.put(c, 1 + world.verified, world.fed)
    # Whatever was not proven is now; what was acknowledged needs no second proof.
    end = time.monotonic() + 180
    while world.verified < world.fed:
        assert time.monotonic() < end, json.dumps(c.status())
        # Both work, for a kill before the active's first proof was judged may have handed its place to
        # the standby; in no order, for a lease that ends must not meet the same one every time.
        # Rubbish came from their address too, so that a proof may have to wait.
        if not any([prove_if_taken(world, c, key) for key in rng.sample((active, standby), 2)]):
            time.sleep(0.05)
    assert c.stop() == 0
    return acked


def test_nothing_acknowledged_is_lost(new_world):
    print(f"KILL9_SEED={SEED}")
    rng, done, total = random.Random(SEED), 0, 0
    while done < CYCLES:
        world = new_world()
        now = min(CYCLES_A_WORLD, CYCLES - done)
        acked = torture(world, rng, now, world.coordinator(PROVER_TIMEOUT=1000, CANDIDATES_PER_BATCH=16,
                                                           CANDIDATES_PER_SOURCE=10000))
        done, total = done + now, total + len(acked)
        world.close()
    print(f"{done} kills, {total} proofs acknowledged, none lost")
    assert total >= CYCLES


def stranger(c):
    """Takes leases and sends junk, from any of forty addresses."""
    def attack():
        source = f"127.0.1.{random.randint(1, 40)}"
        try:
            number, _ = c.request(source=source)
            c.submit(number or random.randint(1, BATCHES), os.urandom(64) + b"\x1b", source=source)
        except ValueError:
            pass  # a reply that a kill cut short
    return Background(attack, pause=0.005)


def test_nothing_acknowledged_is_lost_to_strangers_and_a_node_that_lies(new_world):
    """Beside the kills one node, alone or the first of two, says now and then that other batches are verified,
    and strangers take leases and send junk."""
    print(f"KILL9_SEED={SEED}")
    rng, done, total = random.Random(SEED), 0, 0
    cycles = CYCLES if CYCLES >= 1000 else CYCLES // 4
    while done < cycles:
        world = new_world()
        liar, honest = Liar(world.l1), Liar(world.l1)

        def lie(to=liar):
            to.numbers[VERIFIED] = rng.randint(0, BATCHES)
            time.sleep(0.3)
            to.numbers.clear()
            time.sleep(rng.random() * 2)

        lies = Background(lie)
        urls = [liar.url, honest.url][: rng.randint(1, 2)]
        now = min(CYCLES_A_WORLD, cycles - done)
        c = world.coordinator(ETHREX_ETH_RPC_URL=",".join(urls), PROVER_TIMEOUT=1000, CANDIDATES_PER_BATCH=16,
                              CANDIDATES_PER_SOURCE=10000)
        strangers = stranger(c)
        acked = torture(world, rng, now, c, crowded=True)
        for part in (lies, strangers):
            part.stop()
        done, total = done + now, total + len(acked)
        world.close()
        liar.close()
        honest.close()
    print(f"{done} kills, {total} proofs acknowledged, none lost")


def test_a_working_prover_is_not_forgotten(world):
    """The registered key has shown proofs: after a kill it keeps its place before a standby that is quicker."""
    active, standby = Key(), Key()
    c = world.coordinator().start()
    c.enroll(active)
    c.enroll(standby)
    world.feed(c, 2)
    assert [world.prove(c, active) for _ in range(2)] == [1, 2]
    world.until_verified(2)
    c.kill()
    c.start()
    assert c.provers()[active.address.lower()]["proofs"] == 2
    world.feed(c, 3)
    assert c.submit(3, world.proof(standby, 3)) is True
    c.saw(r"event=proof_judged batch=3 .*verdict=good")
    time.sleep(1)  # several rounds of the settling
    assert world.signer == active.address.lower()
    assert c.submit(3, world.proof(active, 3)) is True
    world.until_verified(3)
    assert c.stop() == 0


def test_inputs_that_were_taken_are_there(world):
    """201 is a promise as well."""
    rng, stored = random.Random(SEED), 0
    c = world.coordinator()
    for _ in range(6):
        c.start()
        stop = time.monotonic() + 0.4 * rng.random()
        killer = threading.Timer(max(0.0, stop - time.monotonic()), c.kill)
        killer.start()
        try:
            while stored < BATCHES:
                if c.put(stored + 1, world.batch(stored + 1)["input"])[0] != 201:
                    break
                stored += 1
        except OSError:
            pass
        killer.join()
    c.start()
    for n in range(1, stored + 1):
        assert c.put(n, world.batch(n)["input"])[0] == 200, n
    print(f"{stored} inputs")
    world.fed = 0
    key = Key()
    c.enroll(key)
    world.commit(1, 2)
    assert [world.prove(c, key) for _ in range(2)] == [1, 2]
    until("both verified", lambda: world.verified == 2)
