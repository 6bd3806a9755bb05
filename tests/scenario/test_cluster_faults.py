"""Three coordinators on one PostgreSQL, provers and a sequencer that never rest, and again and again something that
fails: a coordinator, the database, a line between two of them, a disk, the leader's process for a while.

    CLUSTER_CYCLES   faults (default 16: less than a minute; make cluster-faults CYCLES=1000)
    CLUSTER_SEED     of what fails and when (default: random)

After each: all heals by itself, and nothing acknowledged is lost. At the end of each world: all is verified, each batch
once, and the chain saw nothing that was not announced by one who led.
"""

import collections
import contextlib
import os
import random
import statistics
import time

import pytest

from chaos import DOWN, UP
from cluster_load import Broadcast, Load, check_chain, keys, submit
from endpoint import Endpoint
from line import Line
from postgres import Postgres
from world import BATCHES, signal, until

CYCLES = int(os.environ.get("CLUSTER_CYCLES", "16"))
SEED = int(os.environ.get("CLUSTER_SEED", random.randrange(1 << 30)))
CYCLES_A_WORLD = 24  # there are not batches for more
COORDINATORS = 3
HEALS = 30  # seconds, on a busy machine
TAKEOVER = 15  # likewise; 10 are promised
QUICK = {"PROVER_TIMEOUT": 1000, "CANDIDATES_PER_BATCH": 16, "CANDIDATES_PER_SOURCE": 100000, "LEASES_PER_SOURCE": 0}
SMALL_DISK = {"disk": "128m", "min_wal_size": "4MB", "max_wal_size": "16MB", "wal_keep_size": 0}


