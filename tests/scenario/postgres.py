"""Real PostgreSQL servers (Debian's) for the scenarios: each has a data directory, a port and a socket of its own,
and can be killed, stopped, replicated, promoted, and run out of disk.

PostgreSQL refuses to run as root, and its user cannot enter the directories of a test: data directories are in the
system's temporary directory, and belong to `postgres` or `nobody` where the tests run as root.
"""

import atexit
import contextlib
import functools
import os
import pathlib
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile

import pytest

from certificates import Party
from l1 import free_port
from process import PATIENCE, Process, clean_env, until

ROLE = DATABASE = "coordinator"
PASSWORD = secrets.token_hex(16)
SETTINGS = {"listen_addresses": "127.0.0.1", "shared_buffers": "32MB", "max_connections": 100, "fsync": "on",
            "wal_keep_size": "64MB", "log_line_prefix": "%m [%p] %a ", "log_min_messages": "info",
            "wal_receiver_timeout": "5s", "wal_retrieve_retry_interval": "200ms"}
ACCESS = """
local all postgres trust
local replication postgres trust
host replication postgres 127.0.0.1/32 trust
local all all scram-sha-256
{host} all all 127.0.0.1/32 scram-sha-256
"""


@functools.cache
def binaries():
    """Where the newest PostgreSQL's programs are."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[4]))
    if not found:
        pytest.skip("SKIPPED: nothing was tried on PostgreSQL: no server is installed (scripts/install-deps test)")
    return found[-1].parent


@functools.cache
def account():
    """The entry of the user that runs the servers; None: the one that runs the tests."""
    if os.getuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def as_account():
    """For subprocess."""
    who = account()
    return {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": [], "umask": 0o077} if who else {}


def own(path):
    if account():
        shutil.chown(path, account().pw_uid, account().pw_gid)
    return path


def run(name, *argv, data=None):
    done = subprocess.run([binaries() / name, *map(str, argv)], input=data, text=True, timeout=PATIENCE, cwd="/",
                          env=clean_env(LC_ALL="C"), capture_output=True, check=False, **as_account())
    assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
    return done.stdout


def new_directory():
    return own(pathlib.Path(tempfile.mkdtemp(prefix="postgres-")))


@functools.cache
def template():
    """A data directory with the role and its empty database, made once a run."""
    root = new_directory()
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    run("initdb", "-D", root / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync",
        "--wal-segsize=1")
    run("postgres", "--single", "-D", root / "data", "-c", "fsync=off", "postgres",
        data=f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'\nCREATE DATABASE {DATABASE} OWNER {ROLE}\n")
    return root / "data"


class Postgres(Process):
    """authority: a Party that signs the certificate of the server, of these names (None: no TLS). tls_only: others are refused.
    disk: so many bytes are there, on a file system of its own (needs root). settings: of postgresql.conf."""

    def __init__(self, directory, name="postgres", authority=None, tls_only=False, disk=None, names="IP:127.0.0.1,DNS:localhost",
                 **settings):
        super().__init__(directory / f"{name}.log")
        self.name, self.port, self.root = name, free_port(), new_directory()
        self.settings = {**SETTINGS, "port": self.port, "unix_socket_directories": self.root, "cluster_name": name,
                         **settings}
        self.mounted = disk is not None and self.mount(disk)
        self.data = self.root / "disk" / "data" if self.mounted else self.root / "data"
        self.access = ACCESS.format(host="hostssl" if tls_only else "host")
        if authority:
            server = Party(directory, f"{name}-server", authority, names)
            for path in (server.key, server.certificate):
                own(shutil.copy(path, self.root / path.name)).chmod(0o600)
            self.settings |= {"ssl": "on", "ssl_cert_file": self.root / server.certificate.name,
                              "ssl_key_file": self.root / server.key.name}

    def mount(self, size):
        disk = own_directory(self.root / "disk")
        who = account()
        owner = f",uid={who.pw_uid},gid={who.pw_gid}" if who else ""
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700{owner}", "tmpfs", disk],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.remove()
            pytest.skip(f"SKIPPED: no disk was filled: it needs a mount of its own: {done.stderr.strip()}")
        return True

    def create(self):
        """The data directory, if there is none: a copy of the template's."""
        if not self.data.exists():
            done = subprocess.run(["cp", "-a", template(), self.data], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        own_text(self.data / "pg_hba.conf", self.access)

    # --- life ---

    def start(self):
        self.create()
        options = [word for key, value in self.settings.items() for word in ("-c", f"{key}={value}")]
        self.spawn([binaries() / "postgres", "-D", self.data, *options], cwd="/", env=clean_env(LC_ALL="C"),
                   **as_account())
        self.saw("database system is ready to accept (read-only )?connections")
        return self

    def children(self):
        return [int(pid) for task in pathlib.Path(f"/proc/{self.process.pid}/task").glob("*")
                for pid in (task / "children").read_text().split()]

    def signal_all(self, number):
        """To the server and its children, of which none is born meanwhile."""
        os.kill(self.process.pid, signal.SIGSTOP)
        for pid in self.children():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        os.kill(self.process.pid, number)

    def kill(self):
        """kill -9 of all of it, as a power cut ends it."""
        if self.alive:
            self.signal_all(signal.SIGKILL)
        super().kill()

    def freeze(self):
        self.signal_all(signal.SIGSTOP)

    def thaw(self):
        self.signal_all(signal.SIGCONT)

    def stop(self):
        """Connections are ended, nothing is waited for; the exit status."""
        if self.alive:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE) if self.process else None

    def remove(self):
        """With its data."""
        self.kill()
        if self.mounted:
            subprocess.run(["umount", "-l", self.root / "disk"], check=False)
        shutil.rmtree(self.root, ignore_errors=True)

    # --- a disk that is full ---

    @property
    def filler(self):
        return self.root / "disk" / "filler"

    def fill(self):
        with open(self.filler, "wb", buffering=0) as out:
            try:
                while True:
                    out.write(bytes(1 << 20))
            except OSError:
                pass

    def empty(self):
        self.filler.unlink(missing_ok=True)

    # --- what is asked of it ---

    def sql(self, text, database=DATABASE):
        """The rows, each a list of texts. Asked as superuser, over the socket."""
        done = subprocess.run([binaries() / "psql", "-XqAt", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-h", self.root, "-p",
                               str(self.port), "-U", "postgres", "-d", database, "-c", text],
                              env=clean_env(PGCONNECT_TIMEOUT=5, PGOPTIONS="-c statement_timeout=20s"), cwd="/",
                              text=True, capture_output=True, timeout=PATIENCE, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
        return [line.split("\t") for line in done.stdout.splitlines()]

    @contextlib.contextmanager
    def session(self, text, database=DATABASE):
        """A session of the superuser's that has done this, and stays."""
        link = subprocess.Popen([binaries() / "psql", "-XqAt", "-h", self.root, "-p", str(self.port), "-U", "postgres", "-d", database],
                                env=clean_env(), cwd="/", text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            link.stdin.write(f"{text}; SELECT 'done';\n")
            link.stdin.flush()
            yield link
        finally:
            link.kill()
            link.communicate()

    def value(self, text, **more):
        return self.sql(text, **more)[0][0]

    def url(self, *ports, database=DATABASE, role=ROLE, **query):
        """Of its own port, or of those."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports or [self.port])
        told = "&".join(f"{k}={v}" for k, v in query.items())
        return f"postgres://{role}@{hosts}/{database}" + (f"?{told}" if told else "")

    def configure(self, **settings):
        """Of settings that the command line does not hold; None takes one away."""
        for key, value in settings.items():
            self.sql(f"ALTER SYSTEM RESET {key}" if value is None else f"ALTER SYSTEM SET {key} = '{value}'")
        self.sql("SELECT pg_reload_conf()")

    # --- replicas ---

    def replica(self, directory, name="replica", port=None, **settings):
        """A streaming one, not started. port: by which it reaches this server (a Line's, say)."""
        other = Postgres(directory, name, **settings)
        run("pg_basebackup", "-D", other.data, "-h", self.root, "-p", self.port, "-U", "postgres", "-c", "fast",
            "--no-sync", "-X", "stream")
        own_text(other.data / "standby.signal", "")
        other.settings["primary_conninfo"] = (f"host=127.0.0.1 port={port or self.port} user=postgres "
                                              f"application_name={name} connect_timeout=2")
        return other

    def wait_for(self, replica):
        """From now on a COMMIT is acknowledged when that one has it on its disk."""
        until(f"{replica.name} streams", lambda: self.sql(
            f"SELECT 1 FROM pg_stat_replication WHERE application_name = '{replica.name}' AND state = 'streaming'"))
        self.configure(synchronous_standby_names=replica.name)
        until(f"{replica.name} is synchronous", lambda: self.sql(
            f"SELECT 1 FROM pg_stat_replication WHERE application_name = '{replica.name}' AND sync_state = 'sync'"))

    def promote(self):
        self.configure(recovery_min_apply_delay=None)  # else it may wait for that first, in spite of its manual
        self.sql("SELECT pg_promote()")
        until("it is promoted", lambda: self.value("SELECT pg_is_in_recovery()") == "f")


def own_directory(path):
    path.mkdir()
    return own(path)


def own_text(path, text):
    path.write_text(text)
    path.chmod(0o600)
    return own(path)
