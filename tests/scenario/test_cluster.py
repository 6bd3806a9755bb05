"""Several coordinators on one PostgreSQL: what one is told the others know, one of them sends, and when that one is
gone another does. test_cluster_faults.py does worse to them, at random."""

import json
import re
import time

import pytest

from certificates import Party
from chaos import UP
from cluster_load import Broadcast, check_chain
from endpoint import Endpoint
from line import Line
from postgres import Postgres
from world import COMMIT_HASH, Key, cast, signal, until

# What does not depend on PostgreSQL is as quick as it can be.
QUICK = {"PROVER_TIMEOUT": 2000, "LEASES_PER_SOURCE": 0}
AT_ONCE = 2.0  # seconds: one is promised, and the machine is busy
TAKEOVER = 15  # likewise; ten are promised


@pytest.fixture
def cluster(world):
    return world.cluster(3, **QUICK).start()


def said(c):
    """Its log, as it was before quotes were escaped."""
    return c.log().replace('\\"', '"')


def timed(action):
    start = time.monotonic()
    return action(), time.monotonic() - start


def prove_through_any(world, cluster, key, last, seconds=60):
    """Each batch is asked of one, and its proof is given to another."""
    end, n = time.monotonic() + seconds, 0
    while world.verified < last:
        assert time.monotonic() < end, [c.status() for c in cluster if c.alive]
        n += 1
        number, _ = cluster[n % 3].request()
        if number is None:
            time.sleep(0.05)
        else:
            assert cluster[(n + 1) % 3].submit(number, world.proof(key, number)) is True


# --- what one is told, all know ---

def test_batches_are_proven_through_any_and_verified_once(world):
    cluster = world.cluster(3, **QUICK)
    nodes = {c.name: world.add(Endpoint(world.l1)) for c in cluster}
    for c in cluster:
        c.change(ETHREX_ETH_RPC_URL=nodes[c.name].url)
    cluster.start()
    key = Key()
    cluster[0].enroll(key)
    for last in (2, 4, 6, 8):
        world.feed(cluster[last % 3], last)
        prove_through_any(world, cluster, key, last)
    assert all(c.stop() == 0 for c in cluster)
    raw = sorted((time_, text, name) for name, node in nodes.items() for time_, text in node.raw)
    assert len({name for _, _, name in raw}) == 1, "more than one sent"
    check_chain(world, [Broadcast(text, time_, name) for time_, text, name in raw])


def test_an_input_that_one_was_given_is_served_by_the_others(world, cluster):
    cluster[0].enroll(Key())
    world.feed(cluster[0], 6)
    served = {}
    for n in range(6):
        number, body = until("a batch to prove", lambda n=n: (r := cluster[1 + n % 2].request())[0] and r)
        served[number] = body
    assert sorted(served) == list(range(1, 7)), "no lease is given twice"
    assert all(body == json.loads(world.batch(n)["input"]) for n, body in served.items())


def test_a_large_input(world, cluster):
    """Of many chunks."""
    body = json.dumps({"blocks": ["ab" * (1 << 20) for _ in range(5)]}).encode()
    assert cluster[0].put(1, body)[0] == 201
    cluster[0].enroll(Key())
    world.commit(1, 1)
    got = until("the input", lambda: (r := cluster[2].request())[0] and r, 20)
    assert got == (1, json.loads(body))


def test_the_same_input_is_one_and_another_is_refused(world, cluster):
    world.put(cluster[0], 1, 1)
    assert until("the other knows", lambda: cluster[1].put(1, world.batch(1)["input"])[0] == 200)
    world.commit(1, 1)
    until("it is seen to be committed", lambda: cluster[2].status()["l1"]["last_committed_batch"] == 1)
    assert cluster[2].put(1, world.batch(2)["input"])[0] == 409


