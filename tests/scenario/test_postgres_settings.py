"""Databases as administrators have them: each is used, or refused in a sentence that says what to do."""

import contextlib
import pathlib
import re
import shutil
import socket
import subprocess

import pytest

from certificates import Party, openssl
from l1 import free_port
from line import Line
from postgres import PASSWORD, Postgres, as_account, new_directory, own, own_text
from process import until


def role(setting):
    return f"ALTER ROLE coordinator SET {setting}"


RESET = "ALTER ROLE coordinator RESET ALL"
OWNED = "ALTER TABLE {0} OWNER TO coordinator"

# What the administrator did, how it is undone, and what the operator reads. On a database that has the tables.
REFUSED = {
    "read only by default": ([role("default_transaction_read_only = on")], [RESET], "set read-only: see default_transaction_read_only"),
    "triggers are off": ([role("session_replication_role = replica")], [RESET], "RESET session_replication_role"),
    "another schema": (["CREATE SCHEMA other AUTHORIZATION coordinator", role("search_path = other")], [RESET, "DROP SCHEMA other"],
                       "tables are in the schema public, and the search_path of coordinator is other: ALTER ROLE coordinator SET search_path = public"),
    "a schema that is not there": ([role("search_path = absent")], [RESET], "ALTER ROLE coordinator SET search_path = public"),
    "another program's table first": (["CREATE SCHEMA coordinator", "CREATE TABLE coordinator.fact (n int)", "GRANT USAGE ON SCHEMA coordinator TO coordinator"],
                                      ["DROP SCHEMA coordinator CASCADE"], "the table fact .* is another program's, in the schema coordinator"),
    "no USAGE": (["ALTER SCHEMA public OWNER TO postgres", "REVOKE ALL ON SCHEMA public FROM PUBLIC"],
                 ["GRANT ALL ON SCHEMA public TO PUBLIC"], "GRANT USAGE ON SCHEMA public TO coordinator"),
    "another owner": (["ALTER TABLE proof OWNER TO postgres", "REVOKE ALL ON proof FROM PUBLIC"], [OWNED.format("proof")],
                      "coordinator lacks rights on the table proof, which is postgres's: GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES"),
    "only SELECT": (["ALTER TABLE gone OWNER TO postgres", "GRANT SELECT ON gone TO coordinator"], [OWNED.format("gone")], "lacks rights on the table gone"),
    "rows are hidden": (["ALTER TABLE fact OWNER TO postgres", "ALTER TABLE fact ENABLE ROW LEVEL SECURITY", "GRANT ALL ON fact TO coordinator"],
                        ["ALTER TABLE fact DISABLE ROW LEVEL SECURITY", OWNED.format("fact")], "rows of the table fact are hidden from coordinator: .* DISABLE ROW LEVEL SECURITY"),
    "a table is missing": (["ALTER TABLE lease RENAME TO leased"], ["ALTER TABLE leased RENAME TO lease"], "the table lease is missing"),
    "a table is not logged": (["ALTER TABLE proof SET UNLOGGED"], ["ALTER TABLE proof SET LOGGED"], "ALTER TABLE proof SET LOGGED"),
    "a key is missing": (["ALTER TABLE fact DROP CONSTRAINT fact_pkey"], ["ALTER TABLE fact ADD PRIMARY KEY (key)"], "the table fact has no primary key"),
    "a logical replica": (["CREATE SUBSCRIPTION s CONNECTION 'dbname=coordinator' PUBLICATION p WITH (connect = false)",
                           "INSERT INTO pg_subscription_rel SELECT oid, 'head'::regclass, 'r', NULL FROM pg_subscription"],
                          ["DELETE FROM pg_subscription_rel", "ALTER SUBSCRIPTION s SET (slot_name = NONE)", "DROP SUBSCRIPTION s"], "it is a logical replica"),
    "head is empty": (["CREATE TABLE kept AS TABLE head", "TRUNCATE head"], ["INSERT INTO head SELECT * FROM kept", "DROP TABLE kept"],
                      "the table head has no row: somebody emptied it"),
    "schema_version is empty": (["CREATE TABLE kept AS TABLE schema_version", "TRUNCATE schema_version"],
                                ["INSERT INTO schema_version SELECT * FROM kept", "DROP TABLE kept"], "or was emptied"),
    "no connection for the role": (["ALTER ROLE coordinator CONNECTION LIMIT 0"], ["ALTER ROLE coordinator CONNECTION LIMIT -1"],
                                   "too many connections for role.*CONNECTION LIMIT"),
    "no connection for the database": (["ALTER DATABASE coordinator CONNECTION LIMIT 0"], ["ALTER DATABASE coordinator CONNECTION LIMIT -1"],
                                       "too many connections for database.*CONNECTION LIMIT"),
    "an expired password": (["ALTER ROLE coordinator VALID UNTIL '2020-01-01'"], ["ALTER ROLE coordinator VALID UNTIL 'infinity'"],
                            "password authentication failed.*VALID UNTIL"),
    "a role that may not log in": (["ALTER ROLE coordinator NOLOGIN"], ["ALTER ROLE coordinator LOGIN"], "not permitted to log in.*LOGIN"),
    "no right to connect": (["REVOKE CONNECT ON DATABASE coordinator FROM PUBLIC, coordinator"], ["GRANT CONNECT ON DATABASE coordinator TO PUBLIC"],
                            "permission denied for database.*GRANT"),
    "a database that takes nobody": (["UPDATE pg_database SET datallowconn = false WHERE datname = 'coordinator'"],
                                     ["UPDATE pg_database SET datallowconn = true WHERE datname = 'coordinator'"], "not currently accepting connections"),
    "no standby": (["ALTER SYSTEM SET synchronous_standby_names = 'absent'", "SELECT pg_reload_conf()"],
                   ["ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()"], "no standby is connected"),
}


