"""The contracts on a real node. What a proof signs is computed here with cast alone, from the
description of the format, so that contract, prover and coordinator cannot share one mistake."""

import hashlib
import json
import subprocess

import pytest

from l1 import CONTRACTS, DEPLOYER_KEY, NOBODY, VECTORS, ZERO, Reverted, Signer, cast, words

L2_CHAIN_ID = 560048
SEQUENCER = cast("keccak", "SEQUENCER")
COMMIT_HASH = cast("keccak", "52e4b64")
SP1_VK = "0x" + "51" * 32
RISC0_VK = "0x" + "a0" * 32
GENESIS = "0x" + "9e" * 32

COMMIT = (
    "commitBatch(uint256,bytes32,bytes32,bytes32,bytes32,uint256,bytes32,"
    "(uint256,uint256,(address,address,address,uint256)[],bytes32[])[],(uint256,bytes32)[])"
)
VERIFY = "verifyBatches(uint256,bytes[],bytes[],bytes[])"

# As ethrex documents them; senders decide on these four bytes.
SELECTORS = {
    "MissingRisc0Verifier()": "0x1871c084",
    "MissingSp1Verifier()": "0xc0b62621",
    "MissingTdxVerifier()": "0xee7f6b60",
    "AlignedModeRequiresSp1()": "0xb41e395e",
    "AlignedModeDoesNotSupportRisc0()": "0xadae5cff",
    "CommitHashIsZero()": "0x1f14b5aa",
    "MissingSp1VerificationKey()": "0x544c07b4",
    "MissingRisc0VerificationKey()": "0x60c177e0",
    "BridgeIsZeroAddress()": "0x850138f2",
    "BridgeIsContractAddress()": "0xdf655de9",
    "BatchNumberNotSuccessor()": "0xcd1793fe",
    "BatchAlreadyCommitted()": "0x884923cf",
    "LastBlockHashIsZero()": "0xf1cbbe55",
    "InvalidPrivilegedTransactionLogs()": "0x9e6e5638",
    "InvalidL2MessageRollingHash()": "0x52ba57cb",
    "ValidiumBlobPublished()": "0x0c9c8061",
    "RollupBlobNotPublished()": "0xe1aa9667",
    "MissingVerificationKeyForCommit()": "0xf6b9798e",
    "UseAlignedVerification()": "0x2da8b4d4",
    "BatchNotSequential()": "0xceb05a46",
    "BatchNotCommitted()": "0xc26a3294",
    "EmptyBatchArray()": "0x7dc57e7b",
    "BatchArrayLengthMismatch()": "0xfc5221bd",
    "ExpiredPrivilegedTransactionDeadline()": "0x1420ad0b",
    "InvalidRisc0Proof()": "0x14add973",
    "InvalidSp1Proof()": "0x7ff849b5",
    "InvalidTdxProof()": "0x62013a95",
    "CannotRevertVerifiedBatch()": "0xdb2665e8",
    "NoBatchesToRevert()": "0xcd988645",
}


def b32(seed):
    return cast("keccak", f"test {seed}")


def u256(number):
    return "0x%064x" % number


class refused:
    """`with refused("Error()")`: the block must revert with that custom error."""

    def __init__(self, error, what=""):
        self.selector = SELECTORS[error]
        self.what = what

    def __enter__(self):
        return self

    def __exit__(self, kind, problem, trace):
        assert kind is Reverted, f"nothing reverted, {self.selector} was due: {self.what}"
        assert problem.selector == self.selector, problem
        return True


class refused_saying:
    """The block must revert with this sentence."""

    def __init__(self, sentence):
        self.sentence = sentence

    def __enter__(self):
        return self

    def __exit__(self, kind, problem, trace):
        assert kind is Reverted, f'nothing reverted, "{self.sentence}" was due'
        assert problem.reason == self.sentence
        return True


def config(**changes):
    """Arguments of the OnChainProposer's constructor, in its order."""
    c = dict(
        validium="true", owner=NOBODY, risc0="false", sp1="false", tdx="false", aligned="false",
        risc0_verifier=NOBODY, sp1_verifier=NOBODY, tdx_verifier=NOBODY, sp1_vk=ZERO, risc0_vk=ZERO,
        commit_hash=COMMIT_HASH, genesis=GENESIS, chain_id=L2_CHAIN_ID, bridge=NOBODY,
    )
    assert not changes.keys() - c.keys()
    c.update(changes)
    return "(" + ",".join(str(v) for v in c.values()) + ")"