class Faults:
    """One world, and what can fail in it. kind: of its database: plain, replicated (a synchronous replica that may take
    over) or small (a disk that fills)."""

    def __init__(self, world, kind, rng, table):
        self.world, self.kind, self.rng, self.table, self.takeovers = world, kind, rng, table, table["takeover"]
        self.server = world.add(Postgres(world.dir, **(SMALL_DISK if kind == "small" else {}))).start()
        self.standby = self.between = None
        if kind == "replicated":
            self.replicate()
        self.cluster = world.cluster(COORDINATORS, self.server, self.standby, **QUICK)
        self.nodes = {}
        for c in self.cluster:
            self.nodes[c.name] = world.add(Endpoint(world.l1))
            c.change(ETHREX_ETH_RPC_URL=self.nodes[c.name].url)
        self.cluster.start()
        for key in keys():
            self.cluster[0].enroll(key)
        self.load = Load(self.cluster, rng)
        self.load.feed(3)
        self.load.start()

    # --- what fails: each comes back when all has been healed that does not heal by itself ---

    def pause(self, most=0.8):
        time.sleep(most * self.rng.random())

    def any(self):
        return self.rng.choice(self.cluster.coordinators)

    def kill_a_coordinator(self):
        self.killed(self.rng.sample(self.cluster.coordinators, self.rng.choice((1, 1, 2))))

    def kill_the_leader(self):
        """With kill -9; another takes over."""
        with self.takeover() as leader:
            leader.kill()
        leader.start()

    def kill_all_coordinators(self):
        self.killed(self.cluster.coordinators)

    def killed(self, some):
        for c in some:
            c.kill()
        self.pause()
        for c in some:
            c.start(ready=False)

    def kill_the_database(self):
        self.server.kill()
        self.pause()
        self.server.start()

    def kill_the_database_and_a_coordinator(self):
        c = self.any()
        for part in self.rng.sample((self.server, c), 2):
            part.kill()
            self.pause(0.1)
        self.server.start()
        c.start(ready=False)

    def stop_the_database(self):
        """SIGSTOP for a while."""
        self.server.freeze()
        self.pause(2.5)
        self.server.thaw()

    def stop_a_coordinator(self):
        c = self.any()
        c.signal(signal.SIGSTOP)
        self.pause(2)
        c.signal(signal.SIGCONT)

    def stop_the_leader_through_a_takeover(self):
        with self.takeover() as leader:
            leader.signal(signal.SIGSTOP)
        leader.signal(signal.SIGCONT)

    def part_the_leader_through_a_takeover(self):
        """From the database, which it may go on to hear."""
        with self.takeover() as leader:
            self.cluster.silence(leader, *self.rng.choice(((), (UP,), (UP, DOWN))))
        self.cluster.heal(leader)

    def part_a_coordinator_from_the_database(self):
        c = self.any()
        self.rng.choice((lambda: self.cluster.cut(c), lambda: self.cluster.silence(c),
                         lambda: self.cluster.silence(c, UP), lambda: self.cluster.silence(c, DOWN)))()
        self.pause(2)
        self.cluster.heal(c)

    def part_all_from_the_database(self):
        direction = self.rng.choice(((), (UP,), (DOWN,)))
        for c in self.cluster:
            self.cluster.silence(c, *direction)
        self.pause(2)
        self.cluster.heal()

    def slow_lines(self):
        for lines in self.cluster.lines.values():
            for line in lines:
                line.delay = self.rng.choice((0.002, 0.02, 0.1))
        self.pause(2)
        self.cluster.heal()

    def part_a_coordinator_from_l1(self):
        node = self.nodes[self.any().name]
        node.mood = self.rng.choice(("dead", "drop", "500"))
        self.pause(1.5)
        node.mood = None

    def part_the_databases(self):
        """A COMMIT waits for the replica."""
        self.between.silence(*self.rng.choice(((), (UP,), (DOWN,))))
        self.pause(2)
        self.between.heal()

    def kill_the_replica(self):
        self.standby.kill()
        self.pause()
        self.standby.start()

    def lag(self):
        """The replica has all, and applies it later."""
        self.standby.configure(recovery_min_apply_delay="1h")
        self.pause(1.5)
        if self.rng.random() < 0.5:
            self.fail_over()
        else:
            self.standby.configure(recovery_min_apply_delay=None)

    def fail_over(self):
        """The database is killed and its replica promoted; then it gets a new one."""
        self.server.kill()
        self.pause(0.5)
        self.standby.promote()
        lost, self.server = self.server, self.standby
        self.cluster.server = self.server
        self.replicate()
        for lines in self.cluster.lines.values():
            for line in lines:
                if line.target == lost.port:
                    line.target = self.standby.port

    def replicate(self):
        """A new replica, which is waited for from now on."""
        self.between = self.world.add(Line(self.server.port))
        self.standby = self.world.add(self.server.replica(self.world.dir, f"postgres{len(self.world.parts)}",
                                                          port=self.between.port)).start()
        self.server.wait_for(self.standby)

    def fill_the_disk(self):
        self.server.fill()
        self.pause(1.5)
        self.server.empty()
        if not self.server.alive or self.rng.random() < 0.2:
            self.server.kill()
            self.server.start()

    PLAIN = {kill_a_coordinator: 5, kill_the_leader: 4, kill_all_coordinators: 1, kill_the_database: 4,
             kill_the_database_and_a_coordinator: 2, stop_the_database: 2, stop_a_coordinator: 2,
             stop_the_leader_through_a_takeover: 1, part_the_leader_through_a_takeover: 1,
             part_a_coordinator_from_the_database: 4, part_all_from_the_database: 2, slow_lines: 1,
             part_a_coordinator_from_l1: 2}
    KINDS = {"plain": PLAIN,
             "replicated": {**PLAIN, part_the_databases: 5, kill_the_replica: 3, lag: 4, fail_over: 8},
             "small": {**PLAIN, fill_the_disk: 14}}

    # --- what must hold ---

    @contextlib.contextmanager
    def takeover(self):
        """Of whatever is done to the leader inside: another one leads."""
        leader = self.cluster.until_leader(seconds=HEALS)
        start = time.monotonic()
        yield leader
        self.cluster.until_leader(*self.cluster.others(leader), seconds=TAKEOVER)
        self.takeovers.append(time.monotonic() - start)

    def cycle(self):
        if self.world.fed < BATCHES - 2:
            self.load.feed(self.rng.randint(0, 2))
        self.pause(0.3)
        faults = self.KINDS[self.kind]
        fault = self.rng.choices(list(faults), list(faults.values()))[0]
        try:
            fault(self)
            start = time.monotonic()
            self.until_healed()
        except BaseException:
            print(f"in a {self.kind} world: {fault.__name__}")
            raise
        self.table[fault.__name__].append(time.monotonic() - start)
        self.load.look()
        self.load.check_acked()

    def until_healed(self):
        """Each coordinator reaches the database and acknowledges a proof, and one leads."""
        for c in self.cluster:
            until(f"{c.name} acknowledges", lambda c=c: self.serves(c), HEALS)
        self.cluster.until_leader(seconds=HEALS)
        for c in self.cluster:
            assert c.alive, c.log()[-2000:]

    def serves(self, c):
        if not c.alive:
            until(f"{c.name} was started again", c.start)  # as its supervisor does
        try:
            number = self.rng.randint(1, self.world.fed)
            proof = self.load.proof(self.rng.choice(keys()), number)
            return c.admin("GET", "/readyz")[0] == 200 and submit(c, number, proof)
        except (OSError, ValueError):
            return False

    def finish(self):
        until("all is verified", lambda: self.world.verified == self.world.fed, 120, pause=0.2)
        self.load.stop()
        self.load.check_acked()
        for c in self.cluster:
            assert c.stop() == 0
        raw = sorted((time_, text, name) for name, node in self.nodes.items() for time_, text in node.raw)
        check_chain(self.world, [Broadcast(text, time_, name) for time_, text, name in raw])
        return len(self.load.acked)