SET_FOR_THE_ROLE = [
    "synchronous_commit = local", "client_min_messages = error", "default_transaction_isolation = serializable",
    "default_transaction_deferrable = on", "statement_timeout = 1000", "lock_timeout = 5",
    "idle_in_transaction_session_timeout = 5", "idle_session_timeout = 100", "timezone = 'Asia/Kolkata'",
    "datestyle = 'German'", "intervalstyle = iso_8601", "bytea_output = escape", "standard_conforming_strings = off",
    "client_encoding = latin1", "jit_above_cost = 0", "temp_file_limit = 0", "array_nulls = off", "transform_null_equals = on",
    "extra_float_digits = -15", "plan_cache_mode = force_generic_plan", "enable_indexscan = off", "backslash_quote = off"]

# While it runs: what is done, as superuser and in which database, how it is undone, and what the log says.
POSTGRES = "postgres"
RUNNING = {
    "all sessions are ended": (["SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'coordinator'"], [], "ended this session"),
    "rights are taken away": (["ALTER TABLE instance OWNER TO postgres", "GRANT SELECT ON instance TO coordinator"], [OWNED.format("instance")],
                              "permission denied for table instance .*GRANT"),
    "it becomes read-only": (["ALTER ROLE postgres SET default_transaction_read_only = off", "ALTER SYSTEM SET default_transaction_read_only = on",
                              "SELECT pg_reload_conf()"], ["ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()"],
                             "default_transaction_read_only is on"),
    "the tables go": (["ALTER SCHEMA public RENAME TO away", "CREATE SCHEMA public"], ["DROP SCHEMA public", "ALTER SCHEMA away RENAME TO public"],
                      "head.* does not exist"),
    "the database is renamed": (["ALTER DATABASE coordinator WITH ALLOW_CONNECTIONS false",
                                 "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'coordinator'",
                                 "ALTER DATABASE coordinator RENAME TO other"],
                                ["ALTER DATABASE other RENAME TO coordinator", "ALTER DATABASE coordinator WITH ALLOW_CONNECTIONS true"], "ended this session"),
}


def verb(c, *secrets):
    """What it says, where it does not start."""
    done = c.verb("run")
    said = done.stdout + done.stderr
    assert done.returncode in (1, 78), said
    for secret in secrets:
        assert secret not in said
    return said


def refused(c, words, *secrets):
    said = verb(c, *secrets)
    assert re.search(words, said), f"{words}: {said}"


def do(server, statements, database="coordinator"):
    for statement in statements:
        server.sql(statement, database=POSTGRES if "DATABASE" in statement or "datallowconn" in statement else database)


@pytest.fixture
def server(world):
    return world.add(Postgres(world.dir, allow_system_table_mods="on")).start()


