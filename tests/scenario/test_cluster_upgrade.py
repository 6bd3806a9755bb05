"""From one release to the next while coordinators run: one after another on one PostgreSQL, with two versions of its
schema side by side; and what stops a step of the schema half way leaves the old one whole.

The later releases are this one's daemon with more steps (later_release.c): 1, the next, beside which this one may go on,
and 2, beside which neither may.
"""

import contextlib
import random
import re
import time

from cluster_load import Broadcast, Load, check_chain, keys, submit
from endpoint import Endpoint
from postgres import Postgres
from test_cluster import QUICK, prove_through_any, said, words_at_start
from world import Key, until

THIS, NEXT, AFTER = ("coordinator", "proof-coordinator"), ("tests", "scenario", "later-release-1"), ("tests", "scenario", "later-release-2")
LOADED = {"PROVER_TIMEOUT": 1000, "CANDIDATES_PER_BATCH": 16, "CANDIDATES_PER_SOURCE": 100000, "LEASES_PER_SOURCE": 0}


def become(c, release, ready=True):
    """As the service manager does it: told to end, then started anew with another program."""
    if c.alive:
        assert c.stop() == 0
    c.binary = release
    return c.start(ready=ready)


def refused(c, release):
    c.binary, before = release, len(said(c))
    return words_at_start(c)[before:]


def schema(server):
    """The newest step, and the version that may use it; the whole of what the next release adds, or nothing of it."""
    added = server.sql("SELECT to_regclass('proof_note') IS NOT NULL, (SELECT count(*) FROM information_schema.columns WHERE "
                       "(table_name, column_name) IN (('proof', 'taken_by'), ('prover', 'weight')))")
    assert added in ([["f", "0"]], [["t", "2"]], [["f", "1"]]), "a step was made in parts"
    return tuple(int(n) for n in server.sql("SELECT version, compatible_from FROM schema_version ORDER BY version DESC LIMIT 1")[0])


def rows(c):
    """{name: what c knows of it}: of the others what they were a second ago."""
    return {one["name"]: one for one in c.status()["cluster"]["coordinators"]}


def check_versions(c, cluster, here):
    """Of each coordinator, wherever an operator looks."""
    schema_of = {one.name: here + (one.binary == NEXT) for one in cluster}
    until("all are seen as they are", lambda: {name: row["schema"] for name, row in rows(c).items()} == schema_of)
    told, stored, metrics = c.verb("cluster").stdout, c.verb("store", "status").stdout, c.admin("GET", "/metrics")[1]
    for name, number in schema_of.items():
        row = rows(c)[name]
        assert (row["version"] == "97.1.0") == (number > here)
        assert re.search(rf"^{name}\b.* {re.escape(row['version'])} *$", told, re.M), told
        assert f"coordinator {name}: slot {row['slot']}, version {row['version']}, schema {number}," in stored, stored
        assert (f'proof_coordinator_cluster_version_info{{name="{name}",slot="{row["slot"]}",version="{row["version"]}",'
                f'schema="{number}"}} 1') in metrics


def test_rolled_under_load(world):
    """Provers and a sequencer do not rest; at each moment two of three serve. Up with the leader last, down (a release
    taken back) and up again with the leader first."""
    cluster, nodes = world.cluster(3, **LOADED), {}
    for c in cluster:
        nodes[c.name] = world.add(Endpoint(world.l1))
        c.change(ETHREX_ETH_RPC_URL=nodes[c.name].url)
    cluster.start()
    here, _ = schema(cluster.server)
    for key in keys():
        cluster[0].enroll(key)
    load = Load(cluster, random.Random(7))
    load.feed(2)
    load.start()

    def roll(release, leader_first):
        leader = cluster.until_leader()
        followers = cluster.others(leader)
        for c in [leader, *followers] if leader_first else [*followers, leader]:
            before = len(load.acked)
            become(c, release)
            assert schema(cluster.server) == (here + 1, here)
            load.feed(1)
            for each in cluster:
                until(f"{each.name} acknowledges", lambda each=each: submit(each, world.fed, load.proof(keys()[0], world.fed)), 20)
            until("the load goes on", lambda before=before: len(load.acked) > before, 20)
            cluster.until_leader()
            load.check_acked()
        check_versions(cluster[0], cluster, here)

    roll(NEXT, leader_first=False)
    roll(THIS, leader_first=True)
    roll(NEXT, leader_first=True)
    until("all is verified", lambda: world.verified == world.fed, 60)
    load.stop()
    load.check_acked()
    assert load.acked and all(c.stop() == 0 for c in cluster)
    assert not [c.name for c in cluster if c.events("start_failed") or c.events("row_not_taken")]
    told = [e["note"] for c in cluster for e in c.events("store_schema")]
    assert len(told) == 2, "once made, once brought up to date"
    assert re.fullmatch(rf"c[123] brought the schema from version {here} to {here + 1}, for programs that know {here} or later", told[-1] if "brought" in told[-1] else told[0])
    raw = sorted((time_, text, name) for name, node in nodes.items() for time_, text in node.raw)
    check_chain(world, [Broadcast(text, time_, name) for time_, text, name in raw])