def test_a_key_that_came_to_a_follower_is_registered_by_the_leader(world, cluster):
    follower, key = cluster.others(cluster.until_leader())[0], Key()
    follower.enroll(key)
    assert world.signer == key.address.lower()
    cluster.until_leader().saw("event=registered")
    assert not follower.events("registered")
    assert [key.address.lower() in until("known", c.provers) for c in cluster]


def test_a_prover_that_asks_the_follower_only(world, cluster):
    follower = cluster.others(cluster.until_leader())[0]
    prover = world.prover(follower).start()
    world.feed(follower, 3)
    world.until_verified(3)
    assert prover.processed(3) == [1, 2, 3] and world.signer == prover.address


def test_the_operator_speaks_to_any(world, cluster):
    """promote and revoke, at one that does not lead."""
    first, second = Key(), Key()
    cluster[0].enroll(first)
    cluster[1].enroll(second)
    follower = cluster.others(cluster.until_leader())[0]
    until("it knows both", lambda: {first.address, second.address} <= set(follower.provers()))
    done = follower.verb("promote", second.address)
    assert done.returncode == 0, done
    until("it is registered", lambda: world.signer == second.address)
    other = cluster.others(follower)[0]
    done = other.verb("revoke", second.address)
    assert done.returncode == 0, done
    for c in cluster:
        until(f"{c.name} refuses it", lambda c=c: "revoked" in str(c.setup(second.payload)))
    until("the first is back", lambda: world.signer == first.address)
    assert follower.verb("unrevoke", first.address).returncode == 1
    assert follower.verb("unrevoke", second.address).returncode == 0
    for c in cluster:
        until(f"{c.name} takes it again", lambda c=c: c.setup(second.payload) is True)
    assert other.verb("unrevoke", second.address).returncode == 1


def test_a_proof_given_to_one_is_not_asked_for_by_another(world, cluster):
    key = Key()
    cluster[0].enroll(key)
    world.put(cluster[0], 1, 1)  # not committed: nothing is verified meanwhile
    number, _ = until("a batch", lambda: (r := cluster[1].request())[0] and r)
    assert cluster[2].submit(number, world.proof(key, number)) is True
    assert [c.request()[0] for c in cluster] == [None] * 3


# --- one that goes ---

def measured_takeover(cluster, harm):
    leader = cluster.until_leader()
    start = time.monotonic()
    harm(leader)
    cluster.until_leader(*cluster.others(leader), seconds=TAKEOVER)
    return leader, time.monotonic() - start


HARMS = {"kill -9": lambda cluster: lambda c: c.kill(), "SIGSTOP": lambda cluster: lambda c: c.signal(signal.SIGSTOP),
         "SIGTERM": lambda cluster: lambda c: c.stop(), "partition": lambda cluster: cluster.silence,
         "cut": lambda cluster: cluster.cut}


def test_what_an_operator_reads_of_one_that_is_stopped(world, cluster):
    """It is silent, and neither leads nor is counted; of the money only the leader speaks."""
    leader = cluster.until_leader()
    follower = cluster.others(leader)[0]
    assert "is read by the coordinator that leads" in follower.verb("status").stdout
    until("it reads", lambda: re.search(r"^balances .* has \d", leader.verb("status").stdout, re.M))
    leader.signal(signal.SIGSTOP)
    heir = cluster.until_leader(*cluster.others(leader), seconds=TAKEOVER)
    said = f"this coordinator leads; others beside it: 1; silent: {leader.name}"
    told = until("it is silent, and leads no more", lambda: (t := heir.verb("cluster").stdout).startswith(said) and
                 re.search(rf"^{leader.name} +\d+ +follows +silent ", t, re.M) and t)
    assert re.search(rf"^{heir.name} \(this\) +\d+ +leads +ready ", told, re.M), told
    leader.signal(signal.SIGCONT)
    until("it is back", lambda: heir.verb("cluster").stdout.startswith("this coordinator leads; others beside it: 2\n"))
    cluster.server.freeze()
    lost = until("it is lost", lambda: (t := heir.verb("cluster").stdout).startswith("nothing can be stored") and t)
    assert re.search(rf"^{heir.name} \(this\) +\d+ +follows +lost ", lost, re.M), lost
    cluster.server.thaw()