@pytest.fixture
def coordinator(world, server):
    return world.coordinator(STORE=server.url(), STORE_PASSWORD_FILE=world.secret("password", PASSWORD), INSTANCE="c1")


def works(world, c):
    """It leads, takes an input and keeps it for others."""
    number = world.fed = world.fed + 1
    until("it leads", lambda: c.status()["cluster"]["leads"])
    until("it takes an input", lambda: c.put(number, world.batch(number)["input"])[0] in (200, 201))


def goes(world, c):
    c.start()
    works(world, c)
    assert c.stop() == 0


def test_what_the_administrator_set_is_refused_in_words(server, coordinator):
    assert coordinator.start().stop() == 0
    for name, (done, undone, words) in REFUSED.items():
        print(name)
        do(server, done)
        refused(coordinator, words, PASSWORD)
        do(server, undone)
    assert coordinator.start().stop() == 0


def test_what_the_administrator_set_does_no_harm(world, server, coordinator):
    """Of the role, of the database, and its encoding; proofs are acknowledged and verified."""
    for setting in SET_FOR_THE_ROLE:
        server.sql(role(setting))
    for name, encoding in (("ascii", "SQL_ASCII"), ("latin", "LATIN1")):
        do(server, [f"CREATE DATABASE {name} OWNER coordinator ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0"])
        coordinator.change(STORE=server.url(database=name))
        goes(world, coordinator)
    coordinator.change(STORE=server.url())
    coordinator.start()
    prover = world.prover(coordinator).start()
    world.fed = 0
    world.feed(coordinator, 2)
    until("both are verified", lambda: world.verified == 2)
    prover.stop()
    assert not coordinator.events("store_lost")
    do(server, ["TRUNCATE instance"])  # of no value: made again
    until("it ends", lambda: not coordinator.alive)
    assert "somebody removed its row" in coordinator.events("store_is_another")[0]["reason"]
    goes(world, coordinator)


def test_a_server_that_may_lose_what_is_acknowledged(world):
    server = world.add(Postgres(world.dir, fsync="off", full_page_writes="off")).start()
    own_text(server.data / "pg_hba.conf", "local all postgres trust\nhost all all 127.0.0.1/32 trust\n")
    server.sql("SELECT pg_reload_conf()")
    c = world.coordinator(STORE=server.url(), STORE_PASSWORD_FILE=world.secret("password", PASSWORD), INSTANCE="c1")

    def let_in():
        c.start()
        said = until("it says so", lambda: c.events("store_trouble"))[-1]["reason"]
        assert c.stop() == 0
        return said
    until("nobody is asked for a password", lambda: "let this user in without the password" in let_in())
    assert all(words in let_in() for words in ("fsync is off", "full_page_writes is off"))


@contextlib.contextmanager
def pooler(server, mode):
    if not shutil.which("pgbouncer", path="/usr/sbin:/usr/bin"):
        pytest.skip("SKIPPED: no pooler was tried: pgbouncer is missing (scripts/install-deps test)")
    where, port = new_directory(), free_port()
    own_text(where / "users", f'"coordinator" "{PASSWORD}"\n')
    own_text(where / "ini", f"""[databases]
coordinator = host=127.0.0.1 port={server.port} password={PASSWORD}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {where}/users
pool_mode = {mode}
""")
    with open(where / "log", "wb") as log:
        running = subprocess.Popen([shutil.which("pgbouncer", path="/usr/sbin:/usr/bin"), where / "ini"], stdout=log, stderr=log, **as_account())
    try:
        until("the pooler runs", lambda: "process up" in (where / "log").read_text())
        yield port
    finally:
        running.kill()
        running.wait()
        shutil.rmtree(where)


@pytest.mark.parametrize("mode", ["session", "transaction", "statement"])
def test_a_pooler_in_between(server, coordinator, mode):
    with pooler(server, mode) as port:
        coordinator.change(STORE=server.url(port))
        refused(coordinator, "a pooler such as PgBouncer is in between", PASSWORD)
    assert server.value("SELECT count(*) FROM pg_class WHERE relname = 'head'") == "0"


def test_a_balancer_of_bytes_in_between(world, server, coordinator):
    coordinator.change(STORE=server.url(world.add(Line(server.port)).port))
    goes(world, coordinator)


