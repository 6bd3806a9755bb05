"""Batches of ethrex's own sequencer, proofs of its own prover (VECTORS_DIR/ethrex): its commit calldata,
byte for byte, with a blob made anew from the prover's input, and our OnChainProposer verifies what
ethrex's verified. Then the same through a coordinator."""

import functools
import json
import subprocess

import pytest

from l1 import VECTORS, Signer, cast
from process import BUILD, until
from test_contracts import World, refused, u256

BUILDER = BUILD / "sequencer" / "l2-block-builder"
EXECUTOR = BUILD / "quote-gen" / "ethrex-executor"
MANIFEST = VECTORS / "ethrex" / "MANIFEST.json"
L2_CHAIN_ID = 65536999
# Of OnChainProposer: behind Ownable2Step's two slots.
LAST_VERIFIED, LAST_COMMITTED, COMMITMENTS = 2, 3, 4

for needed, how in ((MANIFEST, "set VECTORS_DIR"), (BUILDER, "scripts/build-rust")):
    if not needed.exists():
        pytest.skip(f"SKIPPED: batches of ethrex's own: {needed} is absent ({how})", allow_module_level=True)

SIGNED = [entry for entry in json.loads(MANIFEST.read_text()) if "signature" in entry]


def name(entry):
    return entry["file"].removesuffix(".input.json")


def entries(*names):
    return [next(entry for entry in SIGNED if name(entry) == wanted) for wanted in names]


def input_of(entry):
    return (MANIFEST.parent / entry["file"]).read_bytes()


@functools.cache
def carried(file):
    """What L1 carried of the batch with this input: blob, commitment and proof, and the versioned hash."""
    run = subprocess.run([BUILDER, "blob"], input=(MANIFEST.parent / file).read_bytes(), capture_output=True, check=True)
    return json.loads(run.stdout)


def blob_fields(entry):
    """Of the transaction that commits: empty for a validium's."""
    told = entry["commit"]["blobVersionedHashes"]
    if not told:
        return {}
    made = carried(entry["file"])
    assert [made["versionedHash"]] == told and made["blob"]["commitments"] == entry["commit"]["commitments"]
    return {**made["blob"], "blobVersionedHashes": told, "maxFeePerBlobGas": hex(10**9)}


class Ethrexs(World):
    """Contracts that stand where ethrex's stood before that batch."""

    def __init__(self, l1, entry):
        rollup = bool(entry["commit"]["blobVersionedHashes"])
        super().__init__(l1, validium=str(not rollup).lower(), chain_id=L2_CHAIN_ID)
        before = entry["batch"] - 1
        self.store(LAST_VERIFIED, u256(before))
        self.store(LAST_COMMITTED, u256(before))
        self.store(cast("index", "uint256", before, COMMITMENTS), entry["public_inputs"][:66])
        assert (self.verified, self.committed) == (before, before)
        state = l1.call(self.proposer, "batchCommitments(uint256)", before)[:66]
        assert state == entry["public_inputs"][:66] and l1.number(self.proposer, "CHAIN_ID()") == L2_CHAIN_ID

    def store(self, slot, value):
        self.l1.rpc("anvil_setStorageAt", self.proposer, slot if isinstance(slot, str) else u256(slot), value)

    def commit_as_ethrex(self, entry):
        digest = "0x" + entry["commit"]["input"][2:][8 + 64 * 3:8 + 64 * 4]
        self.l1.send(self.bridge, "setPendingFromL1(bytes32)", digest)
        self.l1.transact({"from": self.committer, "to": self.timelock, "data": entry["commit"]["input"],
                          **blob_fields(entry)})

    def authorize(self, address):
        self.l1.send(self.verifier, "register(bytes)", address, sender=self.tdx)


def test_there_are_nine():
    assert len(SIGNED) == 9 and sum(bool(e["commit"]["blobVersionedHashes"]) for e in SIGNED) == 7