@pytest.mark.parametrize("harm", HARMS)
def test_takeover(world, cluster, harm):
    """Batches are verified on, by another."""
    key = Key()
    cluster[0].enroll(key)
    world.feed(cluster[0], 2)
    prove_through_any(world, cluster, key, 2)
    leader, seconds = measured_takeover(cluster, HARMS[harm](cluster))
    print(f"takeover after {harm}: {seconds:.2f} s")
    left = cluster.others(leader)
    world.feed(left[0], 4)
    for n in (3, 4):
        assert until("a batch", lambda: left[1].request()[0]) == n
        assert left[0].submit(n, world.proof(key, n)) is True
    world.until_verified(4)
    if harm == "SIGSTOP":
        leader.signal(signal.SIGCONT)
    cluster.heal(leader)
    if not leader.alive:
        leader.start()
    until("it follows", lambda: leader.status()["l1"]["last_verified_batch"] == 4)
    until("it stores", lambda: leader.setup(key.payload) is True)


def test_a_former_leader_that_wakes_up_makes_no_new_intent(world):
    """Stopped while it had something to send."""
    cluster = world.cluster(3, **QUICK)
    nodes = {c.name: world.add(Endpoint(world.l1)) for c in cluster}
    for c in cluster:
        c.change(ETHREX_ETH_RPC_URL=nodes[c.name].url)
    cluster.start()
    key = Key()
    cluster[0].enroll(key)
    last = 0
    for _ in range(2):
        leader = cluster.until_leader()
        for node in nodes.values():
            node.mood, node.methods = "dead", ("eth_sendRawTransaction",)
        last += 2
        world.feed(cluster[0], last)
        for n in (last - 1, last):
            assert cluster[0].submit(n, world.proof(key, n)) is True
        node = nodes[leader.name]
        until("it wants to send", lambda before=len(node.raw), node=node: len(node.raw) > before)
        leader.signal(signal.SIGSTOP)
        cluster.until_leader(*cluster.others(leader), seconds=TAKEOVER)
        for node in nodes.values():
            node.mood = None
        world.until_verified(last)
        intents = {Broadcast(text, 0, "").nonce for node in nodes.values() for _, text in node.raw}
        before = len(nodes[leader.name].raw)
        leader.signal(signal.SIGCONT)
        time.sleep(2)
        late = {Broadcast(text, 0, "").nonce for _, text in nodes[leader.name].raw[before:]}
        assert late <= intents, "a new nonce by one that does not lead"
        assert cluster.leader() is not leader
    raw = sorted((time_, text, name) for name, node in nodes.items() for time_, text in node.raw)
    check_chain(world, [Broadcast(text, time_, name) for time_, text, name in raw])


def test_one_after_another_is_started_anew(world, cluster):
    """An upgrade: at each moment two serve."""
    key = Key()
    cluster[0].enroll(key)
    last = 0
    for c in cluster:
        assert c.stop() == 0
        last += 2
        left = cluster.others(c)
        world.feed(left[0], last)
        for n in (last - 1, last):
            until(f"batch {n} is acknowledged", lambda n=n: left[1].submit(n, world.proof(key, n)) is True, 5)
        world.until_verified(last)
        c.start()


# --- the database goes ---