class World:
    """Bridge, Timelock, TDXVerifier in dev mode and OnChainProposer, new for one test."""

    def __init__(self, l1, dcap="0x" + "aa" * 20, dev_mode="true", measurements=("0x" + "11" * 48,) * 4, **changes):
        self.l1 = l1
        self.council, self.committer, self.sender, self.tdx, self.stranger = l1.accounts[:5]
        self.bridge = l1.deploy("MockBridge")
        sequencers = f"[{self.committer},{self.sender},{self.tdx}]"
        self.timelock = l1.deploy("Timelock", 30, sequencers, f"[{self.council}]", self.council, l1.next_address(2))
        self.verifier = l1.deploy("TDXVerifier", dcap, self.timelock, dev_mode, *measurements)
        settings = dict(owner=self.timelock, bridge=self.bridge, tdx="true", tdx_verifier=self.verifier)
        self.proposer = l1.deploy("OnChainProposer", config(**{**settings, **changes}))
        assert l1.address(self.timelock, "onChainProposer()") == self.proposer.lower()

    def commit(self, number, **changes):
        """Commits batch `number`; returns what was committed."""
        b = dict(
            number=number, state=b32(f"state {number}"), withdrawals=ZERO, from_l1=ZERO, last=b32(f"block {number}"),
            count=5, commit_hash=COMMIT_HASH, diffs="[]", from_l2="[]",
        )
        assert not changes.keys() - b.keys()
        b.update(changes)
        self.receipt = self.l1.send(self.timelock, COMMIT, *b.values(), sender=self.committer)
        return b

    def verify(self, first, tdx, risc0=None, sp1=None, sender=None):
        arrays = [risc0 or ["0x"] * len(tdx), sp1 or ["0x"] * len(tdx), tdx]
        self.receipt = self.l1.send(
            self.timelock, VERIFY, first, *("[" + ",".join(a) + "]" for a in arrays), sender=sender or self.sender
        )

    def register(self, signer):
        self.l1.send(self.verifier, "register(bytes)", signer.address, sender=self.tdx)

    def council_call(self, signature, *args):
        self.receipt = self.l1.send(
            self.timelock, "emergencyExecute(address,uint256,bytes)", self.proposer, 0, cast("calldata", signature, *args)
        )

    @property
    def verified(self):
        return self.l1.number(self.proposer, "lastVerifiedBatch()")

    @property
    def committed(self):
        return self.l1.number(self.proposer, "lastCommittedBatch()")


def public_inputs(before, batch, blob=ZERO, tail=()):
    """The bytes that a proof of `batch` speaks about, after a batch that left state `before`."""
    return cast(
        "concat-hex", before, batch["state"], batch["withdrawals"], batch["from_l1"], blob, batch["last"],
        u256(L2_CHAIN_ID), u256(batch["count"]), *tail,
    )


def has_event(receipt, emitter, signature, topic):
    wanted = [cast("keccak", signature), topic]
    return any(e["address"] == emitter.lower() and e["topics"] == wanted for e in receipt["logs"])


# --- the happy path --------------------------------------------------------------------------


def test_selectors_are_the_documented_ones():
    for error, selector in SELECTORS.items():
        assert cast("sig", error) == selector, error
    abi = json.loads((CONTRACTS / "out" / "OnChainProposer.json").read_text())["abi"]
    assert {e["name"] + "()" for e in abi if e["type"] == "error"} >= SELECTORS.keys()


def test_getters_of_a_fresh_deployment(l1):
    w = World(l1)
    for getter, value in {
        "lastVerifiedBatch()": 0, "lastCommittedBatch()": 0, "REQUIRE_RISC0_PROOF()": 0, "REQUIRE_SP1_PROOF()": 0,
        "REQUIRE_TDX_PROOF()": 1, "ALIGNED_MODE()": 0, "VALIDIUM()": 1, "CHAIN_ID()": L2_CHAIN_ID, "paused()": 0,
    }.items():
        assert l1.call(w.proposer, getter) == u256(value), getter
    for getter, value in {
        "TDX_VERIFIER_ADDRESS()": w.verifier, "BRIDGE()": w.bridge, "owner()": w.timelock,
        "SP1_VERIFIER_ADDRESS()": NOBODY, "RISC0_VERIFIER_ADDRESS()": NOBODY,
    }.items():
        assert l1.address(w.proposer, getter) == value, getter
    assert l1.address(w.verifier, "timelock()") == w.timelock
    assert l1.address(w.verifier, "quoteVerifier()") == "0x" + "aa" * 20
    assert l1.number(w.verifier, "isDevMode()") == 1
    assert l1.address(w.verifier, "authorizedSignature()") == NOBODY
    for name in ("MRTD()", "RTMR0()", "RTMR1()", "RTMR2()"):
        assert cast("decode-abi", "f()(bytes)", l1.call(w.verifier, name)) == "0x" + "11" * 48
    genesis = words(l1.call(w.proposer, "batchCommitments(uint256)", 0))
    assert genesis == [GENESIS, ZERO, ZERO, ZERO, ZERO, ZERO, COMMIT_HASH]


