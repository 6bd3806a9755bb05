"""Published releases of ethrex against ours: each one's own types ask a coordinator, read its answers and
submit; each message goes through its code and through our protocol library, both ways. The executor's
sources, on the crates of 24 and of 31, give the same output for the inputs of either. The table in
docs/EXECUTOR.md says what came out; CONFORMANCE_WRITE=1 (make conformance) writes it."""

import functools
import json
import os
import re
import subprocess

import pytest

from l1 import REPO, VECTORS
from process import BUILD
from world import COMMIT_HASH, Key, until

PROGRAMS = BUILD / "tests" / "ethrex"
EXECUTORS = {24: PROGRAMS / "ethrex-executor-24", 31: BUILD / "quote-gen" / "ethrex-executor"}
KEPT = REPO / "executor" / "tests" / "vectors" / "built.input.json"
RELEASES = range(17, 32)
DAILY = (24, 31)
MESSAGES = 400
DOC = REPO / "docs" / "EXECUTOR.md"
HEAD = ("| release | messages | over TCP | inputs of release 24 | inputs of ethrex of 2026-04 |\n"
        "|---|---|---|---|---|\n")


def client(release, *argv, text):
    done = subprocess.run([PROGRAMS / f"ethrex-client-{release}", *map(str, argv)], input=text, capture_output=True,
                          timeout=120)
    assert done.returncode == 0, f"release {release}: {done.stderr.decode()[:400]}"
    return done.stdout


@pytest.fixture(params=RELEASES)
def release(request):
    path = PROGRAMS / f"ethrex-client-{request.param}"
    if not path.exists():
        how = "scripts/build-rust" if request.param in DAILY else "make conformance"
        pytest.skip(f"SKIPPED: {path} is not built ({how})")
    return request.param


def reencoded(text):
    done = subprocess.run([PROGRAMS / "reencode"], input=text, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def random_messages_both_ways(release):
    """As its types write them, as ours do after reading them, as its types do after reading ours."""
    theirs = client(release, "random", 20261129 + release, MESSAGES, text=b"")
    kinds = {m if isinstance(m, str) else next(iter(m)) for m in map(json.loads, theirs.splitlines())}
    assert kinds == {"ProverSetup", "ProverSetupACK", "InputRequest", "VersionMismatch", "ProverTypeNotNeeded",
                     "InputResponse", "ProofSubmit", "ProofSubmitACK"}
    ours = reencoded(theirs)
    assert ours == theirs
    assert client(release, "read", text=ours) == theirs
    return f"{MESSAGES}, byte for byte"


def a_prover_of_this_release(release, world):
    """From its key to a batch that is verified on L1, and an input that release 24 built."""
    coordinator = world.coordinator().start()

    def says(message):
        text = json.dumps(message, separators=(",", ":")).encode()
        return json.loads(client(release, "say", f"127.0.0.1:{coordinator.port}", text=text))

    def asks(commit_hash=COMMIT_HASH, prover_type="TDX"):
        return says({"InputRequest": {"commit_hash": commit_hash, "prover_type": prover_type}})

    key = Key()
    coordinator.enroll(key)
    assert says({"ProverSetup": {"prover_type": "TDX", "payload": list(key.payload)}}) == "ProverSetupACK"
    assert asks() == {"InputResponse": {"id": None, "input": None, "format": None}}
    world.feed(coordinator, 1)
    assert coordinator.put(2, KEPT.read_bytes().strip())[0] == 201
    assert asks(commit_hash="0000000") == "VersionMismatch"
    assert asks(prover_type="SP1") == {"ProverTypeNotNeeded": {"prover_type": "SP1"}}
    answer = asks()["InputResponse"]
    assert answer["id"] == 1 and answer["format"] == "Groth16"
    assert answer["input"]["blocks"][-1]["header"] == json.loads(world.batch(1)["input"])["blocks"][-1]["header"]
    proof = {"Proof": {"prover_type": "TDX", "proof": list(world.proof(key, 1))}}
    assert says({"ProofSubmit": {"id": 1, "proof": proof}}) == {"ProofSubmitACK": {"id": 1}}
    until("batch 1 verified", lambda: world.verified == 1)
    answer = asks()["InputResponse"]
    assert answer["id"] == 2 and answer["input"]["blocks"] == json.loads(KEPT.read_bytes())["blocks"]
    return "registers, asks, proves: verified on L1"


@functools.cache
def output(release, text):
    done = subprocess.run([EXECUTORS[release]], input=text, capture_output=True, timeout=120)
    assert done.returncode == 0, f"release {release}: {done.stderr.decode()}"
    return done.stdout


def executed_alike(release, text):
    """Executed on this release's crates with the outcome of all others; False: it has no executor here."""
    if release not in EXECUTORS:
        return False
    assert len({output(of, text) for of in EXECUTORS}) == 1
    return True


def inputs_of_2026_04(release):
    manifest = VECTORS / "ethrex" / "MANIFEST.json"
    if not manifest.exists():
        return None
    names = [entry["file"] for entry in json.loads(manifest.read_text())]
    for name in names:
        text = (VECTORS / "ethrex" / name).read_bytes()
        client(release, "input", text=text)
        executed = executed_alike(release, text)
    return f"all {len(names)} read" + ", executed" * executed


def test_what_it_reads_and_writes(release, world):
    kept = client(release, "input", text=KEPT.read_bytes()).decode().strip()
    last = json.loads((KEPT.parent / "built.summary.json").read_text())["lastBlockHash"]
    assert kept == f"2 blocks, 9 transactions, {last}"
    cells = [random_messages_both_ways(release), a_prover_of_this_release(release, world),
             "read" + ", executed" * executed_alike(release, KEPT.read_bytes()), inputs_of_2026_04(release)]
    held_against_the_table(release, cells)


def held_against_the_table(release, cells):
    doc = DOC.read_text()
    before, table, after = re.fullmatch(r"(.*<!-- releases -->\n)(.*)(<!-- /releases -->.*)", doc, re.S).groups()
    rows = dict(re.findall(r"^\| (\d+)\.0\.0 \| (.*) \|$", table, re.M))
    had = rows.get(str(release), "").split(" | ")
    # Where there are no vectors, what was seen with them stands.
    rows[str(release)] = " | ".join(had[i] if cell is None and i < len(had) else str(cell) for i, cell in enumerate(cells))
    written = HEAD + "".join(f"| {n}.0.0 | {rows[n]} |\n" for n in sorted(rows, key=int))
    if os.environ.get("CONFORMANCE_WRITE") == "1":
        DOC.write_text(before + written + after)
    else:
        assert written == table, "docs/EXECUTOR.md says something else of this release: make conformance writes it"
