"""An honest prover among fifty hostile addresses: how many batches it gets verified, beside what it gets
alone in the same time. Real daemon, L1 node, contracts, quotes of the make-believe Intel."""
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import CLIENT, CORES, ROOT, SERVER, Process, cpu_of, on_core, row, values

BATCHES = 300
SOURCES = 50
MESSAGE = 16_700_000


def numbers(raw):
    return ",".join(map(str, raw))


def write_messages(directory, quote, wanted):
    """What the hostile send, one file a kind; the generator fills in random bytes and batch numbers."""
    raw = bytes.fromhex(quote)
    # The quote's own signature begins behind header, body and a length.
    broken = numbers(raw[:640]) + "," + ",".join(["~~~"] * 20) + "," + numbers(raw[660:])
    setup = '{"ProverSetup":{"prover_type":"TDX","payload":[%s]}}'
    early = '{"ProofSubmit":{"id":#######,"proof":{"Proof":{"prover_type":"TDX","proof":['
    late = '{"ProofSubmit":{"proof":{"Proof":{"proof":['
    kinds = {
        "lease": '{"InputRequest":{"commit_hash":"52e4b64","prover_type":"TDX"}}',
        "junk_proof": early + ",".join(["~~~"] * 65) + "]}}}}",
        "junk_quote": setup % broken,
        "replayed_quote": setup % numbers(raw),
        "large_early": early.replace("#######", "1") + "200," * (MESSAGE // 4 - 64) + "200]}}}}",
        "large_late": late + "200," * (MESSAGE // 4 - 64) + '200],"prover_type":"TDX"}},"id":1}}',
    }
    names = [name for name in kinds if not wanted or name in wanted.split(",")]
    for name in names:
        (directory / name).write_text(kinds[name])
    return [directory / name for name in names]


class Floodgate:
    """The generators, on their core, for so long."""

    def __init__(self, programs, port, seconds, files):
        with on_core(CLIENT):
            self.p = subprocess.Popen(
                [str(a) for a in (programs / "bench_hostile", "--port", port, "--seconds", seconds, "--sources",
                                  SOURCES, *files)], stdout=subprocess.PIPE, text=True)

    def counts(self):
        text = self.p.communicate()[0]
        return {line.split()[0].split("=")[1]: values(line) for line in text.splitlines()}


def one_run(programs, args, templates, where, seconds, attacked):
    """(batches verified, batches proven, the daemon's CPU seconds, what the generators counted)"""
    from world import World

    # The L1 node and the prover run where there is room.
    os.sched_setaffinity(0, CORES)
    world = World(templates, where, "dcap")
    try:
        qe = world.software_qe()
        world.pccs()
        coordinator = world.coordinator(LOG_LEVEL="info", PROVER_TIMEOUT=None)
        with on_core(SERVER):
            coordinator.start()
        prover = world.prover(coordinator, qe=qe).start()
        quote = prover.saw(r"^Sending quote ([0-9a-f]{41,})$")[1]
        # One batch through all of it; then the prover holds its breath while there comes work.
        world.feed(coordinator, 1)
        world.until_verified(1)
        prover.signal(signal.SIGSTOP)
        world.feed(coordinator, BATCHES)
        files = write_messages(where, quote, args.kinds)
        with Process(programs / "bench_echo_floor") as echo:
            before, proven, cpu = world.verified, len(prover.processed()), cpu_of(coordinator.process.pid)
            flood = Floodgate(programs, coordinator.port if attacked else echo.port, seconds + 1, files)
            time.sleep(1)
            prover.signal(signal.SIGCONT)
            time.sleep(seconds)
            done, cpu = world.verified - before, cpu_of(coordinator.process.pid) - cpu
            proven = len(prover.processed()) - proven
            assert coordinator.alive, coordinator.log()[-2000:]
            return done, proven, cpu, flood.counts()
    finally:
        world.close()


def hostile(programs, args):
    sys.path.insert(0, str(ROOT / "tests" / "scenario"))
    import process
    import world

    process.BUILD = args.build
    world.BATCHES = BATCHES
    seconds, rounds = (5, 1) if args.quick else (10, 2)
    seen = {False: [], True: []}
    with tempfile.TemporaryDirectory(dir=args.build) as name:
        templates = world.Templates(Path(name) / "templates")
        templates.where.mkdir()
        for i in range(rounds):
            for attacked in (False, True) if i % 2 else (True, False):
                seen[attacked].append(one_run(programs, args, templates, Path(name) / f"{i}{attacked}", seconds,
                                              attacked))
    among, alone = (sum(r[0] for r in seen[k]) for k in (True, False))
    for kind, n in seen[True][-1][3].items():
        print(f"  {kind:16} {n['answered']:8.0f} answered {n['refused']:8.0f} refused {n['failed']:8.0f} failed")
    ratio = among / max(alone, 1)
    row(f"honest prover among {SOURCES} hostile, batches/{rounds * seconds} s", among, alone, f"{ratio:.2f}", ">= 0.80",
        ratio >= 0.80)
    among, alone = (sum(r[1] for r in seen[k]) for k in (True, False))
    row("  proven by it", among, alone, f"{among / max(alone, 1):.2f}", "-", None)
    cpu, base = (sum(r[2] for r in seen[k]) for k in (True, False))
    row("  the daemon's CPU seconds", f"{cpu:.1f}", f"{base:.1f}", "-", "-", None)
