"""The devnet's own tools: the deployer, the batches, the sequencer that feeds a coordinator."""

import hashlib
import http.server
import json
import os
import signal
import socketserver
import subprocess
import threading
import time

import pytest

from l1 import CONTRACTS, VECTORS, cast
from process import until
from world import Key

TOKEN = "a token"
REAL_BLOCK = VECTORS / "batch" / "hoodi-1265656.input.json"


def deploy(l1, path, **env):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("ETHREX_")}
    return subprocess.run(
        ["node", CONTRACTS / "deploy.mjs", "--rpc", l1.url, "--env", path],
        env={**clean, **env}, capture_output=True, text=True, timeout=120,
    )


def addresses(path):
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


class Admin:
    """Stands in for the coordinator's admin listener; `answer` may be told what to say."""

    def __init__(self, l1, proposer, address):
        self.stored, self.refusals, self.too_late = {}, [], []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                status = outer.take(self.path, body, self.headers, l1, proposer)
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def address_string(self):
                return "unix"

            def log_message(self, *_):
                pass

        class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        if isinstance(address, tuple):
            self.server = http.server.ThreadingHTTPServer(address, Handler)
            self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        else:
            self.server = UnixServer(str(address), Handler)
            self.url = f"unix:{address}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, path, body, headers, l1, proposer):
        if headers["authorization"] != f"Bearer {TOKEN}":
            return 401
        if self.refusals:
            return self.refusals.pop(0)
        number = int(path.split("/")[-1].split("?")[0])
        if path in self.stored:
            return 200 if self.stored[path] == body else 409
        # An input must be here before its batch is committed.
        if l1.number(proposer, "lastCommittedBatch()") >= number:
            self.too_late.append(number)
        self.stored[path] = body
        return 201

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(params=["port", "unix"])
def devnet(l1, tmp_path, request):
    env = tmp_path / "contracts.env"
    assert deploy(l1, env).returncode == 0
    proposer = addresses(env)["ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS"]
    admin = Admin(l1, proposer, ("127.0.0.1", 0) if request.param == "port" else tmp_path / "admin.sock")
    admin.env, admin.proposer, admin.token = env, proposer, tmp_path / "token"
    admin.token.write_text(TOKEN + "\n")
    yield admin
    admin.close()


def sequencer(devnet, *flags):
    return subprocess.Popen(
        ["node", CONTRACTS / "devnet" / "sequencer.mjs", "--env", devnet.env, "--admin", devnet.url,
         "--token-file", devnet.token, "--interval", "0", *flags],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )


def finished(process):
    output, _ = process.communicate(timeout=120)
    return process.returncode, output


def wait_for_commit(l1, devnet, number):
    for _ in range(300):
        if l1.number(devnet.proposer, "lastCommittedBatch()") == number:
            return
        time.sleep(0.1)
    pytest.fail(f"batch {number} was not committed")


def check_input(body, number, parent):
    """Header chain of one stored input; returns the hash of its last block."""
    document = json.loads(body)
    assert list(document) == [
        "blocks", "execution_witness", "elasticity_multiplier", "blob_commitment", "blob_proof", "fee_configs",
    ]
    witness = document["execution_witness"]
    assert witness["chain_config"]["chainId"] == 560048
    assert witness["first_block_number"] == int(document["blocks"][0]["header"]["number"], 16)
    if parent:
        assert parent == document["blocks"][0]["header"]["parentHash"], number
    known = {cast("keccak", "0x" + bytes(header).hex()) for header in witness["block_headers_bytes"]}
    for block in document["blocks"]:
        assert block["header"]["parentHash"] in known, number
        last = header_hash(block["header"])
        known.add(last)
    return last


def header_hash(header):
    """By cast alone: cast encodes the RLP list and hashes it."""
    order = (
        "parentHash sha3Uncles miner stateRoot transactionsRoot receiptsRoot logsBloom difficulty number gasLimit gasUsed "
        "timestamp extraData mixHash nonce baseFeePerGas withdrawalsRoot blobGasUsed excessBlobGas parentBeaconBlockRoot requestsHash"
    ).split()
    numbers = {"difficulty", "number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas", "blobGasUsed", "excessBlobGas"}
    items = []
    for field in order:
        value = header[field]
        if field in numbers:
            digits = "%x" % int(value, 16) if int(value, 16) else ""
            value = "0x" + digits.rjust(len(digits) + len(digits) % 2, "0")
        items.append(value)
    return cast("keccak", cast("to-rlp", json.dumps(items)))