def test_batches_are_verified_by_the_registered_signer(l1):
    w, prover = World(l1), Signer()
    w.register(prover)
    assert l1.address(w.verifier, "authorizedSignature()") == prover.address

    first = w.commit(1)
    assert has_event(w.receipt, w.proposer, "BatchCommitted(bytes32)", first["state"])
    stored = words(l1.call(w.proposer, "batchCommitments(uint256)", 1))
    assert stored == [first["state"], ZERO, ZERO, ZERO, first["last"], u256(5), COMMIT_HASH]

    payload = public_inputs(GENESIS, first)
    assert len(payload) == 2 + 2 * 256
    w.verify(1, [prover.sign(payload)])
    assert has_event(w.receipt, w.proposer, "BatchVerified(uint256)", u256(1))
    assert (w.verified, w.committed) == (1, 1)
    assert set(words(l1.call(w.proposer, "batchCommitments(uint256)", 0))) == {ZERO}
    assert words(l1.call(w.proposer, "batchCommitments(uint256)", 1))[0] == first["state"]

    second, third = w.commit(2), w.commit(3)
    w.verify(2, [prover.sign(public_inputs(first["state"], second)), prover.sign(public_inputs(second["state"], third))])
    assert w.verified == 3


def test_withdrawals_are_published_and_signed_for(l1):
    w, prover = World(l1), Signer()
    w.register(prover)
    batch = w.commit(1, withdrawals=b32("withdrawals"))
    assert l1.call(w.bridge, "withdrawals(uint256)", 1) == batch["withdrawals"]
    with refused("InvalidTdxProof()"):
        w.verify(1, [prover.sign(public_inputs(GENESIS, {**batch, "withdrawals": ZERO}))])
    w.verify(1, [prover.sign(public_inputs(GENESIS, batch))])


def test_messages_of_other_chains_are_part_of_the_public_inputs(l1):
    w, prover = World(l1), Signer()
    w.register(prover)
    from_l1 = "0x0003" + b32("from l1")[6:]
    from_l2 = {7: "0x0002" + b32("from 7")[6:], 8: "0x0001" + b32("from 8")[6:]}
    l1.send(w.bridge, "setPendingFromL1(bytes32)", from_l1)
    for chain, rolling in from_l2.items():
        l1.send(w.bridge, "setPendingFromL2(uint256,bytes32)", chain, rolling)
    tokens = ["0x" + f"{i:02x}" * 20 for i in (0xA1, 0xA2, 0xA3, 0xB1, 0xB2, 0xB3)]
    hashes = [b32("message 1"), b32("message 2")]
    diffs = (
        f"[(7,1000,[({tokens[0]},{tokens[1]},{tokens[2]},55),({tokens[3]},{tokens[4]},{tokens[5]},66)],[{hashes[0]}]),"
        f"(8,0,[],[{hashes[0]},{hashes[1]}])]"
    )
    batch = w.commit(1, from_l1=from_l1, diffs=diffs, from_l2="[" + ",".join(f"({c},{h})" for c, h in from_l2.items()) + "]")
    tail = [
        u256(7), u256(1000), *tokens[:3], u256(55), *tokens[3:], u256(66), hashes[0],
        u256(8), u256(0), *hashes,
        u256(7), from_l2[7], u256(8), from_l2[8],
    ]
    payload = public_inputs(GENESIS, batch, tail=tail)
    assert len(payload) == 2 + 2 * (256 + 2 * 64 + 2 * 92 + 3 * 32 + 2 * 64)
    with refused("InvalidTdxProof()"):
        w.verify(1, [prover.sign(public_inputs(GENESIS, batch))])
    with refused("InvalidTdxProof()"):
        w.verify(1, [prover.sign(public_inputs(GENESIS, batch, tail=tail[:-2]))])
    w.verify(1, [prover.sign(payload)])
    assert l1.number(w.bridge, "removedFromL1()") == 3
    assert l1.number(w.bridge, "removedFromL2(uint256)", 7) == 2
    assert l1.number(w.bridge, "removedFromL2(uint256)", 8) == 1
    assert l1.number(w.bridge, "publishedDiffs()") == 2


def test_where_nothing_is_required_empty_proofs_do(l1):
    w = World(l1, tdx="false")
    w.commit(1)
    w.commit(2)
    w.verify(1, ["0x", "0x"])
    assert w.verified == 2


def test_a_rollup_batch_signs_for_its_blob(l1, tmp_path):
    w, prover = World(l1, validium="false"), Signer()
    w.register(prover)
    # The blob's transaction must come with its blob, so it is signed here: account 0 gets the role.
    grant = cast("calldata", "grantRole(bytes32,address)", SEQUENCER, w.council)
    l1.transact({"from": w.council, "to": w.timelock, "data": grant})
    blob = tmp_path / "blob"
    blob.write_bytes(b"a blob")
    batch = dict(number=1, state=b32("rollup"), withdrawals=ZERO, from_l1=ZERO, last=b32("last"), count=1)
    sent = json.loads(cast(
        "send", w.timelock, COMMIT, *batch.values(), COMMIT_HASH, "[]", "[]", "--blob", "--path", blob,
        "--private-key", DEPLOYER_KEY, "--rpc-url", l1.url, "--json",
    ))
    assert int(sent["status"], 16) == 1
    [versioned] = l1.rpc("eth_getTransactionByHash", sent["transactionHash"])["blobVersionedHashes"]
    assert words(l1.call(w.proposer, "batchCommitments(uint256)", 1))[1] == versioned
    with refused("InvalidTdxProof()"):
        w.verify(1, [prover.sign(public_inputs(GENESIS, batch))])
    w.verify(1, [prover.sign(public_inputs(GENESIS, batch, blob=versioned))])


