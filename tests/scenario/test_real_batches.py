"""Batches that are really executed: built by sequencer/, executed by executor/, committed and verified
on L1; a deposit arrives, a withdrawal is claimed."""

import json
import subprocess

import pytest

from l1 import CONTRACTS, L1, REPO, Reverted, Signer, cast, compile_contracts
from process import BUILD
from test_devnet import TOKEN, Admin, addresses, deploy, finished, sequencer

BUILDER = BUILD / "sequencer" / "l2-block-builder"
EXECUTOR = BUILD / "quote-gen" / "ethrex-executor"
KEPT = REPO / "executor" / "tests" / "vectors"
VERIFY = "verifyBatches(uint256,bytes[],bytes[],bytes[])"
CLAIM = "claimWithdrawal(uint256,uint256,uint256,bytes32[])"

pytestmark = pytest.mark.skipif(not BUILDER.exists(), reason=f"SKIPPED: {BUILDER} is not built (scripts/build-rust)")


@pytest.fixture(scope="module")
def l1():
    compile_contracts()
    node = L1()
    yield node
    node.close()


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


@pytest.mark.parametrize("devnet", [{"ETHREX_L2_TDX": "true", "ETHREX_TDX_DEV_MODE": "true"}], indirect=True)
def test_a_liar_with_the_right_key_is_refused(l1, devnet, setup):
    """Only what was committed is verified, whoever signs; after it a withdrawal is claimed."""
    l1.send(devnet.bridge, "deposit(address)", l1.accounts[5], value=10**18)
    commit_until(devnet, 2)
    where, key = addresses(devnet.env), Signer()
    l1.send(where["ETHREX_DEPLOYER_TDX_VERIFIER_ADDRESS"], "register(bytes)", key.address,
            sender=where["ETHREX_DEPLOYER_TDX_REGISTRAR_L1_ADDRESS"])

    def verify(first, *outputs):
        none = "[" + ",".join(["0x"] * len(outputs)) + "]"
        signatures = "[" + ",".join(key.sign("0x" + output.hex()) for output in outputs) + "]"
        l1.send(devnet.timelock, VERIFY, first, none, none, signatures, sender=devnet.sender)

    true = {number: executed(document) for number, document in inputs(devnet).items()}
    lies = [true[1][:at] + bytes([true[1][at] ^ 1]) + true[1][at + 1:] for at in range(31, 256, 32)]
    # As good a batch, executed as it should be, but without the deposit.
    (_, other), = build(setup[0], {"batch": 1, "deposits": []})
    for lie in [*lies, true[2], executed(other.encode())]:
        with pytest.raises(Reverted) as e:
            verify(1, lie)
        assert e.value.selector == cast("sig", "InvalidTdxProof()")
    with pytest.raises(Reverted):
        verify(1, true[1], lies[0])
    assert l1.number(devnet.proposer, "lastVerifiedBatch()") == 0
    verify(1, true[1], true[2])
    assert l1.number(devnet.proposer, "lastVerifiedBatch()") == 2
    before = int(l1.rpc("eth_getBalance", devnet.bridge, "latest"), 16)
    l1.send(devnet.bridge, CLAIM, 1000002, 2, 2, "[]", sender=l1.accounts[0])
    assert before - int(l1.rpc("eth_getBalance", devnet.bridge, "latest"), 16) == 1000002


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


@pytest.mark.parametrize("devnet, kind", [({}, []), ({"ETHREX_DEPLOYER_ROLLUP": "true"}, ["--rollup"])], indirect=["devnet"])
def test_what_the_executor_says_is_what_was_committed(l1, devnet, kind):
    l1.send(devnet.bridge, "deposit(address)", l1.accounts[5], value=7)
    commit_until(devnet, 2, "--blocks", "3", *kind)
    root = addresses(devnet.env)["ETHREX_DEPLOYER_GENESIS_STATE_ROOT"][2:]
    for number in (1, 2):
        words = l1.call(devnet.proposer, "batchCommitments(uint256)", number)[2:]
        state, blob, privileged, withdrawals, last, count = (words[64 * i:64 * i + 64] for i in range(6))
        assert blob.startswith("01" if kind else "00")
        output = executed(inputs(devnet)[number]).hex()
        assert output == root + state + withdrawals + privileged + blob + last + f"{65536999:064x}" + count
        root = state


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
