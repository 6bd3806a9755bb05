"""docs/CLUSTER.md: its commands are enough for a database, from SQLite to it and back, and what it names there is."""

import json
import re
import subprocess

import pytest

from certificates import Party
from l1 import REPO
from postgres import Postgres, own_text
from process import program, until
from world import P

PAGE = (REPO / "docs" / "CLUSTER.md").read_text()
PASSWORD = "fill in"
COUNTED = re.compile(r"^(\w+) +(\d+) -> (\d+)$", re.M)


def section(title):
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)[1]


def commands(title, first):
    """Lines of the section's blocks that begin so."""
    return re.findall(rf"^    ({first}\b.*)$", section(title), re.M)


@pytest.fixture
def database(world):
    """As the page says, on a server where nothing of it is yet."""
    authority = Party(world.dir, "authority", authority=True)
    server = world.add(Postgres(world.dir, authority=authority)).start()
    for statement in ["DROP DATABASE coordinator", "DROP ROLE coordinator", *commands("Setting it up", "CREATE")]:
        server.sql(statement, database="postgres")
    (rule,) = commands("Setting it up", "hostssl")
    own_text(server.data / "pg_hba.conf", "local all postgres trust\n" + re.sub(r"[\d.]+/\d+", "127.0.0.1/32", rule) + "\n")
    server.sql("SELECT pg_reload_conf()", database="postgres")
    (url,) = commands("Setting it up", "STORE=postgres")
    url = re.sub(r"@[^/]*/", f"@127.0.0.1:{server.port}/", url.removeprefix("STORE="))
    server.url_of_page = re.sub(r"sslrootcert=\S+", f"sslrootcert={authority.certificate}", url)
    return server


def test_the_commands_of_the_page_are_enough(world, database):
    """SQLite, migrate, a coordinator on PostgreSQL, export, SQLite again; an input comes along."""
    shared = {"STORE": database.url_of_page, "STORE_PASSWORD_FILE": world.secret("store.password", PASSWORD), "INSTANCE": "one"}
    c = world.coordinator().start()
    world.put(c, 1, 1)
    assert c.stop() == 0

    c.change(**shared)
    asked = c.verb("store", "status")
    assert asked.returncode == 1 and "no coordinator's state in it" in asked.stderr
    moved = c.verb("store", "migrate")
    assert moved.returncode == 0, moved.stderr
    counts = {table: (int(a), int(b)) for table, a, b in COUNTED.findall(moved.stdout)}
    assert counts["inputs"] == (1, 1) and all(a == b for a, b in counts.values()) and len(counts) == 6
    c.start()
    until("it leads", lambda: c.events("leads"))
    until("its row says so", lambda: '"leads": true' in c.verb("store", "status", "--json").stdout)  # with its next heartbeat
    shown = json.loads(c.verb("store", "status", "--json").stdout)
    assert set(shown["rows"]) == set(counts) and shown["rows"]["inputs"] == 1
    assert set(shown["coordinators"][0]) <= set(c.status()["cluster"]["coordinators"][0]), "one thing, two names"
    assert shown["connected"] == 1 and [k["leads"] for k in shown["coordinators"]] == [True]
    assert c.verb("store", "migrate", "--json").returncode == 64
    running = c.verb("store", "export", world.dir / "back")
    assert running.returncode == 1 and "stop them first" in running.stderr
    assert database.sql("SELECT DISTINCT usesuper, ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) JOIN pg_user "
                        "USING (usename) WHERE client_addr IS NOT NULL", database="proofs") == [["f", "t"]]
    assert c.stop() == 0

    moved = c.verb("store", "export", world.dir / "back")
    assert moved.returncode == 0, moved.stderr
    assert {table: int(b) for table, _, b in COUNTED.findall(moved.stdout)}["inputs"] == 1
    c.change(**{name: None for name in shared}, DATA_DIR=world.dir / "back")
    c.start()
    assert c.status()["work"]["inputs"] == 1


def test_no_coordinator_starts_on_a_part_of_a_copy(world, database):
    """migrate is killed while it copies; what the page says mends it."""
    shared = {"STORE": database.url_of_page, "STORE_PASSWORD_FILE": world.secret("store.password", PASSWORD), "INSTANCE": "one"}
    alone = world.coordinator().start()
    world.put(alone, 1, 1)
    assert alone.stop() == 0
    c = world.coordinator("another", **shared).start()  # makes the tables
    assert c.stop() == 0
    database.sql("DELETE FROM fact; CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM "
                 "pg_sleep(5); RETURN NULL; END'; CREATE TRIGGER slow AFTER INSERT ON input_chunk EXECUTE FUNCTION slow()",
                 database="proofs")
    alone.change(**shared)
    with subprocess.Popen([program("coordinator", "proof-coordinator"), "store", "migrate"], env=alone.env()) as moving:
        until("it copies", lambda: database.sql("SELECT 1 FROM fact", database="proofs"))
        moving.kill()
    alone.start(ready=False)
    alone.saw('event=start_failed reason="what was copied into this store is not all')
    assert alone.process.wait(20) == 1
    for statement in ("DROP DATABASE proofs WITH (FORCE)", "CREATE DATABASE proofs OWNER coordinator"):
        database.sql(statement, database="postgres")
    assert alone.verb("store", "migrate").returncode == 0
    alone.start()
    assert alone.status()["work"]["inputs"] == 1


def test_who_comes_without_tls_or_with_another_password_is_told(world, database):
    c = world.coordinator(STORE=re.sub(r"\?.*", "?sslmode=disable", database.url_of_page), INSTANCE="one",
                          STORE_PASSWORD_FILE=world.secret("store.password", PASSWORD))
    done = c.verb("run")
    assert done.returncode == 1 and "no pg_hba.conf entry" in done.stderr and "no encryption" in done.stderr
    c.change(STORE=database.url_of_page, STORE_PASSWORD_FILE=world.secret("other.password", "hunter2"))
    done = c.verb("run")
    assert done.returncode == 1 and "STORE_PASSWORD" in done.stderr and "hunter2" not in done.stderr


def test_what_the_page_names_there_is(world):
    said = world.coordinator().verb("help").stdout
    known = set(re.findall(r"^  ([A-Z][A-Z0-9_]+)", said, re.M))
    named = set(re.findall(r"`((?:ETHREX_)?[A-Z]+(?:_[A-Z]+)+|STORE|INSTANCE)[`=]", PAGE))
    assert len(named) > 8
    for name in named | set(re.findall(r"^    ([A-Z_]+)=", PAGE, re.M)):
        assert {name, P + name, P + name.removesuffix("_FILE")} & known, f"{name} is no setting"
    program = "".join(p.read_text() for p in sorted((REPO / "coordinator").rglob("*.[ch]")))
    events = re.findall(r"`(\w+)`", " ".join(re.findall(r"\| ([^|]*) \|$", section("When something fails"), re.M)))
    assert len(set(events)) > 6
    for event in events:
        assert f'"{event}"' in program, f"the coordinator never says {event}"