def test_a_validium_takes_no_blob(l1, tmp_path):
    w = World(l1)
    l1.send(w.timelock, "grantRole(bytes32,address)", SEQUENCER, w.council)
    blob = tmp_path / "blob"
    blob.write_bytes(b"a blob")
    done = subprocess.run(
        [CONTRACTS / "node_modules/.bin/cast", "send", w.timelock, COMMIT, "1", b32("s"), ZERO, ZERO, b32("l"), "1",
         COMMIT_HASH, "[]", "[]", "--blob", "--path", blob, "--private-key", DEPLOYER_KEY, "--rpc-url", l1.url],
        capture_output=True, text=True, timeout=60,
    )
    assert done.returncode != 0
    assert SELECTORS["ValidiumBlobPublished()"][2:] in done.stderr or "ValidiumBlobPublished" in done.stderr
    assert w.committed == 0


# --- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize("error, changes", [
    ("LastBlockHashIsZero()", {"last": ZERO}),
    ("InvalidPrivilegedTransactionLogs()", {"from_l1": "0x0001" + "ee" * 30}),
    ("InvalidL2MessageRollingHash()", {"from_l2": "[(7,0x0001" + "ee" * 30 + ")]"}),
    ("CommitHashIsZero()", {"commit_hash": ZERO}),
])
def test_a_bad_commit_is_refused(l1, error, changes):
    w = World(l1)
    with refused(error):
        w.commit(1, **changes)
    assert w.committed == 0


@pytest.mark.parametrize("number", [0, 3, 2**256 - 1])
def test_batches_are_committed_one_after_the_other(l1, number):
    w = World(l1)
    w.commit(1)
    with refused("BatchNumberNotSuccessor()"):
        w.commit(number)
    with refused("BatchNumberNotSuccessor()"):
        w.commit(1)
    w.commit(2)


def test_a_rollup_without_a_blob_is_refused(l1):
    with refused("RollupBlobNotPublished()"):
        World(l1, validium="false").commit(1)


def test_a_commit_over_a_left_over_commitment_is_refused(l1):
    w = World(l1)
    w.commit(1)
    # The number of the last batch is forgotten, its commitment is not: no call can do that.
    slot = next(
        n for n in range(8)
        if l1.rpc("eth_getStorageAt", w.proposer, hex(n), "latest") == u256(1)
    )
    l1.rpc("anvil_setStorageAt", w.proposer, u256(slot), ZERO)
    assert w.committed == 0
    with refused("BatchAlreadyCommitted()"):
        w.commit(1)


@pytest.mark.parametrize("type_", ["sp1", "risc0"])
def test_a_code_version_without_key_is_refused(l1, type_):
    verifier = l1.deploy("MockSp1Verifier" if type_ == "sp1" else "MockRisc0Verifier")
    vk = SP1_VK if type_ == "sp1" else RISC0_VK
    w = World(l1, **{type_: "true", f"{type_}_verifier": verifier, f"{type_}_vk": vk})
    other = cast("keccak", "0ther00")
    with refused("MissingVerificationKeyForCommit()"):
        w.commit(1, commit_hash=other)
    w.council_call(f"upgrade{type_.upper()}VerificationKey(bytes32,bytes32)", other, vk)
    w.commit(1, commit_hash=other)
    w.council_call(f"upgrade{type_.upper()}VerificationKey(bytes32,bytes32)", other, ZERO)
    with refused("MissingVerificationKeyForCommit()"):
        w.commit(2, commit_hash=other)
    with refused("CommitHashIsZero()"):
        l1.rpc("eth_call", {
            "from": w.timelock, "to": w.proposer,
            "data": cast("calldata", f"upgrade{type_.upper()}VerificationKey(bytes32,bytes32)", ZERO, vk),
        }, "latest")


def test_a_bad_verification_is_refused(l1):
    w, prover = World(l1), Signer()
    w.register(prover)
    with refused("EmptyBatchArray()"):
        w.verify(1, [])
    with refused("BatchArrayLengthMismatch()"):
        w.verify(1, ["0x"], risc0=["0x", "0x"])
    with refused("BatchArrayLengthMismatch()"):
        w.verify(1, ["0x"], sp1=["0x", "0x"])
    with refused("BatchNotCommitted()"):
        w.verify(1, ["0x"])
    batch = w.commit(1)
    with refused("BatchNotSequential()"):
        w.verify(2, ["0x"])
    good = prover.sign(public_inputs(GENESIS, batch))
    with refused("BatchNotCommitted()"):
        w.verify(1, [good, good])
    assert w.verified == 0
    w.verify(1, [good])
    with refused("BatchNotSequential()"):
        w.verify(1, [good])


def flipped(signature):
    """The other signature of the same message: s in the upper half, v the other one."""
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    s, v = int(signature[66:130], 16), int(signature[130:], 16)
    return signature[:66] + "%064x" % (order - s) + "%02x" % (55 - v)