LOSSES = {"kill -9": (lambda k: k.server.kill(), lambda k: k.server.start()),
          "SIGSTOP": (lambda k: k.server.freeze(), lambda k: k.server.thaw()),
          "partition": (lambda k: [k.silence(c) for c in k], lambda k: k.heal()),
          "half a partition": (lambda k: [k.silence(c, UP) for c in k], lambda k: k.heal()),
          "cut": (lambda k: [k.cut(c) for c in k], lambda k: k.heal())}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_lost_connection(world, cluster, loss):
    """try_again within a second, nothing acknowledged, and all heals by itself."""
    lose, restore = LOSSES[loss]
    key = Key()
    cluster[0].enroll(key)
    world.feed(cluster[0], 6)
    proofs = {n: world.proof(key, n) for n in range(1, 7)}
    lose(cluster)
    waits = []
    for n in range(1, 7):
        answer, seconds = timed(lambda n=n: cluster[n % 3].submit(n, proofs[n]))
        assert answer is not True, f"acknowledged without a database: {n}"
        waits.append(seconds)
    print(f"{loss}: answers after {min(waits):.3f} to {max(waits):.3f} s")
    assert max(waits) < AT_ONCE
    assert all(c.alive and c.admin("GET", "/healthz")[0] == 200 for c in cluster)
    assert [c.admin("GET", "/readyz")[0] for c in cluster] == [503] * 3
    restore(cluster)
    for n in range(1, 7):
        until("acknowledged again", lambda n=n: cluster[n % 3].submit(n, proofs[n]) is True, 20)
    world.until_verified(6)


def test_a_database_that_is_far_away(world):
    """What starts there also comes back there by itself."""
    cluster = world.cluster(2, **QUICK)
    for c in cluster:
        cluster.slow(c, 0.045)
    cluster.start()
    key = Key()
    cluster[0].enroll(key)
    world.feed(cluster[0], 2)
    assert cluster[1].submit(1, world.proof(key, 1)) is True
    world.until_verified(1)
    for c in cluster:
        cluster.cut(c)
    until("it is noticed", lambda: all(c.admin("GET", "/readyz")[0] == 503 for c in cluster), 10)
    cluster.heal()
    for c in cluster:
        cluster.slow(c, 0.045)
    until("it is back", lambda: all(c.admin("GET", "/readyz")[0] == 200 for c in cluster), 20)
    assert cluster[1].submit(2, world.proof(key, 2)) is True
    world.until_verified(2)


def code_of(reply):
    return reply["Error"]["code"] if isinstance(reply, dict) and "Error" in reply else None


def test_what_is_said_while_the_database_is_away(world):
    """Not that there is nothing to prove, for others may have brought some; and what is true without it is said."""
    cluster = world.cluster(2, **QUICK).start()
    c, key = cluster[0], Key()
    c.enroll(key)
    world.put(c, 1, 1)
    assert c.submit(1, world.proof(key, 1)) is True
    tdx, other = ({"commit_hash": text, "prover_type": "TDX"} for text in (COMMIT_HASH, "1234567"))
    requests = ["BatchRequest", {"BatchRequest": {"commit_hash": COMMIT_HASH}}, {"BatchRequest": tdx},
                {"BatchRequest": {**tdx, "supported_programs": ["evm-l2"]}}, {"InputRequest": tdx}, {"InputRequest": other}]
    assert {code_of(c.ask(r)) for r in requests} == {None}
    cluster.server.freeze()
    start = time.monotonic()
    until("it is noticed", lambda: code_of(c.request()[1]) == "try_again", 5, pause=0.02)
    assert time.monotonic() - start < AT_ONCE
    assert {code_of(c.ask(r)) for r in requests} == {"try_again"}
    assert "ProverTypeNotNeeded" in c.request(prover_type="RISC0")[1]
    assert code_of(c.request(commit_hash="no hash")[1]) == "bad_commit_hash"
    assert c.submit(1, world.proof(key, 1)) is True, "it is kept"
    for answer, seconds in (timed(lambda: c.submit(2, world.proof(key, 2))), timed(lambda: c.setup(Key().payload))):
        assert code_of(answer) == "try_again" and seconds < AT_ONCE, answer
        assert "127.0.0.1" not in str(answer)
    (status, _), seconds = timed(lambda: c.put(2, world.batch(2)["input"]))
    assert status == 503 and seconds < AT_ONCE
    assert re.search(rf"^{c.name} \(this\) +\d+ +follows +lost ", c.verb("cluster").stdout, re.M)
    cluster.server.thaw()
    until("it is as before", lambda: code_of(c.request()[1]) is None)
    assert re.search(r"it was away for [0-9]+[.][0-9] s", c.saw("event=store_reached .*").group(0))
    assert c.put(2, world.batch(2)["input"])[0] == 201
    # Neither does it end any later.
    cluster.server.freeze()
    until("it is noticed", lambda: code_of(c.request()[1]) == "try_again", 5)
    status, seconds = timed(c.stop)
    cluster.server.thaw()
    assert status == 0 and seconds < 10


