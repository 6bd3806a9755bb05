"""The servers of postgres.py and the proxy of line.py, tried with psql alone."""

import socket
import subprocess
import time

import pytest

from certificates import Party
from chaos import DOWN, UP
from line import Line
from postgres import PASSWORD, Postgres, binaries
from process import clean_env, until


@pytest.fixture
def new_server(tmp_path):
    made = []

    def new(name="postgres", **more):
        made.append(Postgres(tmp_path, name, **more))
        return made[-1]
    new.made = made
    yield new
    for part in made:
        part.remove()


@pytest.fixture
def server(new_server):
    return new_server().start()


@pytest.fixture
def line(server):
    proxy = Line(server.port)
    yield proxy
    proxy.close()


def ask(url, text="SELECT 1", password=PASSWORD, seconds=5):
    """As the coordinator connects: (exit status, what psql printed)."""
    done = subprocess.run([binaries() / "psql", "-XqAt", url, "-c", text], env=clean_env(
        PGPASSWORD=password, PGCONNECT_TIMEOUT=2), capture_output=True, text=True, timeout=seconds, check=False)
    return done.returncode, (done.stdout + done.stderr).strip()


class Session:
    """A psql that stays connected."""

    def __init__(self, url):
        self.process = subprocess.Popen([binaries() / "psql", "-XqAt", url], stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=clean_env(PGPASSWORD=PASSWORD))
        self.say("SELECT 'here'")
        assert self.hear() == "here"

    def say(self, text):
        self.process.stdin.write(text + ";\n")
        self.process.stdin.flush()

    def hear(self):
        return self.process.stdout.readline().strip()

    def close(self):
        self.process.kill()
        self.process.communicate()


def test_a_database_with_a_password_and_a_port_of_its_own(server, new_server):
    assert ask(server.url()) == (0, "1")
    status, words = ask(server.url(), password="another")
    assert status != 0 and "password authentication failed" in words
    assert "does not exist" in ask(server.url(database="absent"))[1]
    assert server.value("SHOW fsync") == "on"
    other = new_server("other").start()
    server.sql("CREATE TABLE here (n int)")
    assert not other.sql("SELECT 1 FROM pg_class WHERE relname = 'here'")
    assert server.stop() == 0 and other.stop() == 0


def test_kill_9_and_again(server):
    server.sql("CREATE TABLE t (n int)")
    for n in range(3):
        server.sql(f"INSERT INTO t VALUES ({n})")
        children = server.children()
        server.kill()
        assert children and not server.alive
        with pytest.raises(RuntimeError):
            server.sql("SELECT 1")
        server.start()
        assert server.value("SELECT count(*) FROM t") == str(n + 1)
    assert "was not properly shut down" in server.log()


def test_frozen_it_answers_nobody(server):
    server.freeze()
    with pytest.raises(subprocess.TimeoutExpired):
        ask(server.url(), seconds=1)
    server.thaw()
    assert ask(server.url()) == (0, "1")


def test_tls(tmp_path, new_server):
    authority, stranger = (Party(tmp_path, name, authority=True) for name in ("authority", "stranger"))
    server = new_server(authority=authority, tls_only=True).start()
    assert ask(server.url(sslmode="verify-full", sslrootcert=authority.certificate)) == (0, "1")
    assert "certificate verify failed" in ask(server.url(sslmode="verify-full", sslrootcert=stranger.certificate))[1]
    assert "no encryption" in ask(server.url(sslmode="disable"))[1]


def test_without_tls(server):
    assert "server does not support SSL" in ask(server.url(sslmode="require"))[1]


def test_a_replica_that_is_waited_for_is_promoted(tmp_path, server, new_server):
    server.sql("CREATE TABLE t (n int)")
    replica = server.replica(tmp_path).start()
    new_server.made.append(replica)
    server.wait_for(replica)
    status, words = ask(replica.url(), "CREATE TABLE u (n int)")
    assert status != 0 and "read-only transaction" in words
    server.sql("INSERT INTO t VALUES (1)")
    server.kill()
    replica.promote()
    assert replica.value("SELECT count(*) FROM t") == "1"
    replica.sql("INSERT INTO t VALUES (2)")