def test_a_wrong_signature_is_an_invalid_tdx_proof(l1):
    w, prover, other = World(l1), Signer(), Signer()
    batch = w.commit(1)
    payload = public_inputs(GENESIS, batch)
    good = prover.sign(payload)
    with refused("InvalidTdxProof()"):  # nobody is registered yet
        w.verify(1, [good])
    w.register(prover)
    wrong = {
        "another key": other.sign(payload),
        "another state root before": prover.sign(public_inputs(b32("not genesis"), batch)),
        "another count": prover.sign(public_inputs(GENESIS, {**batch, "count": 99})),
        "another last block": prover.sign(public_inputs(GENESIS, {**batch, "last": b32("x")})),
        "the hash of the payload": prover.sign(cast("keccak", payload)),
        "high s": flipped(good),
        "v as 0 or 1": good[:130] + "%02x" % (int(good[130:], 16) - 27),
        "64 bytes": good[:130],
        "66 bytes": good + "00",
        "nothing": "0x",
        "zeros": "0x" + "00" * 65,
    }
    for what, signature in wrong.items():
        with refused("InvalidTdxProof()", what):
            w.verify(1, [signature])
    w.register(other)  # the first signer's proofs are worth nothing from here on
    with refused("InvalidTdxProof()"):
        w.verify(1, [good])
    w.verify(1, [wrong["another key"]])


def test_verify_of_the_verifier_says_why(l1):
    w, prover = World(l1), Signer()
    with refused_saying("TDXVerifier: authorized signer not registered"):
        l1.call(w.verifier, "verify(bytes,bytes)", "0x1234", prover.sign("0x1234"))
    w.register(prover)
    assert l1.call(w.verifier, "verify(bytes,bytes)", "0x1234", prover.sign("0x1234")) == "0x"
    with refused_saying("TDXVerifier: invalid signature"):
        l1.call(w.verifier, "verify(bytes,bytes)", "0x1235", prover.sign("0x1234"))


def test_other_proof_types_beside_tdx(l1):
    risc0, sp1 = l1.deploy("MockRisc0Verifier"), l1.deploy("MockSp1Verifier")
    w = World(l1, risc0="true", sp1="true", risc0_verifier=risc0, sp1_verifier=sp1, risc0_vk=RISC0_VK, sp1_vk=SP1_VK)
    prover = Signer()
    w.register(prover)
    payload = public_inputs(GENESIS, w.commit(1))
    tdx = prover.sign(payload)
    journal = "0x" + hashlib.sha256(bytes.fromhex(payload[2:])).hexdigest()
    risc0_proof = cast("keccak", cast("concat-hex", RISC0_VK, journal))
    sp1_proof = cast("keccak", cast("concat-hex", SP1_VK, payload))
    with refused("InvalidRisc0Proof()"):
        w.verify(1, [tdx], risc0=["0x12"], sp1=[sp1_proof])
    with refused("InvalidSp1Proof()"):
        w.verify(1, [tdx], risc0=[risc0_proof], sp1=["0x12"])
    with refused("InvalidTdxProof()"):
        w.verify(1, ["0x12"], risc0=[risc0_proof], sp1=[sp1_proof])
    w.verify(1, [tdx], risc0=[risc0_proof], sp1=[sp1_proof])
    assert w.verified == 1


def test_late_l1_messages_stop_batches_with_other_transactions(l1):
    w, prover = World(l1), Signer()
    w.register(prover)
    first, empty = w.commit(1), w.commit(2, count=0)
    l1.send(w.bridge, "setExpired(bool)", "true")
    with refused("ExpiredPrivilegedTransactionDeadline()"):
        w.verify(1, [prover.sign(public_inputs(GENESIS, first))])
    l1.send(w.bridge, "setExpired(bool)", "false")
    w.verify(1, [prover.sign(public_inputs(GENESIS, first))])
    l1.send(w.bridge, "setExpired(bool)", "true")
    w.verify(2, [prover.sign(public_inputs(first["state"], empty))])


def test_aligned_mode_refuses_direct_proofs(l1):
    w = World(l1, sp1="true", aligned="true", sp1_vk=SP1_VK)
    assert l1.number(w.proposer, "ALIGNED_MODE()") == 1
    with refused("UseAlignedVerification()"):
        w.verify(1, ["0x"])


@pytest.mark.parametrize("error, changes", [
    ("MissingRisc0Verifier()", {"risc0": "true", "risc0_vk": RISC0_VK}),
    ("MissingSp1Verifier()", {"sp1": "true", "sp1_vk": SP1_VK}),
    ("MissingTdxVerifier()", {"tdx": "true"}),
    ("AlignedModeRequiresSp1()", {"aligned": "true"}),
    ("AlignedModeDoesNotSupportRisc0()", {
        "aligned": "true", "sp1": "true", "sp1_vk": SP1_VK, "risc0": "true", "risc0_verifier": "0x" + "bb" * 20,
    }),
    ("CommitHashIsZero()", {"commit_hash": ZERO}),
    ("MissingSp1VerificationKey()", {"sp1": "true", "sp1_verifier": "0x" + "bb" * 20}),
    ("MissingRisc0VerificationKey()", {"risc0": "true", "risc0_verifier": "0x" + "bb" * 20}),
    ("BridgeIsZeroAddress()", {"bridge": NOBODY}),
    ("BridgeIsContractAddress()", {"bridge": "itself"}),
])
def test_a_bad_construction_is_refused(l1, error, changes):
    settings = {"owner": "0x" + "dd" * 20, "bridge": "0x" + "cc" * 20, **changes}
    if settings["bridge"] == "itself":
        settings["bridge"] = l1.next_address()
    with refused(error):
        l1.transact({"from": l1.accounts[0], "data": l1.creation("OnChainProposer", config(**settings))})


