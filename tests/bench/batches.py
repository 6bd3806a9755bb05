"""What a batch costs: the executor beside the bare loop over the EVM, and the way from PUT to verified."""
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import CORES, ROOT, row, values

# Intervals of the daemon's sender and of the prover's asking, as the scenarios' worlds set them: seconds.
SEND, POLL = 0.2, 0.05


def scenario(args):
    """The scenarios' modules, told which programs are measured."""
    os.sched_setaffinity(0, CORES)
    sys.path.insert(0, str(ROOT / "tests" / "scenario"))
    import process

    process.BUILD = args.build
    import test_real_batches

    return test_real_batches


def built(real, args):
    if real.BUILDER.exists():
        return True
    print(f"SKIPPED: {real.BUILDER} is not built (scripts/build-rust)", flush=True)
    return False


def make_setup(directory):
    path = directory / "l2.json"
    subprocess.run(["node", ROOT / "contracts" / "devnet" / "genesis.mjs", path], check=True)
    return path


def executor(programs, args):
    """In one process, built as for the guest image: parse and execution beside the bare loop."""
    real = scenario(args)
    if not built(real, args):
        return
    with tempfile.TemporaryDirectory(dir=args.build) as name:
        setup, large = make_setup(Path(name)), Path(name) / "built.input.json"
        batches = real.build(setup, *({"batch": n, "deposits": []} for n in range(1, 8)),
                             flags=["--load", "12", "--blocks", "4"])
        large.write_text(batches[-1][1])
        vectors = Path(os.environ.get("VECTORS_DIR") or ROOT.parent / "shared" / "vectors")
        inputs = {"L2 batch of the builder, MBs": f"l2={large}",
                  "L1 block of Hoodi": f"l1={vectors}/batch/hoodi-1265656.input.json",
                  "rollup batch of ethrex": f"l2={vectors}/ethrex/l2-rollup-batch55.input.json"}
        out = subprocess.run(["make", "--no-print-directory", "-C", ROOT / "executor", "bench", f"INPUTS={' '.join(inputs.values())}"],
                             capture_output=True, text=True)
        if out.returncode:
            raise SystemExit(out.stdout + out.stderr)
        for (what, wanted), line in zip(inputs.items(), out.stdout.splitlines(), strict=True):
            if line.startswith("SKIPPED"):
                print(line, flush=True)
                continue
            of_executor(what, values(line.split(" ", 1)[1]), blob="rollup" in what)


def of_executor(what, got, blob):
    """A blob's KZG proof is no part of the bare loop: some milliseconds, whatever the batch."""
    parse, run, bare = (got[f"{part}_ms"] for part in ("parse", "executor", "bare"))
    ratio = run / bare
    row(f"executor, {what}: ms (floor: bare EVM)", f"{run:.2f}", f"{bare:.2f}", f"{ratio:.3f}", "-" if blob else "<= 1.15",
        None if blob else ratio <= 1.15)
    share = parse / (parse + run)
    row("  parse ms, total ms, share of parse", f"{parse:.2f}", f"{parse + run:.2f}", f"{share:.2f}",
        "-" if blob else "<= 0.75", None if blob else share <= 0.75)
    row("  input bytes, gas, bytes per gas", f"{got['bytes']:.0f}", f"{got['gas']:.0f}", f"{got['bytes'] / got['gas']:.2f}",
        "-", None)
    # What small inputs need is mostly what every process needs.
    large, memory = got["bytes"] > 1 << 20, got["peak_bytes"] / got["bytes"]
    row("  peak memory, input, bytes per byte", f"{got['peak_bytes']:.0f}", f"{got['bytes']:.0f}", f"{memory:.2f}",
        "<= 5" if large else "-", memory <= 5 if large else None)


def put_to_verified(programs, args):
    """Batch by batch on a devnet, real blocks: from the PUT of the input to lastVerifiedBatch on L1. The floor:
    the executor's process on that input, and one turn of each interval that is waited for."""
    real = scenario(args)
    if not built(real, args):
        return
    import world

    count = 3 if args.quick else 12
    with tempfile.TemporaryDirectory(dir=args.build) as name:
        directory = Path(name)
        templates = world.Templates(directory / "templates")
        templates.where.mkdir()
        setup = make_setup(directory)
        for kind, flags in (("2 blocks, rollup", ["--rollup"]), ("4 blocks, MBs", ["--load", "12", "--blocks", "4"])):
            batches = real.build(setup, *({"batch": n, "deposits": []} for n in range(1, count + 1)), flags=flags)
            w = world.World(templates, directory / kind.split()[0], "tdx")
            try:
                took, alone = one_devnet(real, w, setup, batches, "--rollup" in flags)
            finally:
                w.close()
            # The first ones wait for the prover's registration, and their inputs are small.
            took, alone = (statistics.median(times[count // 3:]) for times in (took, alone))
            floor = alone + SEND + POLL
            row(f"PUT to verified, {kind}: ms a batch", f"{took * 1e3:.0f}", f"{floor * 1e3:.0f}", f"{took / floor:.2f}",
                "<= 2", took / floor <= 2)
            row("  bytes of the last, the executor's process ms", f"{len(batches[-1][1])}", f"{alone * 1e3:.0f}", "-", "-", None)


def one_devnet(real, w, setup, batches, rollup):
    """(seconds from PUT to verified, seconds of the executor's process) of each batch."""
    env = w.dir / "real.env"
    root = subprocess.run([real.BUILDER, setup, "genesis-root"], check=True, capture_output=True, text=True).stdout.strip()
    done = real.deploy(w.l1, env, ETHREX_DEPLOYER_GENESIS_STATE_ROOT=root, ETHREX_DEPLOYER_L2_CHAIN_ID=str(real.L2_CHAIN_ID),
                       **real.TDX, **(real.ROLLUP if rollup else {}))
    assert done.returncode == 0, done.stderr
    where = real.addresses(env)
    w.proposer = where["ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS"]
    coordinator = w.coordinator(LOG_LEVEL="info", SEND_INTERVAL=int(SEND * 1000),
                                **{k: where[k] for k in ("ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS", "ETHREX_TIMELOCK_ADDRESS")})
    coordinator.start()
    prover = w.prover(coordinator, executor=real.EXECUTOR).start()
    code, took, alone = real.cast("keccak", "52e4b64"), [], []
    for number, (summary, document) in enumerate(batches, 1):
        start = time.monotonic()
        real.executed(document.encode())
        alone.append(time.monotonic() - start)
        commit = {"from": w.l1.accounts[0], "to": where["ETHREX_TIMELOCK_ADDRESS"], "data": real.cast(
            "calldata", sys.modules["world"].COMMIT_BATCH, number, summary["stateRoot"], summary["withdrawalsRoot"],
            summary["privilegedDigest"], summary["lastBlockHash"], summary["nonPrivileged"], code, "[]", "[]")}
        if summary["blob"]:
            commit |= {**summary["blob"], "blobVersionedHashes": [summary["versionedHash"]], "maxFeePerBlobGas": hex(10**9)}
        start = time.monotonic()
        assert coordinator.put(number, document.encode())[0] == 201
        w.l1.transact(commit)
        while w.verified < number:
            assert prover.alive and time.monotonic() < start + 120, prover.log()[-2000:]
            time.sleep(0.005)
        took.append(time.monotonic() - start)
    return took, alone
