"""Several coordinators on one PostgreSQL in front of one ethrex: the one that leads asks it for inputs and sends it
proofs, and when that one is gone another does.

    RELAY_CLUSTER_CYCLES   faults of each way of submitting (default: one or two; make relay-faults: 100)
    RELAY_SEED             of what fails and when (default: random)
"""

import collections
import json
import os
import random
import re
import threading
import time

import pytest

from chaos import DOWN, UP, Chaos
from cluster_load import Broadcast, check_chain
from endpoint import Endpoint
from test_relay_kill9 import Prover
from test_upstream import asks, given
from upstream import COMMIT_HASH, Upstream, exchange
from world import BATCHES, Key, signal, until

CYCLES = int(os.environ.get("RELAY_CLUSTER_CYCLES", "0"))
SEED = int(os.environ.get("RELAY_SEED", random.randrange(1 << 30)))
CYCLES_A_WORLD = 12  # there are not batches for more
HEALS = 30  # seconds, on a busy machine
TAKEOVER = 15  # likewise; 10 are promised
TIMEOUT = 600  # of upstream's for a batch that it gave out
SECONDS = 3  # that a prover waits before it goes elsewhere
QUICK = {"UPSTREAM_POLL": 100, "UPSTREAM_WAIT": 1000, "UPSTREAM_TIMEOUT": 2000, "UPSTREAM_PREFETCH": 3, "LEASES_PER_SOURCE": 0,
         "PROVER_TIMEOUT": 1000, "PROVER_SILENCE": 3000, "CANDIDATES_PER_BATCH": 16, "CANDIDATES_PER_SOURCE": 100000}
DIALECTS = ("p4", "p6", "p7")
BATCH = re.compile(rb'"(?:id|batch_number)":(\d+)')


class Front(Chaos):
    """Upstream as one coordinator reaches it; notes when it was turned to, and which batches came from there."""

    def __init__(self, port):
        self.times, self.given, self.holding = [], [], threading.Event()
        self.holding.set()
        super().__init__(port)

    def exchange(self, client):
        self.times.append(time.monotonic())
        super().exchange(client)

    def pass_on(self, direction, message, to, other):
        found = BATCH.search(message) if direction == DOWN and b'Response":' in message else None
        if found:
            self.given.append(int(found[1]))
            self.holding.wait()
        return super().pass_on(direction, message, to, other)

    def hold(self):
        """Inputs stay here from now on."""
        self.holding.clear()

    def close(self):
        super().close()
        self.holding.set()

    kill = close


class Relays:
    """Three coordinators, each with lines of its own to the database, to L1 and to upstream."""

    def __init__(self, world, submit="l1", dialects="p7", **settings):
        self.world, self.submit, self.sealed = world, submit, 0
        sender = {"l1": None, "upstream": world.l1.accounts[1], "both": world.l1.accounts[0]}[submit]
        self.upstream = world.add(Upstream(world.dir, dialects, world=world, sender=sender, prover_timeout=1000 * TIMEOUT)).start()
        key = {"L1_PRIVATE_KEY_FILE": None} if submit == "upstream" else {}
        self.cluster = world.cluster(3, SUBMIT=submit, **{**QUICK, **key, **settings})
        self.fronts, self.nodes = {}, {}
        for c in self.cluster:
            self.fronts[c.name] = world.add(Front(self.upstream.port))
            self.nodes[c.name] = world.add(Endpoint(world.l1))
            c.change(UPSTREAM=f"tcp://127.0.0.1:{self.fronts[c.name].port}", ETHREX_ETH_RPC_URL=self.nodes[c.name].url)

    def start(self):
        self.cluster.start()
        return self

    def seal(self, last, commit=True):
        for number in range(self.sealed + 1, last + 1):
            self.upstream.seal(number, self.world.batch(number)["input"])
        if commit:
            self.world.commit(self.world.fed + 1, last)
            self.world.fed = last
        self.sealed = last

    def given(self):
        return [e["batch"] for e in self.upstream.journal("gave")]

    def stored(self):
        """Batches whose input the database has."""
        return {int(row[0]) for row in self.cluster.server.sql("SELECT DISTINCT batch FROM input")}