# --- pausing and reverting -------------------------------------------------------------------


def test_pause_and_revert(l1):
    w, prover = World(l1), Signer()
    w.register(prover)
    first = w.commit(1)
    w.verify(1, [prover.sign(public_inputs(GENESIS, first))])
    w.commit(2)
    w.commit(3)
    revert = cast("calldata", "revertBatch(uint256)", 2)
    expected_pause, enforced_pause = cast("sig", "ExpectedPause()"), cast("sig", "EnforcedPause()")
    with pytest.raises(Reverted) as e:
        l1.rpc("eth_call", {"from": w.timelock, "to": w.proposer, "data": revert}, "latest")
    assert e.value.selector == expected_pause

    w.council_call("pause()")
    assert l1.number(w.proposer, "paused()") == 1
    for action in (lambda: w.commit(4), lambda: w.verify(2, ["0x"])):
        with pytest.raises(Reverted) as e:
            action()
        assert e.value.selector == enforced_pause
    with refused("CannotRevertVerifiedBatch()"):
        w.council_call("revertBatch(uint256)", 1)
    with refused("NoBatchesToRevert()"):
        w.council_call("revertBatch(uint256)", 4)
    w.council_call("revertBatch(uint256)", 2)
    assert has_event(w.receipt, w.proposer, "BatchReverted(bytes32)", first["state"])
    assert (w.committed, w.verified) == (1, 1)
    for n in (2, 3):
        assert set(words(l1.call(w.proposer, "batchCommitments(uint256)", n))) == {ZERO}

    w.council_call("unpause()")
    again = w.commit(2, state=b32("another state"))
    w.verify(2, [prover.sign(public_inputs(first["state"], again))])


# --- who may do what -------------------------------------------------------------------------


def test_only_sequencers_commit_and_verify(l1):
    w = World(l1)
    unauthorized = cast("calldata", "AccessControlUnauthorizedAccount(address,bytes32)", w.stranger, SEQUENCER)
    assert unauthorized.startswith("0xe2517d3f")
    for signature, args in (
        (COMMIT, (1, b32("s"), ZERO, ZERO, b32("l"), 1, COMMIT_HASH, "[]", "[]")),
        (VERIFY, (1, "[0x]", "[0x]", "[0x]")),
    ):
        with pytest.raises(Reverted) as e:
            l1.send(w.timelock, signature, *args, sender=w.stranger)
        assert e.value.data == unauthorized
        # Not even a sequencer gets past the Timelock.
        with pytest.raises(Reverted) as e:
            l1.send(w.proposer, signature, *args, sender=w.committer)
        assert e.value.data == cast("calldata", "OwnableUnauthorizedAccount(address)", w.committer)

    for account, role in ((w.committer, 1), (w.sender, 1), (w.tdx, 1), (w.council, 0), (w.stranger, 0)):
        assert l1.number(w.timelock, "isSequencer(address)", account) == role
    assert l1.call(w.timelock, "SEQUENCER()") == SEQUENCER
    l1.send(w.timelock, "grantRole(bytes32,address)", SEQUENCER, w.stranger, sender=w.council)
    w.committer = w.stranger
    w.commit(1)
    l1.send(w.timelock, "revokeRole(bytes32,address)", SEQUENCER, w.stranger, sender=w.council)
    with pytest.raises(Reverted):
        w.commit(2)


def test_only_the_council_skips_the_delay(l1):
    w = World(l1)
    pause = cast("calldata", "pause()")
    with pytest.raises(Reverted) as e:
        l1.send(w.timelock, "emergencyExecute(address,uint256,bytes)", w.proposer, 0, pause, sender=w.sender)
    council = cast("keccak", "SECURITY_COUNCIL")
    assert e.value.data == cast("calldata", "AccessControlUnauthorizedAccount(address,bytes32)", w.sender, council)
    for call in ("pause()", "unpause()", "revertBatch(uint256)", "upgradeSP1VerificationKey(bytes32,bytes32)"):
        args = {"revertBatch(uint256)": [1], "upgradeSP1VerificationKey(bytes32,bytes32)": [ZERO, ZERO]}.get(call, [])
        with pytest.raises(Reverted) as e:
            l1.send(w.proposer, call, *args, sender=w.council)
        assert e.value.selector == cast("sig", "OwnableUnauthorizedAccount(address)")


