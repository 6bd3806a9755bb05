"""Batches that are really executed: built by sequencer/, executed by executor/, committed and verified
on L1; a deposit arrives, a withdrawal is claimed."""

import hashlib
import json
import re
import subprocess

import pytest

from l1 import CONTRACTS, REPO, Reverted, Signer, cast
from process import BUILD
from test_devnet import TOKEN, Admin, addresses, deploy, finished, header_hash, sequencer

BUILDER = BUILD / "sequencer" / "l2-block-builder"
EXECUTOR = BUILD / "quote-gen" / "ethrex-executor"
KEPT = REPO / "executor" / "tests" / "vectors"
VERIFY = "verifyBatches(uint256,bytes[],bytes[],bytes[])"
CLAIM = "claimWithdrawal(uint256,uint256,uint256,bytes32[])"
L2_CHAIN_ID = 65536999

pytestmark = pytest.mark.skipif(not BUILDER.exists(), reason=f"SKIPPED: {BUILDER} is not built (scripts/build-rust)")


@pytest.fixture
def setup(l1, tmp_path):
    """genesis.mjs's file and the state root that the block builder computes from it."""
    path = tmp_path / "l2.json"
    subprocess.run(["node", CONTRACTS / "devnet" / "genesis.mjs", path], check=True)
    root = subprocess.run([BUILDER, path, "genesis-root"], check=True, capture_output=True, text=True).stdout.strip()
    return path, root


@pytest.fixture
def devnet(l1, setup, tmp_path, request):
    env = tmp_path / "contracts.env"
    done = deploy(l1, env, ETHREX_DEPLOYER_GENESIS_STATE_ROOT=setup[1], ETHREX_DEPLOYER_L2_CHAIN_ID="65536999",
                  **{"ETHREX_DEPLOYER_ROLLUP": "false", **getattr(request, "param", {})})
    assert done.returncode == 0, done.stderr
    where = addresses(env)
    admin = Admin(l1, where["ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS"], ("127.0.0.1", 0))
    admin.env, admin.token, admin.setup = env, tmp_path / "token", setup[0]
    admin.proposer, admin.timelock = where["ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS"], where["ETHREX_TIMELOCK_ADDRESS"]
    admin.bridge, admin.sender = where["ETHREX_WATCHER_BRIDGE_ADDRESS"], where["ETHREX_DEPLOYER_PROOF_SENDER_L1_ADDRESS"]
    admin.token.write_text(TOKEN + "\n")
    yield admin
    admin.close()


def commit_until(devnet, number, *flags):
    code, output = finished(
        sequencer(devnet, "--builder", BUILDER, "--setup", devnet.setup, "--batches", str(number), *flags))
    assert code == 0, output
    return output


def inputs(devnet):
    """{batch: input} as the coordinator got them."""
    return {int(path.split("/")[-1].split("?")[0]): body for path, body in devnet.stored.items()}


