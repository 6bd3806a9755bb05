"""Several coordinators on one PostgreSQL beside one on SQLite: acknowledgements, grants with a backlog, takeovers."""
import contextlib
import hashlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from common import ROOT, SERVER, Daemon, cpu_of, daemon, load, on_core, row
from daemon import ASK, BACKLOG, SUBMIT

sys.path.append(str(ROOT / "tests" / "scenario"))
import postgres  # noqa: E402

CLIENTS = 32


class Database:
    """A server as Debian's package sets it up, on the servers' core."""

    def __init__(self, directory):
        self.server = postgres.Postgres(directory, shared_buffers="128MB", log_min_messages="warning", wal_keep_size=0)
        with on_core(SERVER):
            self.server.start()

    def cpu(self):
        """Seconds of its processes so far; those that end meanwhile were the checkpointer's helpers at most."""
        return sum(cpu_of(pid) for pid in [self.server.process.pid, *self.server.children()])

    def fill(self, count, body=b"{}"):
        """Rows for so many batches that share one input, so that each may be proven once."""
        name = hashlib.sha256(body).hexdigest()
        self.server.sql(f"""
            INSERT INTO input_file VALUES ('\\x{name}', {len(body)});
            INSERT INTO input_chunk VALUES ('\\x{name}', 0, '\\x{body.hex()}');
            WITH taken AS (UPDATE head SET rev = rev + 1, mark = 1 RETURNING rev),
            marked AS (INSERT INTO mark (rev, mark) SELECT rev, 1 FROM taken)
            INSERT INTO input SELECT b, 'abc1234', '\\x{name}', {len(body)}, 0, 0, taken.rev, 0
            FROM taken, generate_series(1, {count}) AS b;
            ANALYZE""")


@contextlib.contextmanager
def cluster(args, count, batches):
    """(database, daemons) with so many batches to prove."""
    program = args.build / "coordinator" / "proof-coordinator"
    with tempfile.TemporaryDirectory(dir=args.build) as name, contextlib.ExitStack() as stack:
        root = Path(name)
        database = Database(root)
        stack.callback(database.server.remove)
        password = root / "password"
        password.write_text(postgres.PASSWORD)
        password.chmod(0o600)

        def new(n):
            directory = root / f"c{n}"
            directory.mkdir(exist_ok=True)
            return Daemon(program, directory, STORE=database.server.url(), STORE_PASSWORD_FILE=password, INSTANCE=f"c{n}")
        with new(0):
            pass  # which makes the schema
        database.fill(batches)
        yield database, [stack.enter_context(new(n)) for n in range(count)]


def load_all(programs, daemons, seconds, clients, message, expect, pause_ms=0):
    """The clients are shared among the daemons, each with batches of its own: what the load generators said."""
    got = [None] * len(daemons)

    def one(n):
        got[n] = load(programs, daemons[n].port, seconds, clients // len(daemons), message, expect, pause_ms,
                      first_id=1 + n * 1000000 // len(daemons))
    threads = [threading.Thread(target=one, args=(n,)) for n in range(len(daemons))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return got


def acks(programs, args, count):
    """(rate, CPU us of the daemons, CPU us of PostgreSQL, median p50 in us) of acknowledgements."""
    with cluster(args, count, 1000000) as (database, daemons):
        before, db_before = sum(d.cpu() for d in daemons), database.cpu()
        got = load_all(programs, daemons, 1 if args.quick else 3, CLIENTS, SUBMIT, '{"ProofSubmitACK"')
        ok = max(sum(g["ok"] for g in got), 1)
        return (sum(g["rate"] for g in got), (sum(d.cpu() for d in daemons) - before) / ok * 1e6,
                (database.cpu() - db_before) / ok * 1e6, statistics.median(g["p50_us"] for g in got))


def cluster_acks(programs, args):
    """Durable ACKs a second of 1, 2 and 4 coordinators on one PostgreSQL against SQLite alone; all servers on a core."""
    with daemon(args, 200000) as ours:
        before = ours.cpu()
        alone = load(programs, ours.port, 1 if args.quick else 3, CLIENTS, SUBMIT, '{"ProofSubmitACK"')
        alone_us = (ours.cpu() - before) / max(alone["ok"], 1) * 1e6
    for count in (1, 2, 4):
        rate, us, database_us, p50 = acks(programs, args, count)
        row(f"CPU us/ACK, {count} on PostgreSQL (floor: SQLite)", f"{us:.0f}", f"{alone_us:.0f}", f"{us / alone_us:.2f}", "-",
            None)
        row("  and of PostgreSQL", f"{database_us:.0f}", "-", "-", "-", None)
        row(f"  durable ACKs/s, {CLIENTS} clients", f"{rate:.0f}", f"{alone['rate']:.0f}", f"{rate / alone['rate']:.2f}",
            "-", None)
        row("  p50, us", f"{p50:.0f}", f"{alone['p50_us']:.0f}", f"{p50 / alone['p50_us']:.2f}", "-", None)


def grants(programs, args, batches):
    """CPU us of a grant: (daemon, PostgreSQL)."""
    with cluster(args, 1, batches) as (database, daemons):
        before, db_before = daemons[0].cpu(), database.cpu()
        got = load_all(programs, daemons, 1 if args.quick else 3, 4, ASK, '{"InputResponse":{"id":', 3)
        ok = max(got[0]["ok"], 1)
        return (daemons[0].cpu() - before) / ok * 1e6, (database.cpu() - db_before) / ok * 1e6


def cluster_backlog(programs, args):
    """A grant with few batches and with many to prove: its lease is durable before."""
    few, many = (grants(programs, args, batches) for batches in (5000, BACKLOG))
    row(f"CPU us/grant on PostgreSQL, {BACKLOG} batches (floor: 5000)", f"{many[0]:.0f}", f"{few[0]:.0f}",
        f"{many[0] / few[0]:.2f}", "<= 1.25", many[0] / few[0] <= 1.25)
    row("  and of PostgreSQL", f"{many[1]:.0f}", f"{few[1]:.0f}", f"{many[1] / few[1]:.2f}", "-", None)


def takeover(_programs, args):
    """Until another leads, after each way to lose the one that does (tests/scenario/test_cluster.py)."""
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "-k", "test_takeover",
                           ROOT / "tests" / "scenario" / "test_cluster.py"], capture_output=True, text=True,
                          env={**os.environ, "BUILD_DIR": str(args.build)})
    found = re.findall(r"takeover after ([\w -]+): ([0-9.]+) s", done.stdout)
    if done.returncode or not found:
        raise SystemExit(done.stdout + done.stderr)
    for how, seconds in found:
        row(f"takeover after {how}, s", seconds, "-", "-", "<= 10", float(seconds) <= 10)