def test_only_sequencers_register(l1):
    w, prover = World(l1), Signer()
    with refused_saying("TDXVerifier: only sequencer can update keys"):
        l1.send(w.verifier, "register(bytes)", prover.address, sender=w.stranger)
    with refused_saying("TDXVerifier: only sequencer can update keys"):
        l1.send(w.verifier, "register(bytes)", prover.address, sender=w.council)
    assert l1.address(w.verifier, "authorizedSignature()") == NOBODY


# --- the TDXVerifier -------------------------------------------------------------------------


def test_dev_mode_takes_the_first_20_bytes(l1):
    w, prover = World(l1), Signer()
    l1.send(w.verifier, "register(bytes)", prover.address + "ffff", sender=w.tdx)
    assert l1.address(w.verifier, "authorizedSignature()") == prover.address
    with pytest.raises(Reverted) as e:
        l1.send(w.verifier, "register(bytes)", "0x" + "12" * 19, sender=w.tdx)
    assert e.value.data == cast("calldata", "Panic(uint256)", 0x32)
    assert l1.address(w.verifier, "authorizedSignature()") == prover.address
    assert l1.address(w.verifier, "_getAddress(bytes,uint256)", "0xff" + "12" * 20, 1) == "0x" + "12" * 20


@pytest.mark.parametrize("position, name", enumerate(["MRTD", "RTMR0", "RTMR1", "RTMR2"]))
@pytest.mark.parametrize("size", [0, 47, 49])
def test_measurements_have_48_bytes(l1, position, name, size):
    measurements = ["0x" + "11" * 48] * 4
    measurements[position] = "0x" + "11" * size
    one = "0x" + "11" * 20
    with refused_saying(f"TDXVerifier: {name} must have 48 bytes"):
        l1.transact({"from": l1.accounts[0], "data": l1.creation("TDXVerifier", one, one, "false", *measurements)})


def test_the_verifier_needs_its_contracts(l1):
    one, measurements = "0x" + "11" * 20, ["0x" + "11" * 48] * 4
    for args, complaint in (((NOBODY, one), "DCAP"), ((one, NOBODY), "Timelock")):
        with refused_saying(f"TDXVerifier: {complaint} address can't be null"):
            l1.transact({"from": l1.accounts[0], "data": l1.creation("TDXVerifier", *args, "false", *measurements)})


class RealQuote:
    """The sample quote, and the output that Automata's contracts v1.0 give for it."""

    SIGNER = "0x39618efd10b14136ab416d6acfff8e36b23533a9"

    def __init__(self):
        path = VECTORS / "quote.example"
        if not path.exists():
            pytest.skip(f"SKIPPED: {path} is absent, no real quote to register (set VECTORS_DIR)")
        self.quote = bytes.fromhex(path.read_text().strip().removeprefix("0x"))
        body = self.quote[48 : 48 + 584]
        self.output = bytes.fromhex("0004" "81000000" "00" "b0c06f000000") + body
        self.measurements = ["0x" + self.quote[at : at + 48].hex() for at in (184, 376, 424, 472)]


@pytest.fixture(scope="module")
def real():
    return RealQuote()


@pytest.fixture(scope="module")
def production(l1, real):
    dcap = l1.deploy("MockDcap")
    world = World(l1, dcap=dcap, dev_mode="false", measurements=real.measurements)
    world.dcap = dcap

    def answer(output):
        l1.send(dcap, "setOutput(bytes,bytes)", "0x" + real.quote.hex(), "0x" + output.hex())

    world.answer = answer
    return world


def test_a_real_quote_registers_its_key(l1, production, real):
    production.answer(real.output)
    receipt = l1.send(production.verifier, "register(bytes)", "0x" + real.quote.hex(), sender=production.tdx)
    assert l1.address(production.verifier, "authorizedSignature()") == real.SIGNER
    # 5 kB of calldata alone are 201,550 gas (EIP-7623); the checks must not dominate that.
    assert int(receipt["gasUsed"], 16) < 400_000


MISMATCHES = {
    "version": (1, "Unsupported quote version"),
    "version, high byte": (0, "Unsupported quote version"),
    "TEE type": (2, "Quote is not of type TDX"),
    "TCB status": (6, "TCB_STATUS != OK"),
    "debug attribute": (133, "debug attributes are set"),
    "MRTD, first byte": (149, "MRTD mismatch"),
    "MRTD, last byte": (196, "MRTD mismatch"),
    "RTMR0, first byte": (341, "RTMR0 mismatch"),
    "RTMR0, 33rd byte": (373, "RTMR0 mismatch"),
    "RTMR0, last byte": (388, "RTMR0 mismatch"),
    "RTMR1, first byte": (389, "RTMR1 mismatch"),
    "RTMR1, last byte": (436, "RTMR1 mismatch"),
    "RTMR2, first byte": (437, "RTMR2 mismatch"),
    "RTMR2, last byte": (484, "RTMR2 mismatch"),
}


@pytest.mark.parametrize("what", MISMATCHES)
def test_a_report_that_does_not_match_is_refused(l1, production, real, what):
    at, complaint = MISMATCHES[what]
    output = bytearray(real.output)
    output[at] ^= 1
    production.answer(bytes(output))
    before = l1.address(production.verifier, "authorizedSignature()")
    with refused_saying(f"TDXVerifier: {complaint}"):
        l1.send(production.verifier, "register(bytes)", "0x" + real.quote.hex(), sender=production.tdx)
    assert l1.address(production.verifier, "authorizedSignature()") == before