def test_who_is_let_in(world, coordinator):
    """pg_hba.conf, passwords and their files, what a home directory has."""
    authority, stranger = (Party(world.dir, name, authority=True) for name in ("authority", "stranger"))
    server = world.add(Postgres(world.dir, "tls", authority=authority)).start()
    tls = server.url(sslmode="verify-full", sslrootcert=authority.certificate)
    coordinator.change(STORE=tls)
    for method, words in (("reject", "rejects connection.*pg_hba.conf"), ("ident", "Ident authentication failed.*pg_hba.conf")):
        own_text(server.data / "pg_hba.conf", f"local all postgres trust\nhost all all 127.0.0.1/32 {method}\n")
        server.sql("SELECT pg_reload_conf()")
        until(f"{method} counts", lambda: re.search(words, verb(coordinator, PASSWORD)))  # pylint: disable=cell-var-from-loop
    own_text(server.data / "pg_hba.conf", "local all postgres trust\nlocal all all peer\nhost all all 127.0.0.1/32 scram-sha-256\n")
    server.sql("SELECT pg_reload_conf()")
    coordinator.change(STORE=f"postgres://coordinator@/coordinator?host={server.root}&port={server.port}")
    until("peer counts", lambda: re.search("Peer authentication failed.*pg_hba.conf", verb(coordinator, PASSWORD)))

    home = world.dir / "home"
    (home / ".postgresql").mkdir(parents=True)
    world.secret("home/.pgpass", f"*:*:*:*:{PASSWORD}")
    shutil.copy(stranger.certificate, home / ".postgresql" / "root.crt")
    coordinator.settings |= {"HOME": home, "PGOPTIONS": "-c default_transaction_read_only=on", "PGSSLMODE": "disable", "PGHOST": "192.0.2.1"}
    for url, words in {
        server.url(role="nobody"): "password authentication failed.*STORE_PASSWORD",
        server.url(database="absent"): "3D000: database .*absent.* does not exist; create it first",
        server.url(sslmode="verify-full", sslrootcert=stranger.certificate): "certificate verify failed.*another authority",
        server.url(sslmode="verify-full", sslrootcert=authority.certificate, sslcrl=stranger.certificate): "no list of revocations",
        server.url(sslmode="require", service="x"): 'parameter "service" is none of',
        server.url(world.l1.port): "what listens there is no PostgreSQL",
        server.url(free_port()): "Connection refused",
    }.items():
        coordinator.change(STORE=url)
        refused(coordinator, words, PASSWORD)
    coordinator.change(STORE=server.url(sslmode="require"), STORE_PASSWORD_FILE=None)
    refused(coordinator, "no password supplied.*STORE_PASSWORD")  # .pgpass is nobody's business
    for bad in (b"\0" + PASSWORD.encode(), b"x" * 600, PASSWORD.encode("utf-16")):
        world.secret("bad", "").write_bytes(bad)
        coordinator.change(STORE_PASSWORD_FILE=world.dir / "bad")
        refused(coordinator, "NUL byte|longer than 511 characters")
    hard = "x y:%'\"\\@/é€"
    server.sql("ALTER ROLE coordinator PASSWORD '{}'".format(hard.replace("'", "''")))
    coordinator.change(STORE_PASSWORD_FILE=world.secret("hard", hard + "\r\n"))
    goes(world, coordinator)
    assert hard not in coordinator.log()

    server.configure(ssl_min_protocol_version="TLSv1.1", ssl_max_protocol_version="TLSv1.1")
    coordinator.change(STORE=tls)
    until("it speaks old TLS", lambda: "TLS 1.2 is the oldest" in verb(coordinator, hard))


