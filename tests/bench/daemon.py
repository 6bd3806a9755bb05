"""The real daemon: what an operation costs it, with a backlog, with streams, with large messages."""
import contextlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from common import CLIENT, ROOT, SERVER, Process, cost, daemon, load, on_core, row, values

ASK = '{"InputRequest":{"commit_hash":"abc1234","prover_type":"Exec"}}'
# p3..p5 name no type: the first batch, and no lease is taken.
ASK_WITHOUT_LEASE = '{"BatchRequest":{"commit_hash":"abc1234"}}'
SUBMIT = '{"ProofSubmit":{"id":{id},"proof":{"Proof":{"prover_type":"Exec","proof":[0]}}}}'
BACKLOG = 50000


def backlog(programs, args):
    """Grants and acknowledgements with few batches and with many to prove."""
    seconds = 1 if args.quick else 3
    seen = {}
    for batches in (5000, BACKLOG):
        with daemon(args, batches) as ours:
            # So few a second that the small backlog lasts: the costs are compared.
            grants, got = cost(ours, programs, seconds, 4, ASK, '{"InputResponse":{"id":', 3, 250)
            acks, more = cost(ours, programs, seconds, 4, SUBMIT, '{"ProofSubmitACK"', 3, 250)
        seen[batches] = grants, acks
        row(f"{batches} batches to prove: grants/s, ACKs/s", f"{got['rate']:.0f}", f"{more['rate']:.0f}", "-", "-",
            None)
    for i, name in enumerate(("grant", "durable ACK")):
        few, many = seen[5000][i], seen[BACKLOG][i]
        row(f"daemon CPU us/{name}, {BACKLOG} batches (floor: 5000)", f"{many:.0f}", f"{few:.0f}",
            f"{many / few:.2f}", "<= 1.25", many / few <= 1.25)


def fetch_many(programs, port, n, size):
    with on_core(CLIENT):
        ps = [subprocess.Popen([str(programs / "bench_fetch"), str(port), ASK_WITHOUT_LEASE], stdout=subprocess.PIPE,
                               text=True) for _ in range(n)]
    got = [values(p.communicate()[0]) for p in ps]
    assert all(g["bytes"] >= size for g in got), "a stream was cut short"
    return n * size / max(g["seconds"] for g in got) / 1e6


def streams(programs, args):
    """1 and 16 inputs at once, beside bare sendfile."""
    size = (16 if args.quick else 64) << 20
    rounds = 2 if args.quick else 7
    body = b'{"blocks":"' + os.urandom(size // 2).hex().encode() + b'"}'
    with tempfile.TemporaryDirectory(dir=args.build) as name:
        path = Path(name) / "input"
        path.write_bytes(body)
        with daemon(args, 1, body) as ours, Process(programs / "bench_stream_floor", "sendfile", path) as floor:
            for n in (1, 16):
                rates, costs = {ours: [], floor: []}, {ours: [], floor: []}
                for i in range(rounds + 1):
                    for server in (ours, floor) if i % 2 else (floor, ours):
                        before = server.cpu()
                        rate = fetch_many(programs, server.port, n, len(body))
                        if i:
                            rates[server].append(rate)
                            costs[server].append((server.cpu() - before) * 1e3 / (n * size / 2**30))
                a, b = (statistics.mean(costs[s]) for s in (ours, floor))
                row(f"daemon CPU ms/GiB, {n} streams (floor: sendfile)", f"{a:.0f}", f"{b:.0f}", f"{a / b:.2f}",
                    "<= 1.50", a / b <= 1.50)
                a, b = (statistics.median(rates[s]) for s in (ours, floor))
                row("  MB/s", f"{a:.0f}", f"{b:.0f}", f"{a / b:.2f}", "-", None)


@contextlib.contextmanager
def large_messages(programs, port, path, seconds, sources):
    with on_core(CLIENT):
        p = subprocess.Popen([str(a) for a in (programs / "bench_hostile", "--port", port, "--seconds", seconds,
                                               "--sources", sources, path)], stdout=subprocess.PIPE, text=True)
    try:
        yield
    finally:
        p.communicate()


def large(programs, args):
    """Others, while one address sends 16 MB proofs; the floor: while it sends them to an echo server."""
    seconds, rounds = (1, 1) if args.quick else (2, 5)
    many = "200," * (16_700_000 // 4 - 64) + "200"
    kinds = {"refused by its beginning": '{"ProofSubmit":{"id":777777,"proof":{"Proof":{"prover_type":"Exec",'
                                         '"proof":[%s]}}}}',
             "decoded": '{"ProofSubmit":{"proof":{"Proof":{"proof":[%s],"prover_type":"Exec"}},"id":777777}}'}
    with tempfile.TemporaryDirectory(dir=args.build) as name, daemon(args) as ours, \
            Process(programs / "bench_echo_floor") as echo:
        for kind, text in kinds.items():
            path = Path(name) / "message"
            path.write_text(text % many)
            seen = {ours: [], echo: []}
            for i in range(rounds + 1):
                for target in (ours, echo) if i % 2 else (echo, ours):
                    with large_messages(programs, target.port, path, seconds + 0.5, 1):
                        got = load(programs, ours.port, seconds, 4, ASK, '{"InputResponse"', 2)
                    if i:
                        seen[target].append(got["p99_us"])
            a, b = (statistics.median(seen[t]) for t in (ours, echo))
            row(f"p99 us of others, 16 MB {kind}", f"{a:.0f}", f"{b:.0f}", f"{a / b:.2f}", "<= 2", a / b <= 2)


def decode(programs, args):
    """A large ProofSubmit: scan and decoder. serde_json's from_slice took 28.8 ms where these took 18.2."""
    out = values(subprocess.run([programs / "bench_decode", "11"], capture_output=True, text=True, check=True).stdout)
    row("11 MB proof: CPU ms of scan and decoder", f"{out['both_ms']:.1f}", "-", "-", "-", None)
    row("  scan, decoder", f"{out['scan_ms']:.1f}", f"{out['decode_ms']:.1f}", "-", "-", None)


def verified(programs, args):
    """All of the backlog is verified in one look: how long the loop stands still, as a client of /healthz sees it."""
    env = {**os.environ, "BACKLOG": str(5000 if args.quick else BACKLOG), "BUILD_DIR": str(args.build)}
    with on_core(SERVER):
        done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "-k", "backlog",
                               ROOT / "tests" / "scenario" / "test_retention.py"], env=env, capture_output=True, text=True)
    found = re.search(r"longest ([0-9.]+) ms, p99 .* was ([0-9.]+) ms", done.stdout)
    if done.returncode or not found:
        raise SystemExit(done.stdout + done.stderr)
    longest, quiet = map(float, found.groups())
    row(f"{env['BACKLOG']} batches verified in one look, longest wait ms", f"{longest:.1f}", f"{quiet:.1f}",
        f"{longest / quiet:.2f}", "<= 50 ms", longest <= 50)