@pytest.mark.parametrize("at", [3, 5, 7, 13, 132, 148, 197, 340, 485, 532, 553, 596])
def test_what_the_verifier_does_not_look_at(l1, production, real, at):
    output = bytearray(real.output)
    output[at] ^= 1
    production.answer(bytes(output))
    l1.send(production.verifier, "register(bytes)", "0x" + real.quote.hex(), sender=production.tdx)


def test_upper_attribute_bits_are_no_debug_bits(l1, production, real):
    output = bytearray(real.output)
    output[133] |= 0xF0
    production.answer(bytes(output))
    l1.send(production.verifier, "register(bytes)", "0x" + real.quote.hex(), sender=production.tdx)


@pytest.mark.parametrize("size", [1, 2, 6, 133, 180, 480, 533, 552])
def test_a_short_report_is_refused(l1, production, real, size):
    production.answer(real.output[:size])
    with pytest.raises(Reverted):
        l1.send(production.verifier, "register(bytes)", "0x" + real.quote.hex(), sender=production.tdx)


def test_a_quote_that_dcap_refuses(l1, production, real):
    altered = bytearray(real.quote)
    altered[700] ^= 1
    with refused_saying("TDXVerifier: quote verification failed"):
        l1.send(production.verifier, "register(bytes)", "0x" + altered.hex(), sender=production.tdx)
    with refused_saying("TDXVerifier: quote verification failed"):
        l1.send(production.verifier, "register(bytes)", real.SIGNER, sender=production.tdx)


# --- the bridge of the devnet ----------------------------------------------------------------


PENDING = "getPendingTransactionsVersionedHash(uint16)"
MINT = cast("sig", "mintETH(address)")


def deposit_hash(l2_chain_id, number, wei, recipient):
    data = MINT + "00" * 12 + recipient[2:].lower()
    bridge = "00" * 18 + "ffff"
    words = f"{l2_chain_id:064x}" + bridge * 2 + f"{number:064x}{wei:064x}{105000:064x}"
    return cast("keccak", "0x" + words + cast("keccak", data)[2:])


def test_the_devnet_bridge_has_no_route_to_other_l2s(l1):
    bridge = l1.deploy("DevnetBridge", l1.accounts[1], 7)
    assert l1.call(bridge, "getPendingL2MessagesVersionedHash(uint256,uint16)", 7, 1) == ZERO
    assert l1.number(bridge, "hasExpiredPrivilegedTransactions()") == 0
    publish = "publishL2Messages((uint256,uint256,(address,address,address,uint256)[],bytes32[])[])"
    l1.send(bridge, publish, "[]", sender=l1.accounts[1])
    l1.send(bridge, "publishWithdrawals(uint256,bytes32)", 3, b32("w"), sender=l1.accounts[1])
    assert l1.call(bridge, "batchWithdrawalLogsMerkleRoots(uint256)", 3) == b32("w")
    for signature, args, error, sender in (
        ("removePendingTransactionHashes(uint16)", (1,), "NotThatManyPending()", 1),
        ("removePendingTransactionHashes(uint16)", (0,), "CallerIsNotTheProposer()", 2),
        ("removePendingL2Messages(uint256,uint16)", (7, 1), "NoRouteToOtherChains()", 1),
        (publish, ("[(7,1,[],[])]",), "NoRouteToOtherChains()", 1),
        (publish, ("[]",), "CallerIsNotTheProposer()", 2),
        ("publishWithdrawals(uint256,bytes32)", (4, b32("w")), "CallerIsNotTheProposer()", 2),
        ("deposit(address)", (l1.accounts[3],), "NothingToDeposit()", 2),
        (PENDING, (1,), "NotThatManyPending()", 2),
    ):
        with pytest.raises(Reverted) as e:
            l1.send(bridge, signature, *args, sender=l1.accounts[sender])
        assert e.value.selector == cast("sig", error)


def test_the_devnet_bridge_queues_deposits_as_ethrex_hashes_them(l1):
    bridge = l1.deploy("DevnetBridge", l1.accounts[1], 65536999)
    hashes = []
    for number, wei in enumerate((10**18, 5, 7)):
        l1.send(bridge, "deposit(address)", l1.accounts[3], value=wei)
        hashes.append(deposit_hash(65536999, number, wei, l1.accounts[3]))
    digest = lambda some: f"0x{len(some):04x}" + cast("keccak", "0x" + "".join(h[2:] for h in some))[6:]
    for count in (1, 2, 3):
        assert l1.call(bridge, PENDING, count) == digest(hashes[:count])
    l1.send(bridge, "removePendingTransactionHashes(uint16)", 2, sender=l1.accounts[1])
    assert l1.call(bridge, PENDING, 1) == digest(hashes[2:])
    with pytest.raises(Reverted) as e:
        l1.call(bridge, PENDING, 2)
    assert e.value.selector == cast("sig", "NotThatManyPending()")