def test_deploying_twice_changes_nothing(l1, tmp_path):
    env = tmp_path / "contracts.env"
    first = deploy(l1, env)
    assert first.returncode == 0, first.stderr
    before, block = env.read_text(), l1.rpc("eth_blockNumber")
    again = deploy(l1, env)
    assert again.returncode == 0 and "already" in again.stdout
    assert (env.read_text(), l1.rpc("eth_blockNumber")) == (before, block)
    other = deploy(l1, env, ETHREX_L2_TDX="true", ETHREX_TDX_DEV_MODE="true")
    assert other.returncode == 0, other.stderr
    assert addresses(env)["ETHREX_TIMELOCK_ADDRESS"] not in before


@pytest.mark.parametrize("variable", ["ETHREX_DEPLOYER_TDX_DEPLOY_VERIFIER", "ETHREX_L2_TDX"])
def test_deploying_with_tdx(l1, tmp_path, variable):
    env = tmp_path / "contracts.env"
    done = deploy(l1, env, **{variable: "true", "ETHREX_TDX_DEV_MODE": "true"})
    assert done.returncode == 0, done.stderr
    a = addresses(env)
    proposer, verifier = a["ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS"], a["ETHREX_DEPLOYER_TDX_VERIFIER_ADDRESS"]
    assert l1.number(proposer, "REQUIRE_TDX_PROOF()") == 1
    assert l1.address(proposer, "TDX_VERIFIER_ADDRESS()") == verifier
    assert l1.address(proposer, "owner()") == a["ETHREX_TIMELOCK_ADDRESS"]
    assert l1.number(proposer, "CHAIN_ID()") == 560048
    assert l1.number(verifier, "isDevMode()") == 1
    assert l1.address(verifier, "timelock()") == a["ETHREX_TIMELOCK_ADDRESS"]
    for who in ("COMMITTER", "PROOF_SENDER", "TDX_REGISTRAR"):
        assert l1.number(a["ETHREX_TIMELOCK_ADDRESS"], "isSequencer(address)", a[f"ETHREX_DEPLOYER_{who}_L1_ADDRESS"]) == 1
    quote = VECTORS / "quote.example"
    if quote.exists():
        raw = bytes.fromhex(quote.read_text().strip().removeprefix("0x"))
        for name, at in (("MRTD()", 184), ("RTMR0()", 376), ("RTMR1()", 424), ("RTMR2()", 472)):
            assert cast("decode-abi", "f()(bytes)", l1.call(verifier, name)) == "0x" + raw[at : at + 48].hex()


def test_deploying_a_production_verifier(l1, tmp_path):
    env, dcap = tmp_path / "contracts.env", l1.deploy("MockDcap")
    refused = deploy(l1, env, ETHREX_L2_TDX="true")
    assert refused.returncode == 1 and "ETHREX_DEPLOYER_DCAP_ADDRESS" in refused.stderr and not env.exists()
    mrtd = "ab" * 48
    done = deploy(l1, env, ETHREX_L2_TDX="true", ETHREX_DEPLOYER_DCAP_ADDRESS=dcap, ETHREX_DEPLOYER_TDX_MRTD=mrtd)
    assert done.returncode == 0, done.stderr
    verifier = addresses(env)["ETHREX_DEPLOYER_TDX_VERIFIER_ADDRESS"]
    assert l1.number(verifier, "isDevMode()") == 0
    assert l1.address(verifier, "quoteVerifier()") == dcap
    assert cast("decode-abi", "f()(bytes)", l1.call(verifier, "MRTD()")) == "0x" + mrtd


def written(path, **changes):
    """measurements.json as tdx-quote measure writes it before a TD has run."""
    row = {"value": None, "confirmed": False, "how": "known from a TD's quote alone"}
    rows = {name: dict(row) for name in ("mrtd", "rtmr0", "rtmr1", "rtmr2")}
    rows["rtmr1"]["value"], rows["rtmr2"]["value"] = "1a" * 48, "2b" * 48
    for name, change in changes.items():
        rows[name].update(change)
    path.write_text(json.dumps(rows))
    return path