class Roaming(Prover):
    """Goes to any of them with each message."""

    def __init__(self, relays, dialect, rng):
        self.coordinators = list(relays.cluster)
        super().__init__(relays.world, None, dialect, rng)

    def say(self, message):
        reply = exchange(self.rng.choice(self.coordinators).port, message, seconds=SECONDS)
        if not reply:
            raise OSError("nothing was said")
        return json.loads(reply)


class Faults(Relays):
    """With provers that never rest, and what fails."""

    def __init__(self, world, submit, dialects, rng):
        super().__init__(world, submit, dialects)
        self.rng, self.stopping, self.counts = rng, [], collections.Counter()
        self.provers = [Roaming(self, dialect, random.Random(rng.random())) for dialect in DIALECTS]
        self.seal(2)
        self.start()
        for prover in self.provers:
            self.cluster[0].enroll(prover.key)
            prover.start()

    def pause(self, most=0.6):
        time.sleep(most * self.rng.random())

    # --- what fails ---

    def kill_the_leader(self):
        leader = self.cluster.until_leader(seconds=HEALS)
        leader.kill()
        self.cluster.until_leader(*self.cluster.others(leader), seconds=TAKEOVER)
        leader.start(ready=False)

    def kill_another(self):
        c = self.rng.choice(self.cluster.others(self.cluster.until_leader(seconds=HEALS)))
        c.kill()
        self.pause()
        c.start(ready=False)

    def kill_upstream(self):
        self.upstream.kill()
        self.pause()
        self.upstream.start()

    def kill_the_leader_and_upstream(self):
        leader = self.cluster.until_leader(seconds=HEALS)
        for part in self.rng.sample((leader, self.upstream), 2):
            part.kill()
            self.pause(0.2)
        self.upstream.start()
        leader.start(ready=False)

    def part_the_leader_through_a_takeover(self):
        """From the database, not from upstream."""
        leader = self.cluster.until_leader(seconds=HEALS)
        self.cluster.silence(leader, *self.rng.choice(((), (UP,), (UP, DOWN))))
        self.cluster.until_leader(*self.cluster.others(leader), seconds=TAKEOVER)
        self.idle(leader)
        self.cluster.heal(leader)

    def stop_the_leader_through_a_takeover(self):
        leader = self.cluster.until_leader(seconds=HEALS)
        leader.signal(signal.SIGSTOP)
        heir = self.cluster.until_leader(*self.cluster.others(leader), seconds=TAKEOVER)
        before = len(self.fronts[leader.name].times)
        leader.signal(signal.SIGCONT)
        time.sleep(0.8)
        if self.cluster.leader() is heir:
            self.idle(leader, before)

    def idle(self, former, before=None):
        """One that leads no more does not turn to upstream, while another does."""
        times = self.fronts[former.name].times
        before = len(times) if before is None else before
        others = [self.fronts[c.name].times for c in self.cluster.others(former)]
        start = sum(map(len, others))
        until("the other asks", lambda: sum(map(len, others)) >= start + 3, HEALS)
        assert len(times) == before, f"{former.name} turned to upstream {len(times) - before} times"

    KINDS = {kill_the_leader: 4, kill_another: 2, kill_upstream: 3, kill_the_leader_and_upstream: 3,
             part_the_leader_through_a_takeover: 2, stop_the_leader_through_a_takeover: 2}

    # --- what must hold ---

    def cycle(self, fault=None):
        if self.sealed < BATCHES - 3:
            self.seal(self.sealed + self.rng.randint(1, 3))
        self.pause()
        fault = fault or self.rng.choices(list(self.KINDS), list(self.KINDS.values()))[0]
        try:
            fault(self)
            self.until_healed()
        except BaseException:
            print(f"in {fault.__name__}")
            raise
        self.look()
        self.check_acked()
        self.counts[fault.__name__] += 1

    def until_healed(self):
        for c in self.cluster:
            until(f"{c.name} is ready", lambda c=c: self.is_ready(c), HEALS)
        self.cluster.until_leader(seconds=HEALS)

    def is_ready(self, c):
        if not c.alive:
            c.start(ready=False)  # as its supervisor does
        try:
            return c.admin("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def look(self):
        for prover in self.provers:
            if prover.error:
                raise prover.error

    def good(self):
        return {(n, proof) for p in self.provers for n, proof in list(p.proven.items())}

    def check_acked(self):
        """As of a database that answers: what was acknowledged is there, or its batch has another proof, or is verified."""
        acked = set().union(*(set(p.acked) for p in self.provers))
        stored = {(int(batch), bytes.fromhex(text)) for batch, text in self.cluster.server.sql(
            "SELECT batch, encode(bytes, 'hex') FROM proof")}
        verified = self.world.verified
        proven = {n for n, _ in self.good() & stored}
        lost = sorted(n for n, proof in acked - stored if n > verified and n not in proven)
        assert not lost, f"of {len(acked)} acknowledged proofs some are lost: of batches {lost}"
        return len(acked)

    def finish(self):
        """Inputs that were on their way when somebody died come again when upstream's time for them has run out."""
        end = time.monotonic() + 90
        while self.world.verified < self.sealed:
            assert time.monotonic() < end, [json.dumps(c.status()["relay"]) for c in self.cluster]
            self.look()
            before = self.world.verified
            time.sleep(1.5)
            if self.world.verified == before:
                self.upstream.later(TIMEOUT + 1)
        for prover in self.provers:
            prover.stopping = True
        for prover in self.provers:
            prover.join(30)
        total = self.check_acked()
        for c in self.cluster:
            assert c.stop() == 0
        self.upstream.check_forwarded({(n, proof.hex()) for n, proof in self.good()}, self.submit, self.sealed)
        if self.submit == "l1":
            raw = sorted((time_, text, name) for name, node in self.nodes.items() for time_, text in node.raw)
            check_chain(self.world, [Broadcast(text, time_, name) for time_, text, name in raw])
        return total


SHORT = {"l1": (Faults.part_the_leader_through_a_takeover,), "upstream": (Faults.stop_the_leader_through_a_takeover,),
         "both": (Faults.kill_the_leader_and_upstream, Faults.kill_another)}


@pytest.mark.parametrize("submit, dialects", [("l1", "p7"), ("upstream", "p4,p6,p7"), ("both", "p6")])
def test_nothing_is_lost_whatever_fails(new_world, submit, dialects):
    print(f"RELAY_SEED={SEED}")
    rng, done, total, counts = random.Random(f"{SEED}{submit}"), 0, 0, collections.Counter()
    faults = list(SHORT[submit]) if not CYCLES else [None] * CYCLES
    while done < len(faults):
        world = new_world(name=f"world{done}")
        relays = Faults(world, submit, dialects, rng)
        now = faults[done:done + CYCLES_A_WORLD]
        for fault in now:
            relays.cycle(fault)
        total += relays.finish()
        done, counts = done + len(now), counts + relays.counts
        world.close()
    print(f"{submit}: {done} faults, {total} proofs acknowledged, none lost: {dict(counts)}")
    assert total


# --- one thing at a time ---

def led(relays):
    """Who leads, and the others."""
    leader = relays.cluster.until_leader()
    return leader, relays.cluster.others(leader)


@pytest.mark.parametrize("harm", ["kill", "cut"])
def test_what_was_on_its_way_comes_again(world, harm):
    """Upstream gave batch 2 out, and who asked for it died or was cut off before it was stored: the next leader goes on
    with 3, says what may be missing, and has 2 when upstream's time for it has run out."""
    relays, key = Relays(world, UPSTREAM_PREFETCH=1, UPSTREAM_TIMEOUT=30000).start(), Key()
    leader, others = led(relays)
    leader.enroll(key)
    relays.seal(1)
    assert until("the first", lambda: others[0].request()[0]) == 1
    assert others[1].submit(1, world.proof(key, 1)) is True
    world.until_verified(1)
    relays.fronts[leader.name].hold()
    relays.seal(3)
    until("batch 2 is on its way", lambda: 2 in relays.given())
    if harm == "kill":
        leader.kill()
    else:
        relays.cluster.cut(leader)
    heir = relays.cluster.until_leader(*others, seconds=TAKEOVER)
    if harm == "cut":  # it arrives where nothing can be stored
        relays.fronts[leader.name].holding.set()
        leader.saw("event=upstream_answered answer=not_kept .*batch=2 ")
    assert until("the next", lambda: others[0].request()[0]) == 3
    assert others[1].submit(3, world.proof(key, 3)) is True
    told = heir.told("relay_resumed")
    assert told[-1]["last_batch"] == "1" and "prover-timeout" in told[-1]["note"], told
    assert 2 not in relays.stored() and world.verified == 1
    until("the gap is said", lambda: "an input is missing before others" in heir.status()["relay"]["says"])
    relays.upstream.later(TIMEOUT + 1)
    until("batch 2 is here", lambda: 2 in relays.stored(), HEALS)
    assert until("it is to be proven", lambda: others[0].request()[0]) == 2
    assert others[1].submit(2, world.proof(key, 2)) is True
    world.until_verified(3)


def test_who_relays_is_said(world):
    relays = Relays(world).start()
    leader, others = led(relays)
    for c in others:
        until(f"{c.name} knows who asks", lambda c=c: c.status()["relay"]["says"] == f"{leader.name} leads, and asks upstream")
        assert c.status()["relay"]["asks"] is False and c.metric("upstream_up") is None  # it does not know
        assert f"{leader.name} leads, and asks upstream" in c.verb("cluster").stdout.splitlines()
    until("it is asked", lambda: leader.metric("upstream_up") == 1)
    assert leader.status()["relay"]["says"] == "this coordinator asks upstream"
    assert "upstream     this coordinator asks upstream" in leader.verb("status").stdout.splitlines()
    relays.upstream.kill()
    until("it is down", lambda: leader.metric("upstream_up") == 0)
    relays.cluster.cut(leader)  # what it says of upstream is another's to say now
    heir = relays.cluster.until_leader(*others, seconds=TAKEOVER)
    until("the other finds out", lambda: heir.metric("upstream_up") == 0)
    until("the former one is silent about it", lambda: leader.metric("upstream_up") is None)
    assert "not asked" in leader.status()["relay"]["says"]


def test_a_prover_of_any_hears_what_upstream_says(world):
    """In its own dialect, without waiting for longer than the one that leads takes to ask."""
    relays = Relays(world, dialects="p4,p6,p7", UPSTREAM_WAIT=20000).start()
    leader, others = led(relays)
    leader.enroll(Key())
    c, other = others[0], "bbbbbbb"
    start = time.monotonic()
    assert c.ask(asks("p7", other)) == "VersionMismatch"
    assert c.ask(asks("p6", other)) == "VersionMismatch"
    assert c.ask(asks("p4", other)) == {"InvalidCodeVersion": {"commit_hash": COMMIT_HASH}}
    assert c.ask(asks("p7", kind="SP1")) == {"ProverTypeNotNeeded": {"prover_type": "SP1"}}
    assert c.ask(asks("p7")) == given("p7", None)
    relays.seal(1)
    assert until("the input", lambda: c.request()[0]) == 1
    relays.upstream.kill()
    until("that is known", lambda: leader.metric("upstream_up") == 0)
    assert c.request()[0] is None
    assert time.monotonic() - start < 20, "it waited for its whole time"