def test_a_database_that_answers_and_stores_nothing(world):
    """It waits for a replica that is not there: a connection alone is no reason to say that it is back."""
    cluster = world.cluster(2, **QUICK).start()
    c = cluster[0]
    c.enroll(Key())
    cluster.server.configure(synchronous_standby_names="nobody")
    until("it is noticed", lambda: c.admin("GET", "/readyz")[0] == 503, 20)
    end = time.monotonic() + 4
    while time.monotonic() < end:
        assert c.admin("GET", "/readyz")[0] == 503
        assert code_of(c.request()[1]) == "try_again"
        time.sleep(0.02)
    assert len(c.told("store_lost")) == 1 and not c.events("store_reached")
    cluster.server.configure(synchronous_standby_names=None)
    c.saw("event=store_reached")
    until("it is as before", lambda: code_of(c.request()[1]) is None)
    cluster.until_leader()


def test_a_database_that_is_dropped_under_them(world, cluster):
    """Each says so and ends, or says that it is gone: nothing is acknowledged, nothing made anew."""
    key = Key()
    cluster[0].enroll(key)
    world.feed(cluster[0], 1)
    cluster.server.sql("DROP DATABASE coordinator WITH (FORCE)", database="postgres")
    for c in cluster:
        until(f"{c.name} says so", lambda c=c: 'database "coordinator" does not exist' in said(c), 20)
    for c in cluster:
        assert not c.alive or c.submit(1, world.proof(key, 1)) is not True
    assert not cluster.server.sql("SELECT 1 FROM pg_database WHERE datname = 'coordinator'", database="postgres")


def test_a_row_that_none_can_take_over(world, cluster):
    """Here one of a state that is none: whoever lacks what is stored must not go on."""
    cluster[0].enroll(Key())
    world.feed(cluster[0], 1)
    cluster.server.sql(
        "WITH h AS (UPDATE head SET rev = rev + 1 RETURNING rev, mark), m AS (INSERT INTO mark SELECT rev, mark FROM h) "
        "INSERT INTO proof (id, batch, prover_type, source, received_ms, state, reason, judged_ms, public_values, bytes, "
        "rev, writer) SELECT 7, 1, 3, '', 0, 99, '', 0, '', '', rev, 99 FROM h")
    for c in cluster:
        until(f"{c.name} ends", lambda c=c: not c.alive, 20)
        assert c.process.returncode == 1
        assert "proof 7 of batch 1 cannot be taken over" in c.saw("event=row_not_taken .*").group(0)
    cluster.server.sql("DELETE FROM proof")
    for c in cluster:
        c.start()
    assert until("a batch", lambda: cluster[0].request()[0]) == 1


def test_an_older_copy_of_the_database_is_noticed(world, cluster):
    """A backup put back, or a replica that lacked something: whoever saw more ends with a sentence."""
    key = Key()
    cluster[0].enroll(key)
    world.feed(cluster[0], 2)
    old = world.add(cluster.server.replica(world.dir, "older"))
    (old.data / "standby.signal").unlink()
    prove_through_any(world, cluster, key, 2)
    cluster.server.kill()
    old.start()
    for lines in cluster.lines.values():
        for line in lines:
            line.target = old.port
    for c in cluster:
        assert until(f"{c.name} ends", lambda c=c: not c.alive, 30)
        assert c.process.returncode != 0
        assert "went back, or is another copy" in said(c)
    cluster.server = old
    cluster.start()
    world.fed = 2
    prove_through_any(world, cluster, key, 2)