def test_deploying_what_was_predicted(l1, tmp_path):
    env, file = tmp_path / "contracts.env", tmp_path / "measurements.json"
    settings = {"ETHREX_L2_TDX": "true", "ETHREX_DEPLOYER_DCAP_ADDRESS": l1.deploy("MockDcap"),
                "ETHREX_DEPLOYER_TDX_MEASUREMENTS": str(written(file))}
    refused = deploy(l1, env, **settings)
    assert refused.returncode == 1 and "mrtd is not known" in refused.stderr and not env.exists()
    settings |= {"ETHREX_DEPLOYER_TDX_MRTD": "aa" * 48, "ETHREX_DEPLOYER_TDX_RTMR0": "bb" * 48}
    refused = deploy(l1, env, **settings)
    assert refused.returncode == 1 and "rtmr1 is not confirmed by a TD's quote" in refused.stderr and not env.exists()
    done = deploy(l1, env, **settings, ETHREX_DEPLOYER_TDX_ACCEPT_UNCONFIRMED="true")
    assert done.returncode == 0, done.stderr
    verifier = addresses(env)["ETHREX_DEPLOYER_TDX_VERIFIER_ADDRESS"]
    for name, byte in (("MRTD()", "aa"), ("RTMR0()", "bb"), ("RTMR1()", "1a"), ("RTMR2()", "2b")):
        assert cast("decode-abi", "f()(bytes)", l1.call(verifier, name)) == "0x" + byte * 48
    known = {"confirmed": True, "value": "cc" * 48}
    written(file, mrtd=known, rtmr0=known, rtmr1={"confirmed": True}, rtmr2={"confirmed": True})
    for name in ("MRTD", "RTMR0"):
        del settings[f"ETHREX_DEPLOYER_TDX_{name}"]
    assert deploy(l1, tmp_path / "other.env", **settings).returncode == 0


def test_a_file_that_is_no_measurements(l1, tmp_path):
    file = tmp_path / "measurements.json"
    for text, words in (("{}", "has no mrtd"), ("[", "JSON"), ("null", "has no mrtd")):
        file.write_text(text)
        done = deploy(l1, tmp_path / "contracts.env", ETHREX_L2_TDX="true", ETHREX_TDX_DEV_MODE="true",
                      ETHREX_DEPLOYER_TDX_MEASUREMENTS=str(file))
        assert done.returncode == 1 and words in done.stderr, done.stderr
    written(file, rtmr1={"value": "12"})
    done = deploy(l1, tmp_path / "contracts.env", ETHREX_L2_TDX="true", ETHREX_TDX_DEV_MODE="true",
                  ETHREX_DEPLOYER_TDX_MEASUREMENTS=str(file))
    assert done.returncode == 1 and "rtmr1 is not 48 bytes" in done.stderr


def taken(file, **env):
    """What the deployer would take from it: NAME to value; or why it would not."""
    done = subprocess.run(["node", CONTRACTS / "measurements.mjs"], text=True, capture_output=True, timeout=60,
                          env={**os.environ, "ETHREX_DEPLOYER_TDX_MEASUREMENTS": str(file), **env})
    assert done.returncode in (0, 1) and len(done.stderr.splitlines()) == done.returncode, done
    return dict(line.split() for line in done.stdout.splitlines()) or done.stderr


def test_a_measurement_that_is_none_is_not_replaced(tmp_path):
    """By ethrex's image, least of all where it says that it is confirmed."""
    file = tmp_path / "measurements.json"
    known = {name: {"value": "ab" * 48, "confirmed": True} for name in ("mrtd", "rtmr0", "rtmr1", "rtmr2")}
    assert taken(written(file, **known)) == {name: "0x" + "ab" * 48 for name in known}
    for value in ("", 0, False, 5, True, [], ["ab" * 48], {}, "ab" * 47, "ab" * 48 + "\n", "0x"):
        written(file, **{**known, "rtmr0": {"value": value}})
        for development in ("false", "true"):
            said = taken(file, ETHREX_TDX_DEV_MODE=development)
            assert f"{file}: rtmr0 is not 48 bytes of hex: " in said, (value, said)
    for row in ("ab" * 48, 5, True, None, ["value"]):
        rows = json.loads(written(file, **known).read_text())
        file.write_text(json.dumps({**rows, "rtmr0": row}))
        assert f"{file} has no rtmr0: it is no measurements.json" in taken(file), row


def test_a_measurement_is_what_its_events_lead_to(tmp_path):
    known = {name: {"value": "ab" * 48, "confirmed": True} for name in ("mrtd", "rtmr0", "rtmr1", "rtmr2")}
    digests = [hashlib.sha384(b"one").digest(), hashlib.sha384(b"two").digest()]
    register = bytes(48)
    for digest in digests:
        register = hashlib.sha384(register + digest).digest()
    events = [{"rtmr": 0, "digest": "00" * 48, "what": "of which the rest is not known"}] + [
        {"rtmr": 2, "digest": digest.hex(), "what": "an event"} for digest in digests]
    file = written(tmp_path / "measurements.json", **{**known, "rtmr2": {"value": register.hex(), "confirmed": True}})
    right = json.loads(file.read_text())
    file.write_text(json.dumps({**right, "events": events}))
    assert taken(file)["rtmr2"] == "0x" + register.hex()
    file.write_text(json.dumps({**right, "events": events[:2]}))
    assert f"rtmr2 is {register.hex()}, which is not what its 1 events lead to: " in taken(file)


