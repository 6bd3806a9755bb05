"""scripts/devnet, which is make init, down and status: the whole devnet in one command, twice."""

import json
import os
import pathlib
import re
import signal
import subprocess
import urllib.request

import pytest

from l1 import BIN, REPO, free_port
from process import BUILD, clean_env, until

DEADLINE = 300
# Without Rust (EXECUTOR=none) there is nothing that builds and executes blocks.
BUILT = (BUILD / "sequencer" / "l2-block-builder").exists()


def runs(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Devnet:
    def __init__(self, directory, **settings):
        self.dir, self.l1_port = directory, free_port()
        self.settings = {
            "DEVNET_DIR": directory, "BUILD_DIR": BUILD, "DEVNET_BATCHES": "built" if BUILT else "made-up",
             "ETHREX_DEVNET_L1_PORT": self.l1_port,
            "ETHREX_PROOF_COORDINATOR_LISTEN_PORT": free_port(), "ETHREX_DEVNET_ADMIN_PORT": free_port(),
            "ETHREX_PROOF_COORDINATOR_SEND_INTERVAL": 300, "ETHREX_DEVNET_BATCHES": 2, "BATCH_INTERVAL": 1, **settings}

    def run(self, verb, wanted=0):
        done = subprocess.run([REPO / "scripts" / "devnet", verb], env=clean_env(**self.settings), text=True,
                              capture_output=True, timeout=DEADLINE)
        assert done.returncode == wanted, done.stdout + done.stderr
        return done.stdout

    def pids(self):
        return {p.stem: int(p.read_text().split()[0]) for p in (self.dir / "pids").glob("*.pid")}

    def verified(self):
        proposer = re.search(r"^ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS=(\S+)$",
                             (self.dir / "contracts.env").read_text(), re.M)[1]
        done = subprocess.run([BIN / "cast", "call", proposer, "lastVerifiedBatch()(uint256)", "--rpc-url",
                               f"http://127.0.0.1:{self.l1_port}"], capture_output=True, text=True, check=True)
        return int(done.stdout.split()[0])


@pytest.fixture(name="new_devnet")
def _new_devnet(tmp_path):
    made = []

    def new(**settings):
        made.append(Devnet(tmp_path / "devnet", **settings))
        return made[-1]

    yield new
    for d in made:
        d.run("down")


def test_up_twice_down_twice_and_up_again(new_devnet):
    d = new_devnet()
    assert "not running" in d.run("status", wanted=1)
    said = d.run("up")
    assert d.verified() >= 2 and set(d.pids()) == {"l1", "coordinator", "sequencer", "prover"}
    assert "verified on L1: batch 0 of 2\n" in said and "verified on L1: batch 2 of 2\n" in said, said
    assert [int(n) for n in re.findall(r"^devnet: step (\d) of 6: ", said, re.M)] == [1, 2, 3, 4, 5, 6], said
    # What it ends with can be pasted.
    look = re.search(r"^Look at it:\n  (\S+) status --env-file (\S+)$", said, re.M)
    shown = subprocess.run([look[1], "status", "--env-file", look[2]], env=clean_env(), capture_output=True, text=True,
                           cwd=pathlib.Path.cwd(), timeout=60)
    assert shown.returncode == 0 and shown.stdout.startswith("coordinator  ready"), shown
    url = re.search(r"^  (http://127.0.0.1:\d+/) .*status page", said, re.M)[1]
    with urllib.request.urlopen(url) as page, urllib.request.urlopen(f"{url}api/v1/overview") as overview:
        assert b"<title>Proof coordinator</title>" in page.read()
        assert json.load(overview)["l1"]["last_verified_batch"] >= 2, "reads are open on a devnet"
    for line in ("OnChainProposer    0x", "make down", "lastVerifiedBatch()(uint256)", "tail -f "):
        assert line in said, said
    if BUILT:
        executed = re.findall(r"^Executor: executed blocks (\d+) to (\d+), .* state root (0x\w{64}) to (0x\w{64})$",
                              (d.dir / "logs" / "prover.log").read_text(), re.M)
        assert [line[:2] for line in executed[:2]] == [("1", "2"), ("3", "4")]
        assert f"L2 starts from state root {executed[0][2]}\n" in said and executed[0][3] == executed[1][2]
        batches = (d.dir / "logs" / "sequencer.log").read_text()
        assert "batch 1: blocks 1..2, 8 transactions, 1 deposits, 1 withdrawals" in batches, batches
    before = d.pids()
    assert "The devnet runs" in d.run("up") and d.pids() == before, "what runs is left alone"
    assert re.search(r"batches +committed \d+, verified \d+", d.run("status"))
    reached = d.verified()
    d.run("down")
    for pid in before.values():
        assert not runs(pid)
    d.run("down")
    d.settings["ETHREX_DEVNET_BATCHES"] = reached + 1
    d.run("up")
    assert d.verified() >= reached + 1, "the chain and the data were kept"


@pytest.mark.skipif(not BUILT, reason="SKIPPED: no block builder (scripts/build-rust)")
def test_a_rollup_whose_batches_are_blobs(new_devnet):
    """DEVNET_ROLLUP: each commit is a transaction of type 3; its blob is what the executor's KZG proof speaks of."""
    d = new_devnet(DEVNET_ROLLUP="true", ETHREX_DEPLOYER_TDX_DEPLOY_VERIFIER="true", ETHREX_TDX_DEV_MODE="true")
    d.run("up")
    assert d.verified() >= 2
    rpc = ["--rpc-url", f"http://127.0.0.1:{d.l1_port}"]
    commits = re.findall(r"^\S+ batch \d+: blocks .* committed in (0x\w{64})", (d.dir / "logs" / "sequencer.log").read_text(), re.M)
    assert len(commits) >= 2
    for sent in commits[:2]:
        tx = json.loads(subprocess.run([BIN / "cast", "tx", sent, "--json", *rpc], capture_output=True, check=True).stdout)
        (versioned,) = tx["blobVersionedHashes"]
        assert int(tx["type"], 16) == 3 and versioned.startswith("0x01")
    executed = re.findall(r"^Executor: executed blocks", (d.dir / "logs" / "prover.log").read_text(), re.M)
    assert len(executed) >= 2


def test_a_misspelt_setting_of_makes_command_line_is_named():
    names = {"ETHREX_TDX_DEVMODE": True, "ETHREX_TDX_DEV_MODE": False, "ETHREX_L2_SP1": False,
             "ETHREX_PROOF_COORDINATOR_MAX_INPUTS": False, "ETHREX_DEPLOYER_TDX_RTMR2": False}
    line = subprocess.run(["make", "--no-print-directory", "-n", "init", *(f"{name}=1" for name in names)], cwd=REPO, text=True,
                          capture_output=True, check=True).stdout.splitlines()[-1].split()
    assert line[:2] == ["scripts/devnet", "up"] and set(line[2:]) == set(names)
    # No devnet has no provers: it ends before anything is started.
    done = subprocess.run(line, cwd=REPO, env=clean_env(DEVNET_PROVERS=0), text=True, capture_output=True, timeout=DEADLINE)
    assert done.returncode == 1
    for name, strange in names.items():
        assert (f"{name}: nothing here reads" in done.stderr) == strange, done.stderr


def test_a_prover_of_ones_own_in_dev_mode(new_devnet):
    d = new_devnet(ETHREX_DEPLOYER_TDX_DEPLOY_VERIFIER="true", ETHREX_TDX_DEV_MODE="true", PROVER="none",
                   PROOF_COORDINATOR_ADDRESS="0.0.0.0")
    said = d.run("up")
    hint = re.search(r"^  (.*)make -C quote-gen run$", said, re.M)
    assert hint and "TDXVerifier        0x" in said and "prover" not in d.pids()
    # As the summary says to, in a second terminal.
    told = dict(word.split("=", 1) for word in hint[1].split())
    if BUILD.resolve() == (REPO / "build" / "release").resolve():
        command = ["make", "-C", REPO / "quote-gen", "run"]
    else:
        command = [BUILD / "quote-gen" / "quote-gen"]
    with open(d.dir / "prover.log", "wb") as log:
        prover = subprocess.Popen(command, env=clean_env(**told), stdin=subprocess.DEVNULL, stdout=log,
                                  stderr=subprocess.STDOUT, start_new_session=True)
    try:
        until("two batches verified", lambda: d.verified() >= 2, DEADLINE, 0.5)
    finally:
        os.killpg(prover.pid, signal.SIGTERM)
        prover.wait(30)
    assert "Processed batch 2" in (d.dir / "prover.log").read_text()


def test_production_mode_and_the_death_of_the_active_prover(new_devnet):
    """From quotes of the software enclave to verified batches; then kill -9 of who is registered."""
    d = new_devnet(ETHREX_DEPLOYER_TDX_DEPLOY_VERIFIER="true", ETHREX_PROOF_COORDINATOR_DEV_MODE="false",
                   DEVNET_PROVERS=2, ETHREX_DEVNET_PCCS_PORT=free_port())
    d.run("up")
    assert d.verified() >= 2 and {"pccs", "software-qe", "prover", "prover-2"} <= set(d.pids())
    log = d.dir / "logs" / "coordinator.log"

    def registered():
        return re.findall(r"event=registered signer=0x([0-9a-fA-F]{40})", log.read_text())

    active = registered()[-1].lower()
    mine = [name for name in ("prover", "prover-2") if active in (d.dir / "logs" / f"{name}.log").read_text()]
    os.kill(d.pids()[mine[0]], signal.SIGKILL)
    reached = d.verified()
    until("the other is registered", lambda: registered()[-1].lower() != active, DEADLINE, 0.5)
    until("batches go on", lambda: d.verified() > reached + 1, DEADLINE, 0.5)