def test_a_replica_that_takes_over(world):
    """The database is killed, and the replica that it waited for promoted: coordinators find it by themselves."""
    server = world.add(Postgres(world.dir)).start()
    replica = world.add(server.replica(world.dir)).start()
    server.wait_for(replica)
    cluster = world.cluster(3, server, replica, **QUICK).start()
    key = Key()
    cluster[0].enroll(key)
    world.feed(cluster[0], 2)
    prove_through_any(world, cluster, key, 2)
    world.put(cluster[0], 3, 4)
    assert cluster[0].submit(3, world.proof(key, 3)) is True
    server.kill()
    replica.promote()
    cluster.server = replica
    _, seconds = timed(lambda: until("acknowledged", lambda: cluster[1].submit(4, world.proof(key, 4)) is True, 20))
    print(f"acknowledged {seconds:.2f} s after the promotion")
    world.commit(3, 4)
    world.until_verified(4)
    assert all(c.alive for c in cluster), "one was started anew"


# --- settings and states, in words ---

def words_at_start(c):
    """What one says that does not get ready."""
    c.start(ready=False)
    c.process.wait(30)
    assert c.process.returncode == 1
    return said(c)


@pytest.fixture
def server(world):
    return world.add(Postgres(world.dir)).start()


def test_a_wrong_password(world, server):
    c, = world.cluster(1, server, STORE_PASSWORD_FILE=world.secret("wrong", "wrong"))
    assert 'password authentication failed for user "coordinator"' in words_at_start(c)


def test_a_missing_database(world, server):
    c, = world.cluster(1, server, STORE=server.url(database="absent"))
    assert 'database "absent" does not exist' in words_at_start(c)


def test_nobody_listens(world, server):
    server.stop()
    c, = world.cluster(1, server)
    assert "127.0.0.1" in words_at_start(c)


def test_a_replica_that_only_reads(world, server):
    world.cluster(1, server).start()[0].stop()
    replica = world.add(server.replica(world.dir)).start()
    c = world.cluster(0, server).add("reader", STORE=replica.url())
    assert "read-only" in words_at_start(c)
    c.change(STORE=replica.url(target_session_attrs="primary"))
    assert "hot standby mode; it is a read-only replica: give the primary too" in words_at_start(c)


def test_a_newer_schema(world, server):
    c, = world.cluster(1, server).start()
    assert c.stop() == 0
    server.sql("INSERT INTO schema_version (version, compatible_from, program) VALUES (99, 98, 'proof-coordinator')")
    assert "its schema has version 99, for programs that know 98 or later" in words_at_start(c)


def test_a_newer_schema_that_older_programs_may_use(world, server):
    c, = world.cluster(1, server).start()
    assert c.stop() == 0
    server.sql("INSERT INTO schema_version (version, compatible_from, program) VALUES (99, 1, 'proof-coordinator')")
    c.start()
    c.enroll(Key())


def test_the_database_of_another_program(world, server):
    server.sql("CREATE TABLE schema_version (version int); GRANT ALL ON schema_version TO coordinator")
    c, = world.cluster(1, server)
    assert "another program" in words_at_start(c)


def test_a_clock_that_is_wrong(world, server):
    """It follows, and says so; it does not lead, and gives nothing out."""
    cluster = world.cluster(2, server, **QUICK)
    wrong, right = cluster
    wrong.clock_off(60)
    wrong.start()
    wrong.saw("this host's clock is (59|60)[.][0-9]+ s ahead of the database's: it does not lead and gives no leases")
    right.start()
    assert cluster.until_leader() is right
    right.enroll(Key())
    world.feed(right, 1)
    assert wrong.request()[0] is None
    assert right.request()[0] == 1
    right.kill()
    time.sleep(2)
    assert cluster.leader() is None