def test_a_replica_that_lags(tmp_path, server, new_server):
    server.sql("CREATE TABLE t (n int)")
    replica = server.replica(tmp_path, recovery_min_apply_delay="1h").start()
    new_server.made.append(replica)
    server.wait_for(replica)
    server.sql("INSERT INTO t VALUES (1)")
    assert replica.value("SELECT count(*) FROM t") == "0"
    server.kill()
    replica.promote()
    assert replica.value("SELECT count(*) FROM t") == "1"


def test_without_its_replica_nothing_is_committed(tmp_path, server, new_server):
    server.sql("CREATE TABLE t (n int)")
    between = Line(server.port)
    replica = server.replica(tmp_path, port=between.port).start()
    new_server.made.append(replica)
    server.wait_for(replica)
    between.silence()
    with pytest.raises(subprocess.TimeoutExpired):
        ask(server.url(), "SELECT pg_current_wal_lsn(); CREATE TABLE mine (n int)", seconds=1)
    between.heal()
    until("it is committed", lambda: server.sql("SELECT 1 FROM pg_class WHERE relname = 'mine'"), 20)
    between.close()


def test_a_full_disk_that_gets_room_again(new_server):
    server = new_server(disk="96m").start()
    server.sql("CREATE TABLE t (bytes bytea)")
    server.fill()
    with pytest.raises(RuntimeError, match="No space left|server closed the connection|could not extend"):
        for _ in range(200):
            server.sql("INSERT INTO t SELECT repeat(gen_random_uuid()::text, 10000)::bytea FROM generate_series(1, 10)")
    server.empty()
    until("it writes again", lambda: writes(server))


def writes(server):
    if not server.alive:  # it gave up while it recovered
        server.start()
    try:
        server.sql("INSERT INTO t VALUES ('')")
        return True
    except RuntimeError:
        return False


def test_the_line_is_not_there(server, line):
    session = Session(server.url(line.port))
    session.say("SELECT length(repeat('a', 5000000))")
    assert session.hear() == "5000000"
    session.say("SELECT repeat('a', 5000000)")
    assert len(session.hear()) == 5000000
    session.close()
    until("its end arrived", lambda: server.value(
        "SELECT count(*) FROM pg_stat_activity WHERE usename = 'coordinator'") == "0", 5)


def test_what_was_sent_into_silence_arrives_later(server, line):
    """Even of a client that is gone."""
    server.sql("CREATE TABLE t (n int); GRANT ALL ON t TO coordinator")
    session = Session(server.url(line.port))
    line.silence()
    session.say("INSERT INTO t VALUES (1)")
    time.sleep(0.3)
    session.close()
    assert server.value("SELECT count(*) FROM t") == "0"
    with pytest.raises(subprocess.TimeoutExpired):
        ask(server.url(line.port), seconds=0.5)
    line.heal()
    until("it arrived", lambda: server.value("SELECT count(*) FROM t") == "1", 5)
    assert ask(server.url(line.port)) == (0, "1")


@pytest.mark.parametrize("direction, arrived", [(UP, "0"), (DOWN, "1")])
def test_silence_in_one_direction(server, line, direction, arrived):
    server.sql("CREATE TABLE t (n int); GRANT ALL ON t TO coordinator")
    session = Session(server.url(line.port))
    line.silence(direction)
    session.say("INSERT INTO t VALUES (1); SELECT 'done'")
    time.sleep(0.5)
    assert server.value("SELECT count(*) FROM t") == arrived
    line.heal()
    assert session.hear() == "done"
    session.close()


def test_a_line_that_is_cut(server, line):
    session = Session(server.url(line.port))
    line.cut()
    session.say("SELECT 1")
    assert session.process.wait(5) != 0 or "closed" in session.process.stdout.read()
    with pytest.raises(ConnectionError), socket.create_connection(("127.0.0.1", line.port)) as link:
        link.sendall(b"x")
        assert link.recv(1)
        raise ConnectionError
    assert ask(server.url(line.port))[0] != 0
    line.heal()
    assert ask(server.url(line.port)) == (0, "1")


def test_a_slow_line(server, line):
    line.delay = 0.05
    start = time.monotonic()
    assert ask(server.url(line.port)) == (0, "1")
    assert time.monotonic() - start > 0.2