def build(setup, *requests, flags=()):
    """[(summary, input bytes)] of the block builder itself."""
    asked = "".join(json.dumps(r) + "\n" for r in requests)
    run = subprocess.run([BUILDER, setup, "build", *flags], input=asked, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    return [(json.loads(s), i) for s, i in zip(lines[::2], lines[1::2])]


def executed(document):
    run = subprocess.run([EXECUTOR], input=document, capture_output=True)
    assert run.returncode == 0, run.stderr.decode()
    return run.stdout


def test_a_deposit_arrives_and_a_withdrawal_is_claimed(l1, devnet):
    commit_until(devnet, 1)
    l1.send(devnet.bridge, "deposit(address)", l1.accounts[5], value=10**18)
    commit_until(devnet, 3)
    privileged = [
        t for block in json.loads(inputs(devnet)[2])["blocks"] for t in block["body"]["transactions"] if t["type"] == "0x7e"
    ]
    assert [(t["value"], t["input"][-40:]) for t in privileged] == [(hex(10**18), l1.accounts[5][2:].lower())]

    claimer, amount = l1.accounts[0], 1000002
    claim = (CLAIM, amount, 2, 2, "[]")
    with pytest.raises(Reverted) as e:
        l1.send(devnet.bridge, *claim, sender=claimer)
    assert e.value.selector == cast("sig", "BatchNotVerified()")
    none = "[0x,0x,0x]"
    l1.send(devnet.timelock, VERIFY, 1, none, none, none, sender=devnet.sender)
    assert l1.number(devnet.proposer, "lastVerifiedBatch()") == 3
    with pytest.raises(Reverted) as e:
        l1.send(devnet.bridge, CLAIM, amount + 1, 2, 2, "[]", sender=claimer)
    assert e.value.selector == cast("sig", "InvalidWithdrawalProof()")
    before = int(l1.rpc("eth_getBalance", devnet.bridge, "latest"), 16)
    l1.send(devnet.bridge, *claim, sender=claimer)
    assert before - int(l1.rpc("eth_getBalance", devnet.bridge, "latest"), 16) == amount
    with pytest.raises(Reverted) as e:
        l1.send(devnet.bridge, *claim, sender=claimer)
    assert e.value.selector == cast("sig", "WithdrawalAlreadyClaimed()")


class Verifier:
    """Verifies on L1 with the one key that is registered there."""

    def __init__(self, l1, devnet):
        self.l1, self.devnet, self.key = l1, devnet, Signer()
        where = addresses(devnet.env)
        l1.send(where["ETHREX_DEPLOYER_TDX_VERIFIER_ADDRESS"], "register(bytes)", self.key.address,
                sender=where["ETHREX_DEPLOYER_TDX_REGISTRAR_L1_ADDRESS"])

    def verify(self, first, *outputs):
        none = "[" + ",".join(["0x"] * len(outputs)) + "]"
        signatures = "[" + ",".join(self.key.sign("0x" + output.hex()) for output in outputs) + "]"
        self.l1.send(self.devnet.timelock, VERIFY, first, none, none, signatures, sender=self.devnet.sender)

    def refused(self, first, *outputs):
        with pytest.raises(Reverted) as e:
            self.verify(first, *outputs)
        assert e.value.selector == cast("sig", "InvalidTdxProof()")

    @property
    def verified(self):
        return self.l1.number(self.devnet.proposer, "lastVerifiedBatch()")


TDX = {"ETHREX_L2_TDX": "true", "ETHREX_TDX_DEV_MODE": "true"}
ROLLUP = {"ETHREX_DEPLOYER_ROLLUP": "true"}


@pytest.mark.parametrize("devnet", [TDX], indirect=True)
def test_a_liar_with_the_right_key_is_refused(l1, devnet, setup):
    """Only what was committed is verified, whoever signs; after it a withdrawal is claimed."""
    l1.send(devnet.bridge, "deposit(address)", l1.accounts[5], value=10**18)
    commit_until(devnet, 2)
    v = Verifier(l1, devnet)
    true = {number: executed(document) for number, document in inputs(devnet).items()}
    lies = [true[1][:at] + bytes([true[1][at] ^ 1]) + true[1][at + 1:] for at in range(31, 256, 32)]
    # As good a batch, executed as it should be, but without the deposit.
    (_, other), = build(setup[0], {"batch": 1, "deposits": []})
    for lie in [*lies, true[2], executed(other.encode())]:
        v.refused(1, lie)
    with pytest.raises(Reverted):
        v.verify(1, true[1], lies[0])
    assert v.verified == 0
    v.verify(1, true[1], true[2])
    assert v.verified == 2
    before = int(l1.rpc("eth_getBalance", devnet.bridge, "latest"), 16)
    l1.send(devnet.bridge, CLAIM, 1000002, 2, 2, "[]", sender=l1.accounts[0])
    assert before - int(l1.rpc("eth_getBalance", devnet.bridge, "latest"), 16) == 1000002


# --- a prover that signs what it did not execute -------------------------------------------------


def deposits_digest(transactions):
    """Of the bridge's transactions, as L1 hashes them: none, zero."""
    word = lambda value: bytes.fromhex(f"{int(value, 16):064x}")
    hashes = b""
    for t in transactions:
        data = bytes.fromhex(cast("keccak", t["input"])[2:])
        packed = word(t["chainId"]) + bytes.fromhex(t["sender"][2:] + t["to"][2:]) + b"".join(
            word(t[field]) for field in ("nonce", "value", "gas")) + data
        hashes += bytes.fromhex(cast("keccak", "0x" + packed.hex())[2:])
    if not hashes:
        return bytes(32)
    return len(transactions).to_bytes(2) + bytes.fromhex(cast("keccak", "0x" + hashes.hex())[2:])[2:]


def believed(document, withdrawals):
    """What is signed by who takes an input's word for everything: no block is executed, nothing is compared.
    The root of withdrawals only execution shows."""
    blocks, parent = document["blocks"], bytes(document["execution_witness"]["block_headers_bytes"][-1])
    transactions = [t for block in blocks for t in block["body"]["transactions"]]
    deposits = [t for t in transactions if t["type"] == "0x7e"]
    last, commitment = blocks[-1]["header"], bytes(document["blob_commitment"])
    # A header: three bytes of list, two hashes, an address, the state root.
    return b"".join([
        parent[91:123], bytes.fromhex(last["stateRoot"][2:]), withdrawals, deposits_digest(deposits),
        b"\x01" + hashlib.sha256(commitment).digest()[1:], bytes.fromhex(header_hash(last)[2:]),
        L2_CHAIN_ID.to_bytes(32), (len(transactions) - len(deposits)).to_bytes(32)])


def wrong_state_root(document, _):
    document["blocks"][-1]["header"]["stateRoot"] = "0x" + "11" * 32


def dropped_transaction(document, _):
    document["blocks"][0]["body"]["transactions"].pop()


def changed_fee_config(document, _):
    document["fee_configs"][-1]["base_fee_vault"] = "0x" + "aa" * 20


def missing_trie_node(document, _):
    storage = document["execution_witness"]["storage_trie_roots"]
    assert storage
    storage.clear()


def changed_header_link(document, _):
    document["execution_witness"]["block_headers_bytes"][-1][100] ^= 1


def blob_of_other_blocks(document, other):
    for part in ("blob_commitment", "blob_proof"):
        document[part] = other[part]


def forged_deposit(document, _):
    (deposit,) = (t for t in document["blocks"][0]["body"]["transactions"] if t["type"] == "0x7e")
    deposit["value"] = hex(10**21)


# Each with the executor's status and sentence.
FORGERIES = {
    wrong_state_root: (92, r"block 4: state root of the header 0x1111\S+, executed 0x\w{64}$"),
    dropped_transaction: (84, r"block 3: transactions root of the header 0x\w{64}, of the \d transactions of its body 0x"),
    changed_fee_config: (92, r"block 4: state root of the header 0x\w{64}, executed 0x(\w{64})$"),
    missing_trie_node: (87, r"block 3, transaction \d+ \(0x\w{64}\): "),
    changed_header_link: (82, r"block 3: its header in the witness names 0x\w{64} as its parent, but block 2 hashes to 0x"),
    blob_of_other_blocks: (94, r"block 4: the blob with versioned hash 0x01\w{62} is not that of the 2 blocks"),
    forged_deposit: (84, r"block 3: transactions root of the header 0x\w{64}, of the \d transactions of its body 0x"),
}


@pytest.mark.parametrize("devnet", [{**TDX, **ROLLUP}], indirect=True)
def test_each_forgery_is_refused_by_the_executor_and_then_by_the_contract(l1, devnet):
    commit_until(devnet, 1, "--rollup")
    l1.send(devnet.bridge, "deposit(address)", l1.accounts[5], value=10**18)
    commit_until(devnet, 2, "--rollup")
    before, right = (inputs(devnet)[number] for number in (1, 2))
    v, true = Verifier(l1, devnet), executed(right)
    v.verify(1, executed(before))
    assert believed(json.loads(right), true[64:96]) == true, "the liar tells the truth of what nobody forged"
    for forge, (status, sentence) in FORGERIES.items():
        forged = json.loads(right)
        forge(forged, json.loads(before))
        run = subprocess.run([EXECUTOR], input=json.dumps(forged).encode(), capture_output=True)
        said = run.stderr.decode()
        assert (run.returncode, run.stdout) == (status, b""), f"{forge.__name__}: {said}"
        found = re.match(sentence, said)
        assert found and len(said.splitlines()) == 1, f"{forge.__name__}: {said}"
        lie = believed(forged, true[64:96])
        if forge is changed_fee_config:  # signed is the state that these fees lead to
            lie = lie[:32] + bytes.fromhex(found[1]) + lie[64:]
        if forge is missing_trie_node:
            assert lie == true, "where the witness only lacks something, what is signed is what was committed"
        else:
            assert lie != true, forge.__name__
            v.refused(2, lie)
    v.verify(2, true)
    assert v.verified == 2


def test_a_sequencer_that_starts_again_builds_the_same_batches(l1, devnet):
    l1.send(devnet.bridge, "deposit(address)", l1.accounts[5], value=7)
    commit_until(devnet, 2)
    first = inputs(devnet)
    l1.send(devnet.bridge, "deposit(address)", l1.accounts[6], value=9)
    output = commit_until(devnet, 3)
    assert "batch 2: already committed, input given again (200)" in output
    again = inputs(devnet)
    assert {n: again[n] for n in first} == first and sorted(again) == [1, 2, 3]
    # The second deposit waits until the first has left the bridge's queue.
    privileged = lambda n: inputs(devnet)[n].count(b'"type":"0x7e"')
    assert [privileged(n) for n in (1, 2, 3)] == [1, 0, 0]
    l1.send(devnet.timelock, VERIFY, 1, *["[0x,0x,0x]"] * 3, sender=devnet.sender)
    commit_until(devnet, 4)
    assert privileged(4) == 1


@pytest.mark.parametrize("devnet, flags", [
    pytest.param({**TDX, **rollup}, flags.split(), id=flags.replace("--", "").replace(" ", "-"))
    for rollup, flags in [
        ({}, "--blocks 3"), (ROLLUP, "--blocks 3 --rollup"), (ROLLUP, "--blocks 1 --rollup"), ({}, "--blocks 131"),
        (ROLLUP, "--blocks 131 --transactions none --rollup"), (ROLLUP, "--blocks 2 --transactions full --rollup")]
], indirect=["devnet"])
def test_what_the_executor_says_is_what_was_committed(l1, devnet, flags):
    """Batches of one block and of many, of nothing, of blocks whose gas is used up: executed, and verified on L1."""
    if "none" not in flags:
        l1.send(devnet.bridge, "deposit(address)", l1.accounts[5], value=7)
    commit_until(devnet, 2, *flags)
    v, root = Verifier(l1, devnet), addresses(devnet.env)["ETHREX_DEPLOYER_GENESIS_STATE_ROOT"][2:]
    for number in (1, 2):
        blocks = json.loads(inputs(devnet)[number])["blocks"]
        assert len(blocks) == int(flags[flags.index("--blocks") + 1])
        for block in blocks:
            header, count = block["header"], len(block["body"]["transactions"])
            assert ("none" in flags) == (count == 0)
            assert ("full" in flags) == (header["gasUsed"] == header["gasLimit"])
        words = l1.call(devnet.proposer, "batchCommitments(uint256)", number)[2:]
        state, blob, privileged, withdrawals, last, count = (words[64 * i:64 * i + 64] for i in range(6))
        assert blob.startswith("01" if "--rollup" in flags else "00")
        output = executed(inputs(devnet)[number])
        assert output.hex() == root + state + withdrawals + privileged + blob + last + f"{L2_CHAIN_ID:064x}" + count
        v.verify(number, output)
        root = state
    assert v.verified == 2


def test_a_rollup_batch_carries_its_blob(setup):
    (summary, document), = build(setup[0], {"batch": 1, "deposits": []}, flags=["--rollup"])
    assert summary["versionedHash"].startswith("0x01")
    assert len(summary["blob"]["blobs"][0]) == 2 + 2 * 131072
    assert executed(document.encode())[128:160].hex() == summary["versionedHash"][2:]


def test_the_batch_kept_with_the_executor_is_what_the_builder_builds(setup):
    request, summary, document = ((KEPT / f"built.{part}.json").read_text() for part in ("request", "summary", "input"))
    (built, again), = build(setup[0], json.loads(request), flags=["--rollup"])
    del built["blob"]
    assert built == json.loads(summary) and again + "\n" == document


def test_load_makes_inputs_of_megabytes(setup):
    built = build(setup[0], *({"batch": n, "deposits": []} for n in range(1, 8)), flags=["--load", "12", "--blocks", "4"])
    assert len(built[-1][1]) > 2_000_000, [len(i) for _, i in built]
    assert executed(built[-1][1].encode())[32:64].hex() == built[-1][0]["stateRoot"][2:]


def test_a_batch_out_of_order_is_refused(setup):
    run = subprocess.run(
        [BUILDER, setup[0], "build"], input='{"batch":2,"deposits":[]}\n', capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (1, "l2-block-builder: batch 2 was asked for, batch 1 comes next\n")