# --- a step, and what may come between ---

@contextlib.contextmanager
def slow_step(server, seconds):
    """The last statement of the next release's step takes so long."""
    server.sql(f"CREATE FUNCTION slow() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep({seconds}); END'; "
               "CREATE EVENT TRIGGER slow ON ddl_command_end WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION slow()")
    yield
    server.sql("DROP EVENT TRIGGER slow; DROP FUNCTION slow")


def killed_in_the_middle(server, new, acknowledges):
    """The database notices by itself that nobody is there any more."""
    with slow_step(server, 60):
        become(new, NEXT, ready=False)
        until("it is in the middle", lambda: server.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"), 20)
        assert not acknowledges(), "acknowledged, though nothing can be stored"
        new.kill()
        until("acknowledged again", acknowledges, 20)


def held_by_somebody(server, new, acknowledges):
    """A forgotten transaction: the new one gives up in words, and the others go on meanwhile."""
    with server.session("BEGIN; SELECT count(*) FROM prover") as psql:
        until("it holds the table", lambda: server.sql("SELECT 1 FROM pg_locks WHERE relation = 'prover'::regclass AND pid IN "
                                                       "(SELECT pid FROM pg_stat_activity WHERE usename = 'postgres')"))
        become(new, NEXT, ready=False)
        went_on = 0
        while new.alive:
            went_on += acknowledges()
            time.sleep(0.05)
        assert new.process.returncode == 1 and psql.poll() is None and went_on
        assert re.search(r"the schema stays at version \d+: .*: the table prover is held by another session, process \d+ of the "
                         r"server's \(psql, user postgres\): let it end", said(new)), said(new)


def test_a_step_that_gets_to_its_end_only_later(world):
    """What stops it leaves the old schema whole, on which the others go on; then two make it together, and three of two
    releases work on the same batches: each is asked of one, and its proof given to another."""
    cluster, key = world.cluster(3, **QUICK), Key()
    (old, one, two), server = cluster, cluster.server
    old.start()
    before = schema(server)
    old.enroll(key)
    world.put(old, 1, 1)
    proof = world.proof(key, 1)
    for fault in (killed_in_the_middle, held_by_somebody):
        fault(server, one, lambda: old.submit(1, proof) is True)
        assert schema(server) == before
    for c in (one, two):
        become(c, NEXT, ready=False)
    for c in (one, two):
        c.saw(r"event=ready\b")
    assert schema(server)[0] == before[0] + 1
    assert server.value(f"SELECT count(*) FROM schema_version WHERE version > {before[0]}") == "1"
    assert cluster.leader() is old
    world.feed(one, 4)
    prove_through_any(world, cluster, key, 4)
    assert old.stop() == 0
    leader = cluster.until_leader(one, two)
    old.start()  # on a schema newer than itself
    world.feed(old, 8)
    prove_through_any(world, cluster, key, 8)
    assert cluster.leader() is leader
    assert server.value("SELECT count(*) FROM prover WHERE weight <> 1") == "0", "what the older one stores has the default"


def test_a_step_that_older_ones_could_not_follow(world):
    """It is not made while they run, who are named; whoever was cut off meanwhile comes back to a schema that it does not
    know: it says so, and stores nothing."""
    cluster, key = world.cluster(3, **QUICK), Key()
    (one, two, three), server = cluster, cluster.server
    one.start()
    here, _ = schema(server)
    version = until("it knows itself", lambda: rows(one).get("c1"))["version"]
    one.enroll(key)
    world.put(one, 1, 1)
    become(two, NEXT)
    words, of_two = refused(three, AFTER), f"c2 (version 97.1.0, schema {here + 1}); stop them first"
    assert (f"the schema stays at version {here + 1}: " in words
            and f"these could not go on with the new schema: c1 (version {version}, schema {here}), {of_two}" in words)
    assert one.alive and two.alive and schema(server) == (here + 1, here)
    cluster.cut(one)
    until("it is missed", lambda: server.value("SELECT seen < clock_timestamp() - interval '4 s' FROM instance WHERE name = 'c1'") == "t")
    assert f"the new schema: {of_two}" in refused(three, AFTER)
    assert two.stop() == 0
    become(three, AFTER)
    assert schema(server) == (here + 2, here + 2)
    cluster.heal(one)
    words = f"its schema has version {here + 2}, for programs that know {here + 2} or later; this one knows {{}}: use the newer one"
    until("it says so", lambda: words.format(here) in said(one), 20)
    assert one.submit(1, world.proof(key, 1)) is not True
    assert one.admin("GET", "/readyz")[0] == 503 and three.admin("GET", "/readyz")[0] == 200
    one.kill()
    for c, release, knows in ((one, THIS, here), (two, NEXT, here + 1)):
        assert words.format(knows) in refused(c, release)


def test_a_disk_that_is_full(world):
    server = world.add(Postgres(world.dir, disk="96m", min_wal_size="4MB", max_wal_size="16MB", wal_keep_size=0)).start()
    cluster, key = world.cluster(2, server, **QUICK), Key()
    old, new = cluster
    old.start()
    before = schema(server)
    old.enroll(key)
    world.put(old, 1, 1)
    server.fill()
    assert "PostgreSQL, database coordinator at 127.0.0.1" in refused(new, NEXT)
    server.empty()
    if not server.alive:
        server.start()
    until("acknowledged", lambda: old.alive and old.submit(1, world.proof(key, 1)) is True, 20)
    assert schema(server) == before
    become(new, NEXT)
    assert schema(server)[0] == before[0] + 1


# --- copies from one release to another ---

def test_copies_between_releases(world):
    """An export of either is read by the other; of a schema that is not its own a program copies nothing."""
    cluster, key = world.cluster(1), Key()
    (c,), server = cluster, cluster.server
    c.start()
    here, _ = schema(server)
    c.enroll(key)
    world.put(c, 1, 1)
    assert c.submit(1, world.proof(key, 1)) is True
    assert c.stop() == 0

    def verb(release, *argv, **settings):
        c.binary = release
        done = c.verb("store", *argv, **{f"ETHREX_PROOF_COORDINATOR_{k}": v for k, v in settings.items()})
        return done.returncode, done.stdout + done.stderr

    def counts(text):
        return re.findall(r"^\w+ +\d+ -> \d+$", text, re.M)

    def elsewhere(name):
        server.sql(f"CREATE DATABASE {name} OWNER coordinator", database="postgres")
        return server.url(database=name)

    code, text = verb(NEXT, "export", world.dir / "too-new")
    assert code == 1 and f"its schema has version {here}, older than this program's {here + 1}" in text
    assert verb(NEXT, "status")[1] == text
    code, of_this = verb(THIS, "export", world.dir / "of-this")
    assert code == 0, of_this
    become(c, NEXT)
    assert c.stop() == 0
    code, text = verb(THIS, "export", world.dir / "too-old")
    assert code == 1 and f"its schema has version {here + 1}, and this program knows {here}: what is new in it would stay behind: use the newer one" in text
    assert f"schema {here + 1}, for programs that know {here} or later; this one knows {here}" in verb(THIS, "status")[1]
    code, of_next = verb(NEXT, "export", world.dir / "of-next")
    assert code == 0, of_next
    assert not (world.dir / "too-new").exists() and not (world.dir / "too-old").exists()
    for release, directory, exported in ((NEXT, "of-this", of_this), (THIS, "of-next", of_next)):
        code, text = verb(release, "import", world.dir / directory, STORE=elsewhere(directory.replace("-", "_")))
        assert code == 0 and counts(text) == counts(exported) and len(counts(text)) == 6, text