@pytest.fixture(scope="module", name="table")
def _table():
    """{fault: seconds until all had healed, of each}; shown at the end."""
    seen = collections.defaultdict(list)
    yield seen
    print(f"\nCLUSTER_SEED={SEED}\n{'fault':45} {'times':>6} {'median s':>9} {'longest s':>9}")
    for name, seconds in sorted(seen.items()):
        if seconds:
            print(f"{name.replace('_', ' '):45} {len(seconds):6} {statistics.median(seconds):9.2f} {max(seconds):9.2f}")
    print(f"{'all faults':45} {sum(len(s) for name, s in seen.items() if name != 'takeover'):6}", flush=True)


@pytest.mark.parametrize("kind", Faults.KINDS)
def test_nothing_acknowledged_is_lost_whatever_fails(new_world, table, kind):
    print(f"CLUSTER_SEED={SEED}")
    rng, done, total = random.Random(f"{SEED} {kind}"), 0, 0
    cycles = (CYCLES + 2) // len(Faults.KINDS)
    while done < cycles:
        now = min(CYCLES_A_WORLD, cycles - done)
        world = new_world(name=f"world{done}")
        faults = Faults(world, kind, rng, table)
        for _ in range(now):
            faults.cycle()
        done, total = done + now, total + faults.finish()
        world.close()
    print(f"{done} faults, {total} proofs acknowledged, none lost")
    assert total


def test_a_loss_is_noticed(world):
    """Of a primary that waits for nobody, so that the rig is known to see it."""
    server = world.add(Postgres(world.dir)).start()
    between = world.add(Line(server.port))
    replica = world.add(server.replica(world.dir, port=between.port)).start()
    c, = cluster = world.cluster(1, server, replica).start()
    c.enroll(keys()[0])
    world.put(c, 1, 1)
    until("the replica has it", lambda: has_input(replica))
    between.silence()
    load = Load(cluster, random.Random(SEED), provers=1)
    proof = load.proof(keys()[0], 1)
    assert submit(c, 1, proof)
    load.provers[0].acked.add((1, proof))
    load.check_acked()
    server.kill()
    replica.promote()
    cluster.server = replica
    with pytest.raises(AssertionError, match="1 of 1 acknowledged proofs are lost: batches .1."):
        load.check_acked()
    until("the coordinator sees that too, and ends", lambda: not c.alive, 20)
    assert c.events("store_is_another")


def has_input(server):
    try:
        return server.sql("SELECT 1 FROM input")
    except RuntimeError:  # the table is not there yet
        return False