@pytest.fixture
def authority(world):
    return Party(world.dir, "authority", authority=True)


def test_tls(world, authority):
    server = world.add(Postgres(world.dir, authority=authority, tls_only=True)).start()
    cluster = world.cluster(3, server, **QUICK)
    for c in cluster:
        c.change(STORE=server.url(cluster.lines[c.name][0].port, sslmode="verify-full",
                                  sslrootcert=authority.certificate))
    cluster.start()
    assert {row[0] for row in server.sql("SELECT s.ssl FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) "
                                         "WHERE a.usename = 'coordinator'")} == {"t"}
    key = Key()
    cluster[0].enroll(key)
    world.feed(cluster[1], 2)
    prove_through_any(world, cluster, key, 2)


def test_tls_required_and_absent(world, server):
    c, = world.cluster(1, server, STORE=server.url(sslmode="require"))
    assert "server does not support SSL" in words_at_start(c)


def test_tls_absent_and_required(world, authority):
    server = world.add(Postgres(world.dir, authority=authority, tls_only=True)).start()
    c, = world.cluster(1, server, STORE=server.url(sslmode="disable"))
    assert "no encryption" in words_at_start(c)


def test_tls_of_somebody_else(world, authority):
    server = world.add(Postgres(world.dir, authority=authority, tls_only=True)).start()
    stranger = Party(world.dir, "stranger", authority=True)
    c, = world.cluster(1, server, STORE=server.url(sslmode="verify-full", sslrootcert=stranger.certificate))
    assert "certificate verify failed" in words_at_start(c)


def test_settings_that_are_others(world, server):
    """Any may lead: who would do it otherwise is named, with the settings, by each that runs; another contract is refused."""
    cluster = world.cluster(3, server, **QUICK)
    one, same, other = cluster
    other.change(L1_PRIVATE_KEY_FILE=world.secret("other.key", "0x" + "11" * 32), COMMIT_HASH_PATTERN="^[0-9a-f]{7}$")
    cluster.start()
    which = "the key that verifies, COMMIT_HASH_PATTERN"
    for c, name in ((one, "c3"), (same, "c3"), (other, "c[12]")):
        until(f"{c.name} says so", lambda c=c, name=name: re.search(f"; other settings: {name} \\({which}\\)$", c.status()["cluster"]["says"]), 30)
        until(f"{c.name} logs it", lambda c=c, name=name: any(re.fullmatch(f"{name} \\({which}\\)", e["other"]) for e in c.events("settings_differ")), 30)
    assert {e["other"] for e in one.told("settings_differ")} == {f"c3 ({which})"}
    stranger = world.cluster(0, server).add("c4", ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS="0x" + "12" * 20)
    assert "the database of STORE, belongs to another OnChainProposer" in words_at_start(stranger)


def test_who_made_the_tables_says_so(world, server):
    cluster = world.cluster(2, server).start()
    told = [e["note"] for c in cluster for e in c.events("store_schema")]
    assert len(told) == 1 and re.fullmatch("c[12] made the tables, of schema version 1", told[0])


def test_two_databases_and_one_key(world, server):
    """Where it can be seen, that is on one machine."""
    other = world.add(Postgres(world.dir, "other")).start()
    world.cluster(2, server).start()
    c = world.cluster(0, other).add("stranger")
    assert "another proof-coordinator on this machine sends from" in words_at_start(c)
    alone = world.coordinator("alone")
    assert "another proof-coordinator on this machine sends from" in words_at_start(alone)


def test_one_key_that_is_in_use_alone(world, server):
    world.coordinator("alone").start()
    c, = world.cluster(1, server)
    assert "another proof-coordinator on this machine sends from" in words_at_start(c)
