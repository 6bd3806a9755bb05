"""What the benchmarks share: cores, processes, the load generator, the table.

Servers run on one core, whatever loads them on another. What an operation costs is the server's CPU time
for it; rates of a closed loop are told beside it, without a target.
"""
import contextlib
import hashlib
import os
import re
import signal
import sqlite3
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORES = sorted(os.sched_getaffinity(0))
CLIENT, SERVER = CORES[0], CORES[-1]
FORMAT = "%-52s %12s %12s %8s %9s  %s"
rows = []


def row(name, ours, floor, ratio, target, passed):
    """One line of the table; passed None: a figure without a target."""
    rows.append((name, ours, floor, ratio, target, {True: "pass", False: "MISS", None: "-"}[passed]))
    print(FORMAT % rows[-1], flush=True)


def values(line):
    return {k: float(v) for k, v in re.findall(r"(\w+)=([-\d.]+)(?=\s|$)", line)}


@contextlib.contextmanager
def on_core(core):
    """Processes started inside run there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_of(pid):
    """Seconds on a core so far, of all threads there are, to the nanosecond."""
    return sum(int(p.read_text().split()[0]) for p in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


class Process:
    """A server that prints "port N" first."""

    def __init__(self, *argv):
        with on_core(SERVER):
            self.p = subprocess.Popen([str(a) for a in argv], stdout=subprocess.PIPE, text=True,
                                      stderr=subprocess.DEVNULL)
        self.port = int(self.p.stdout.readline().split()[1])

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.p.send_signal(signal.SIGTERM)
        try:
            self.p.wait(10)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()
        self.p.stdout.close()

    def cpu(self):
        return cpu_of(self.p.pid)

    def memory(self, key):
        """VmRSS or VmHWM in bytes."""
        text = Path(f"/proc/{self.p.pid}/status").read_text()
        return int(re.search(rf"{key}:\s+(\d+) kB", text)[1]) * 1024


def ratio_of(ours, floor):
    return statistics.median(a / b for a, b in zip(ours, floor))


def load(programs, port, seconds, clients, message, expect="", pause_ms=0, sources=16, first_id=1):
    """Runs the load generator."""
    argv = [programs / "bench_load", "--port", port, "--seconds", seconds, "--clients", clients,
            "--message", message, "--expect", expect, "--pause-ms", pause_ms,
            "--sources", sources, "--first-id", first_id]
    with on_core(CLIENT):
        p = subprocess.Popen([str(a) for a in argv], stdout=subprocess.PIPE, text=True)
    got = values(p.communicate()[0])
    if got["wrong"] or got["failed"]:
        print(f"  {got['wrong']:.0f} wrong and {got['failed']:.0f} failed replies", flush=True)
    return got


def cost(server, programs, *args, **options):
    """(CPU microseconds of the server for each good reply, what the load generator said)"""
    before = server.cpu()
    got = load(programs, server.port, *args, **options)
    return (server.cpu() - before) / max(got["ok"], 1) * 1e6, got


class Daemon(Process):
    """The real daemon on a directory of its own, in the mode that needs nothing from L1."""

    def __init__(self, program, directory, **settings):
        keys = directory / "key"
        keys.write_text("0x" + "11" * 32)
        keys.chmod(0o600)
        env = {"PATH": os.environ["PATH"]}
        prefix = "ETHREX_PROOF_COORDINATOR_"
        env.update({prefix + k: str(v) for k, v in {
            "LISTEN_PORT": 0, "DATA_DIR": directory / "data", "L1_PRIVATE_KEY_FILE": keys,
            "DEV_MODE": "true", "LOG_LEVEL": "info", "DISK_FLOOR_BYTES": 0,
            "CANDIDATES_PER_SOURCE": 1000000, "MAX_BATCHES": 1000000, "MAX_INPUTS": 1000000, **settings,
        }.items()})
        # Nothing listens on port 9: the daemon must serve provers while L1 is dead.
        env["ETHREX_ETH_RPC_URL"] = "http://127.0.0.1:9"
        env["ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS"] = "0x" + "22" * 20
        self.log = directory / "log"
        with open(self.log, "w") as log, on_core(SERVER):
            self.p = subprocess.Popen([program, "run"], env=env, stderr=log,
                                      stdout=subprocess.PIPE, text=True)
        self.port = self.wait_for_port()

    def wait_for_port(self):
        for _ in range(1200):
            found = re.search(r"event=ready .*listen=[\d.]+:(\d+)", self.log.read_text())
            if found:
                return int(found[1])
            time.sleep(0.05)
        raise SystemExit("the daemon did not get ready: " + self.log.read_text()[-2000:])


def fill_with_batches(directory, first, count, body=b"{}"):
    """Rows for count batches that share one input, so that each may be proven once."""
    name = hashlib.sha256(body).hexdigest()
    (directory / "data" / "inputs" / name).write_bytes(body)
    database = next((directory / "data").glob("*.db"))
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.executemany("INSERT INTO input VALUES (?, 'abc1234', ?, ?, 0, 0)",
                       ((i, bytes.fromhex(name), len(body)) for i in range(first, first + count)))
        db.commit()


@contextlib.contextmanager
def daemon(args, batches=0, body=b"{}"):
    """The real daemon with so many batches to prove."""
    program = args.build / "coordinator" / "proof-coordinator"
    with tempfile.TemporaryDirectory(dir=args.build) as name:
        directory = Path(name)
        if batches:
            with Daemon(program, directory):
                pass
            fill_with_batches(directory, 1, batches, body)
        with Daemon(program, directory) as process:
            yield process