@pytest.mark.parametrize("entry", SIGNED, ids=name)
def test_our_contract_verifies_what_ethrexs_verified(l1, entry):
    w, number, signature = Ethrexs(l1, entry), entry["batch"], [entry["signature"]]
    w.commit_as_ethrex(entry)
    assert w.committed == number
    w.authorize(Signer().address)
    with refused("InvalidTdxProof()", "signed by somebody else than the registered one"):
        w.verify(number, signature)
    w.authorize(entry["signer"])
    other = next(e for e in SIGNED if e["signer"] == entry["signer"] and e is not entry)
    with refused("InvalidTdxProof()", "the right key's signature of another batch"):
        w.verify(number, [other["signature"]])
    w.verify(number, signature)
    assert w.verified == number
    deposits = int(entry["public_inputs"][2:][64 * 3:64 * 3 + 4], 16)
    assert l1.number(w.bridge, "removedFromL1()") == deposits == (1 if name(entry) == "l2-rollup-batch10" else 0)
    withdrawals = l1.call(w.bridge, "withdrawals(uint256)", number)
    assert withdrawals == "0x" + entry["public_inputs"][2:][64 * 2:64 * 3]
    assert (int(withdrawals, 16) != 0) == (name(entry) == "l2-rollup-batch11")


def test_a_blob_of_other_blocks_is_another_commitment(l1):
    """What the proof says of the blob is what L1 carried, not what the calldata says."""
    entry, other = entries("l2-rollup-batch10", "l2-rollup-batch11")
    w = Ethrexs(l1, entry)
    w.authorize(entry["signer"])
    w.commit_as_ethrex({**entry, "file": other["file"],
                        "commit": {**other["commit"], "input": entry["commit"]["input"]}})
    with refused("InvalidTdxProof()"):
        w.verify(entry["batch"], [entry["signature"]])


@pytest.mark.parametrize("prover", ["of ethrex", "ours"])
@pytest.mark.parametrize("pair", [("l2-rollup-batch10", "l2-rollup-batch11"), ("l2-validium-production-batch1",
                                                                                "l2-validium-production-batch2")],
                         ids=["rollup", "validium"])
def test_through_a_coordinator(world, pair, prover):
    """ethrex's signatures pass our proof check, and our prover gives proofs of the same batches."""
    batches = entries(*pair)
    liar = lambda entry: f"127.0.0.{100 + entry['batch']}"
    w = Ethrexs(world.l1, batches[0])
    coordinator = world.coordinator(ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS=w.proposer,
                                    ETHREX_TIMELOCK_ADDRESS=w.timelock).start()
    for entry in batches:
        assert coordinator.put(entry["batch"], input_of(entry))[0] == 201
        w.commit_as_ethrex(entry)
    if prover == "ours":
        ours = world.prover(coordinator, executor=EXECUTOR).start()
        until("both verified", lambda: w.verified == batches[1]["batch"])
        assert ours.processed(len(batches)) == [entry["batch"] for entry in batches]
        return
    until("ProverSetupACK", lambda: coordinator.setup(bytes.fromhex(batches[0]["signer"][2:])) is True, pause=0.2)
    for entry in batches:
        number, document = coordinator.request()
        assert number == entry["batch"] and document == json.loads(input_of(entry))
        wrong = bytes.fromhex(Signer().sign(entry["public_inputs"])[2:])
        assert coordinator.submit(number, wrong, source=liar(entry)) is True
        assert coordinator.submit(number, bytes.fromhex(entry["signature"][2:])) is True
    until("both verified", lambda: w.verified == batches[1]["batch"])
    # Of one that is judged together with a good one, that is said in another line.
    def said():
        return {(e["batch"], e["source"]): e["verdict"]
                for e in coordinator.events("proof_judged") + coordinator.events("proof_set_aside")}

    verdicts = until("each is judged", lambda: len(found := said()) == 2 * len(batches) and found)
    for entry in batches:
        assert verdicts[str(entry["batch"]), "127.0.0.1"] == "good"
        assert verdicts[str(entry["batch"]), liar(entry)] != "good"