@pytest.mark.parametrize("env, complaint", [
    ({"ETHREX_L2_TDX": "yes"}, "neither true nor false"),
    ({"ETHREX_L2_TDX": "true", "ETHREX_TDX_DEV_MODE": "true", "ETHREX_DEPLOYER_TDX_RTMR1": "12"}, "RTMR1 is not 48 bytes"),
    ({"ETHREX_L2_SP1": "true"}, "ETHREX_DEPLOYER_SP1_VERIFIER_ADDRESS"),
])
def test_bad_settings_are_refused_in_words(l1, tmp_path, env, complaint):
    done = deploy(l1, tmp_path / "contracts.env", **env)
    assert done.returncode == 1 and complaint in done.stderr


def test_batches_are_fed_and_committed(l1, devnet):
    code, output = finished(sequencer(devnet, "--batches", "6", "--commit-hash", "abcdef1"))
    assert code == 0, output
    assert l1.number(devnet.proposer, "lastCommittedBatch()") == 6
    assert devnet.too_late == []
    last, before = None, l1.call(devnet.proposer, "batchCommitments(uint256)", 0)[:66]
    for number in range(1, 7):
        body = devnet.stored[f"/api/v1/batches/{number}?commit_hash=abcdef1"]
        last = check_input(body, number, last)
        blocks = json.loads(body)["blocks"]
        commitment = l1.call(devnet.proposer, "batchCommitments(uint256)", number)
        words = ["0x" + commitment[2 + 64 * i : 66 + 64 * i] for i in range(7)]
        assert words[0] == blocks[-1]["header"]["stateRoot"] != before
        assert [int(w, 16) for w in words[1:4]] == [0, 0, 0]
        assert words[4] == last
        assert int(words[5], 16) == sum(len(b["body"]["transactions"]) for b in blocks) > 0
        assert words[6] == cast("keccak", "abcdef1")
        before = words[0]
    if not REAL_BLOCK.exists():
        pytest.skip(f"SKIPPED: {REAL_BLOCK} is absent, batch 1 was generated (set VECTORS_DIR)")
    first = devnet.stored["/api/v1/batches/1?commit_hash=abcdef1"]
    assert hashlib.sha256(first).digest() == hashlib.sha256(REAL_BLOCK.read_bytes()).digest()
    hash_ = l1.call(devnet.proposer, "batchCommitments(uint256)", 1)[2 + 64 * 4 : 66 + 64 * 4]
    assert hash_.startswith("ac77c202") and hash_.endswith("e6db")


def test_the_sequencer_resumes_where_the_chain_is(l1, devnet):
    assert finished(sequencer(devnet, "--batches", "3"))[0] == 0
    stored = dict(devnet.stored)
    devnet.stored.clear()  # a coordinator that lost its disk gets the same bytes again
    code, output = finished(sequencer(devnet, "--batches", "5"))
    assert code == 0, output
    assert {path: devnet.stored[path] for path in stored} == stored
    assert len(devnet.stored) == 5
    assert finished(sequencer(devnet, "--batches", "5"))[0] == 0
    assert l1.number(devnet.proposer, "lastCommittedBatch()") == 5


def test_the_sequencer_follows_an_l1_that_goes_back(l1, devnet):
    assert finished(sequencer(devnet, "--batches", "2"))[0] == 0
    snapshot = l1.rpc("evm_snapshot")
    running = sequencer(devnet, "--max-unverified", "4")
    wait_for_commit(l1, devnet, 4)
    stored = dict(devnet.stored)
    devnet.stored.clear()
    assert l1.rpc("evm_revert", snapshot)
    for _ in range(300):
        if len(devnet.stored) == 4:
            break
        time.sleep(0.1)
    wait_for_commit(l1, devnet, 4)
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=30)
    assert devnet.stored == stored


def test_the_sequencer_sends_again_what_l1_dropped(l1, devnet):
    assert finished(sequencer(devnet, "--batches", "1"))[0] == 0
    assert l1.rpc("evm_setAutomine", False) is None
    try:
        running = sequencer(devnet, "--batches", "2")
        for _ in range(300):
            waiting = l1.rpc("txpool_content")["pending"]
            if waiting:
                break
            time.sleep(0.1)
        (sent,) = [tx["hash"] for of in waiting.values() for tx in of.values()]
        assert l1.rpc("anvil_dropTransaction", sent) == sent
    finally:
        l1.rpc("evm_setAutomine", True)
    code, output = finished(running)
    assert code == 0 and f"{sent} is gone" in output
    assert l1.number(devnet.proposer, "lastCommittedBatch()") == 2