def test_a_certificate_of_its_own(world, coordinator):
    authority, stranger = (Party(world.dir, name, authority=True) for name in ("authority", "stranger"))
    mine, other = (Party(world.dir, f"of-{issuer.key.stem}", issuer, "DNS:coordinator") for issuer in (authority, stranger))
    server = Postgres(world.dir, authority=authority, tls_only=True)
    server.settings["ssl_ca_file"] = own(shutil.copy(authority.certificate, server.root / "ca.pem"))
    server.access = "local all postgres trust\nhostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n"
    world.add(server).start()
    locked = world.secret("locked.key", "")
    locked.write_bytes(openssl("pkcs8", "-topk8", "-in", mine.key, "-passout", "pass:not-to-be-asked-for"))

    def comes_with(certificate, key):
        coordinator.change(STORE=server.url(sslrootcert=authority.certificate, sslcert=certificate, sslkey=key))
    comes_with(mine.certificate, mine.key)
    goes(world, coordinator)
    comes_with(mine.certificate, other.key)
    refused(coordinator, "sslkey is to be the key of sslcert", PASSWORD)
    comes_with(mine.certificate, locked)
    refused(coordinator, "without a passphrase", PASSWORD)
    comes_with(other.certificate, other.key)
    refused(coordinator, "unknown ca; the server does not know the authority that signed sslcert", PASSWORD)
    coordinator.change(STORE=server.url(sslrootcert=authority.certificate))
    refused(coordinator, "requires a valid client certificate", PASSWORD)


def test_ipv6(world, coordinator):
    """By its address, which is in the certificate; one that is not is refused."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"SKIPPED: nothing was tried on IPv6: {error}")
    authority = Party(world.dir, "authority", authority=True)
    server = Postgres(world.dir, "six", authority=authority, names="IP:::1", listen_addresses="::1,127.0.0.1")
    server.access += "host all all ::1/128 scram-sha-256\n"
    world.add(server).start()
    for address in ("[::1]", "[0:0:0:0:0:0:0:1]", "[::1]:1,[::1]"):
        coordinator.change(STORE=f"postgres://coordinator@{address}:{server.port}/coordinator?sslrootcert={authority.certificate}")
        goes(world, coordinator)
    coordinator.change(STORE=server.url(sslrootcert=authority.certificate))
    refused(coordinator, "does not match host name.*give the name that is in its certificate", PASSWORD)


def test_the_password_is_seen_nowhere(world, server, coordinator):
    coordinator.change(STORE_PASSWORD_FILE=None, STORE_PASSWORD=PASSWORD)
    coordinator.start()
    works(world, coordinator)
    me = pathlib.Path(f"/proc/{coordinator.process.pid}")
    children = [pathlib.Path("/proc", pid) for task in me.glob("task/*") for pid in (task / "children").read_text().split()]
    assert children
    seen = {path: path.read_bytes() for path in [me / "cmdline", *(child / name for child in children for name in ("cmdline", "environ"))]}
    seen |= {"log": coordinator.log().encode(), "status": coordinator.admin("GET", "/api/v1/status")[1].encode(),
             "config": coordinator.verb("config").stdout.encode(), "the server's log": server.log().encode()}
    assert not [where for where, text in seen.items() if PASSWORD.encode() in text]


def test_what_the_administrator_does_while_it_runs(world, server, coordinator):
    """It is said, nothing is acknowledged meanwhile, and all heals when it is undone."""
    coordinator.start()
    works(world, coordinator)
    for name, (done, undone, words) in RUNNING.items():
        print(name)
        before = len(coordinator.events("store_lost"))
        do(server, done, POSTGRES if "renamed" in name else "coordinator")
        said = until(name, lambda: coordinator.events("store_lost")[before:])[0]["reason"]  # pylint: disable=cell-var-from-loop
        assert re.search(words, said), said
        if undone:
            assert coordinator.put(world.fed + 1, world.batch(world.fed + 1)["input"])[0] == 503
        do(server, undone, POSTGRES if "renamed" in name else "coordinator")
        works(world, coordinator)

    do(server, ["ALTER ROLE coordinator CONNECTION LIMIT 1"])
    status, text = coordinator.put(world.fed + 1, world.batch(world.fed + 1)["input"])
    assert status == 503 and "CONNECTION LIMIT" in text
    do(server, ["ALTER ROLE coordinator CONNECTION LIMIT -1", "VACUUM FULL", "REINDEX TABLE proof", "TRUNCATE mark"])
    works(world, coordinator)
    with server.session("BEGIN; LOCK TABLE head") as holder:
        assert holder.stdout.readline() == "done\n"
        status, text = coordinator.put(world.fed + 1, world.batch(world.fed + 1)["input"])
        assert status == 503 and "another session holds what this one waits for" in text
    works(world, coordinator)
    do(server, ["TRUNCATE head"])
    until("it ends", lambda: not coordinator.alive)
    assert "the table head has no row" in coordinator.events("store_is_another")[0]["reason"]