def test_the_sequencer_repeats_what_may_pass_and_gives_up_on_the_rest(l1, devnet):
    devnet.refusals = [503, 429, 507]
    code, output = finished(sequencer(devnet, "--batches", "1"))
    assert code == 0 and "503" in output and "507" in output
    devnet.stored["/api/v1/batches/2?commit_hash=52e4b64"] = b"something else"
    code, output = finished(sequencer(devnet, "--batches", "2"))
    assert code == 1 and "409" in output
    devnet.token.write_text("wrong")
    code, output = finished(sequencer(devnet, "--batches", "2"))
    assert code == 1 and "401" in output
    assert l1.number(devnet.proposer, "lastCommittedBatch()") == 1


def test_the_sequencer_waits_for_a_coordinator_and_for_verification(l1, devnet):
    url = devnet.url
    devnet.url = "http://127.0.0.1:1"
    waiting = sequencer(devnet)
    assert "not stored yet" in waiting.stdout.readline() + waiting.stdout.readline()
    waiting.send_signal(signal.SIGTERM)
    waiting.communicate(timeout=30)
    assert l1.number(devnet.proposer, "lastCommittedBatch()") == 0

    devnet.url = url
    ahead = sequencer(devnet, "--max-unverified", "2")
    wait_for_commit(l1, devnet, 2)
    time.sleep(1.5)
    assert l1.number(devnet.proposer, "lastCommittedBatch()") == 2
    ahead.send_signal(signal.SIGTERM)
    ahead.communicate(timeout=30)


def test_batch_1_is_generated_where_the_real_block_is_absent(l1, tmp_path):
    script = (
        f'import {{ Chain }} from "{CONTRACTS}/devnet/batches.mjs";'
        "const c = new Chain(); const out = [c.startsWithRealBlock, c.genesisStateRoot];"
        "for (const n of [3, 1, 2]) out.push(c.batch(n).bytes.toString());"
        "console.log(JSON.stringify(out));"
    )
    done = subprocess.run(
        ["node", "--input-type=module", "-e", script], env={**os.environ, "VECTORS_DIR": str(tmp_path)},
        capture_output=True, text=True, timeout=60, check=True,
    )
    real, genesis, third, first, second = json.loads(done.stdout)
    assert real is False
    last = None
    for number, body in enumerate((first, second, third), 1):
        last = check_input(body, number, last)
    parent = "0x" + bytes(json.loads(first)["execution_witness"]["block_headers_bytes"][0]).hex()
    assert json.loads(cast("from-rlp", parent))[3] == genesis


def test_list_roots_are_those_of_the_real_block():
    if not REAL_BLOCK.exists():
        pytest.skip(f"SKIPPED: {REAL_BLOCK} is absent, no real trie root to compare with (set VECTORS_DIR)")
    script = (
        f'import {{ listRoot, rlp, quantity, fromHex, toHex }} from "{CONTRACTS}/devnet/rlp.mjs";'
        'import { readFileSync } from "node:fs";'
        f'const [{{ body }}] = JSON.parse(readFileSync("{REAL_BLOCK}")).blocks;'
        "const item = (w) => rlp([quantity(w.index), quantity(w.validatorIndex), fromHex(w.address), quantity(w.amount)]);"
        "console.log(toHex(listRoot(body.withdrawals.map(item))));"
    )
    done = subprocess.run(
        ["node", "--input-type=module", "-e", script], capture_output=True, text=True, timeout=60, check=True, cwd=CONTRACTS,
    )
    header = json.loads(REAL_BLOCK.read_text())["blocks"][0]["header"]
    assert done.stdout.strip() == header["withdrawalsRoot"]


def test_the_sequencer_gives_a_broken_input_again(world):
    c = world.coordinator().start()
    sequencer_ = world.sequencer(c, "--max-unverified", "2").start()
    until("two batches", lambda: c.status()["l1"]["last_committed_batch"] == 2)
    broken = next(p for p in (c.data / "inputs").iterdir() if p.read_bytes() == world.batch(1)["input"])
    broken.write_bytes(broken.read_bytes().replace(b"{", b"[", 1))
    sequencer_.saw(r"batch 1: broken in the coordinator, input given again \(201\)$")
    assert c.status()["work"]["inputs_broken"] == []
    key = Key()
    c.enroll(key)
    assert [world.prove(c, key) for _ in range(2)] == [1, 2]
    until("both verified", lambda: world.verified >= 2)
