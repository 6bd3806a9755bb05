"""The stand-in for ethrex's coordinator: what it answers in each dialect, held against what a real one
answered, and the traps that a relay has to live with."""

import json
import re
import time

import pytest

from l1 import VECTORS
from upstream import COMMIT_HASH, Upstream
from world import Key, until

ANSWERS = VECTORS / "ethrex" / "coordinator-answers"
WIRE = VECTORS / "wire"
QUIET = {"seconds": 1}
PROOF = {p: bytes(range(65)) for p in ("p3", "p4", "p5", "p6", "p7")}


@pytest.fixture
def new_upstream(tmp_path):
    made = []

    def new(dialect="p7", inputs=range(1, 4), **options):
        made.append(Upstream(tmp_path / str(len(made)), dialect, **options))
        for number in inputs:
            made[-1].seal(number, b'{"blocks":[%d]}' % number)
        return made[-1]

    yield new
    for part in made:
        part.kill()


def asks(dialect, commit_hash=COMMIT_HASH, kind="TDX"):
    if dialect == "p7":
        return {"InputRequest": {"commit_hash": commit_hash, "prover_type": kind}}
    return {"BatchRequest": {"commit_hash": commit_hash, **({"prover_type": kind} if dialect == "p6" else {})}}


def given(dialect, number):
    """The reply that gives that batch, or none."""
    input_ = None if number is None else {"blocks": [number]}
    format_ = {} if dialect == "p3" else {"format": number and "Groth16"}
    if dialect == "p7":
        return {"InputResponse": {"id": number, "input": input_, **format_}}
    return {"BatchResponse": {"batch_number": number, "input": input_, **format_}}


def submits(dialect, number, proof=PROOF["p7"], kind="TDX"):
    if dialect == "p7":
        return {"ProofSubmit": {"id": number, "proof": {"Proof": {"prover_type": kind, "proof": list(proof)}}}}
    values = [{"Bytes": [1, 2, 3]}] if dialect in ("p3", "p4") else []
    calldata = {"prover_type": kind, "calldata": [*values, {"Bytes": list(proof)}]}
    return {"ProofSubmit": {"batch_number": number, "batch_proof": {"ProofCalldata": calldata}}}


def acked(dialect, number):
    return {"ProofSubmitACK": {"id" if dialect == "p7" else "batch_number": number}}


def test_the_answers_of_a_real_coordinator(new_upstream):
    """Byte for byte, in the order in which it was asked."""
    if not ANSWERS.is_dir():
        pytest.skip(f"SKIPPED: what ethrex's coordinator answered is not in {ANSWERS}")
    u = new_upstream(inputs=())
    for name, number in (("request-1", 14), ("request-2-repeat", 15)):
        reply = (ANSWERS / f"{name}.reply").read_bytes()
        u.seal(number, re.fullmatch(rb'.*?"input":(.*),"format":"Groth16"}}', reply, re.S)[1])
    u.verified(13)
    u.start()
    names = re.findall(r"^(\S+) +\d+\.\d+s (close|TIMEOUT)", (ANSWERS.parent / "coordinator-answers.txt").read_text(), re.M)
    assert len(names) == 29
    for name, end in names:
        request, expected = ((ANSWERS / f"{name}.{kind}").read_bytes() for kind in ("request", "reply"))
        if end == "TIMEOUT":
            assert u.say(request, half_close=False, **QUIET) is None, name
        else:
            assert u.say(request) == expected, name


@pytest.mark.parametrize("dialect", ["p3", "p4", "p5", "p6", "p7"])
def test_the_messages_of_each_dialect(new_upstream, dialect):
    """What vectors hold of a dialect, it takes and gives; those of others it closes on."""
    if not WIRE.is_dir():
        pytest.skip(f"SKIPPED: the messages of each dialect are not in {WIRE}")
    u = new_upstream(dialect, inputs=()).start()
    tells = u.options["commit-hash"] = "6e0cacd"
    u.kill()
    u.start()
    for path in sorted(WIRE.glob(f"{dialect}_*.json")):
        message = json.loads(path.read_text())
        kind = message if isinstance(message, str) else next(iter(message))
        if kind == "ProofSubmit":
            (number,) = [v for k, v in message[kind].items() if k in ("id", "batch_number")]
            assert u.ask(message) == acked(dialect, number), path.name
        elif kind in ("BatchRequest", "InputRequest"):
            hash_ = message[kind]["commit_hash"]
            refusal = {"p3": {"InvalidCodeVersion": {"commit_hash": tells}}, "p4": {"InvalidCodeVersion": {"commit_hash": tells}},
                       "p5": {"NoBatchForVersion": {"commit_hash": hash_}}}.get(dialect, "VersionMismatch")
            assert u.ask(message) == refusal, path.name
            # As the vectors have it, to the byte.
            told = WIRE / f"{dialect}_{refusal if isinstance(refusal, str) else next(iter(refusal))}.json"
            assert json.loads(told.read_text()) == refusal
            empty = WIRE / f"{dialect}_{'Input' if dialect == 'p7' else 'Batch'}Response_empty.json"
            if empty.exists():
                message[kind]["commit_hash"] = tells
                assert u.say(message) == empty.read_bytes().strip()
        else:
            assert u.ask(message) is None, path.name
    # p1's submission, and a request of a dialect that this one cannot read.
    assert u.ask(json.loads((WIRE / "p1_ProofSubmit_TDX.json").read_text())) is None
    assert u.ask(asks("p6" if dialect == "p7" else "p7")) is None
    # TDX is registered by nobody here; the others are thanked for nothing.
    assert u.ask(json.loads((WIRE / "all_ProverSetup_devmode.json").read_text())) is None
    assert u.ask({"ProverSetup": {"prover_type": "SP1", "payload": [1]}}) == "ProverSetupACK"


@pytest.mark.parametrize("dialect", ["p3", "p4", "p5", "p6", "p7"])
def test_who_is_given_what(new_upstream, dialect):
    u = new_upstream(dialect).start()
    assert u.ask(asks(dialect)) == given(dialect, 1)
    # Since 2026-02-23 a repeat yields the next batch; before, everybody got the same one.
    second = 2 if dialect in ("p6", "p7") else 1
    assert u.ask(asks(dialect)) == given(dialect, second)
    assert u.ask(submits(dialect, 1)) == acked(dialect, 1)
    third = {"p6": 3, "p7": 3}.get(dialect)
    assert u.ask(asks(dialect)) == given(dialect, third)
    assert u.ask(asks(dialect)) == given(dialect, None)
    # Nothing is looked into, and the first proof stays.
    assert u.ask(submits(dialect, 1, b"another")) == acked(dialect, 1)
    assert u.ask(submits(dialect, 2**64 - 1)) == acked(dialect, 2**64 - 1)
    assert u.kept() == {1: PROOF[dialect], 2**64 - 1: PROOF[dialect]}
    assert [e["kept"] for e in u.journal("received")] == [True, False, True]


@pytest.mark.parametrize("dialect", ["p6", "p7"])
def test_assigned_batches(new_upstream, dialect):
    """They come again after the timeout, and after a restart; proofs stay."""
    u = new_upstream(dialect, prover_timeout=1500).start()
    assert [u.ask(asks(dialect)) for _ in range(4)] == [given(dialect, n) for n in (1, 2, 3, None)]
    assert u.ask(submits(dialect, 1)) == acked(dialect, 1)
    time.sleep(1.6)
    assert u.ask(asks(dialect)) == given(dialect, 2)
    u.kill()
    u.start()
    assert u.ask(asks(dialect)) == given(dialect, 2)
    # What was never stored under that version is passed over by nobody: the scan stops there.
    assert u.ask(asks(dialect, "0000000")) == "VersionMismatch"
    assert u.ask(asks(dialect, kind="SP1")) == {"ProverTypeNotNeeded": {"prover_type": "SP1"}}


def test_each_version_gets_its_own(new_upstream):
    u = new_upstream("p5,p7", inputs=())
    u.seal(1, b'{"blocks":[1]}', "aaaaaaa")
    u.seal(2, b'{"blocks":[2]}', "bbbbbbb")
    u.start()
    assert u.ask(asks("p5", "bbbbbbb")) == given("p5", 2)
    assert u.ask(asks("p7", "bbbbbbb")) == "VersionMismatch"  # the gap at 1 blocks
    assert u.ask(asks("p7", "aaaaaaa")) == given("p7", 1)
    assert u.ask(asks("p7", "bbbbbbb")) == given("p7", 2)


def test_no_timeout_at_all_spins(new_upstream):
    u = new_upstream(prover_timeout=0).start()
    assert [u.ask(asks("p7")) for _ in range(2)] == [given("p7", 1)] * 2
    assert u.ask(submits("p7", 1)) == acked("p7", 1)
    assert u.say(asks("p7"), **QUIET) is None
    assert u.ask(submits("p7", 2)) == acked("p7", 2)  # the others are answered


def test_it_verifies_and_deletes_what_the_contract_calls_bad(world):
    """Its sender over anvil: a run in one transaction, single ones where that fails, the cursor behind the chain."""
    u = world.add(Upstream(world.dir, world=world, sender=world.l1.accounts[1]))
    key, other = Key(), Key()
    for number in range(1, 5):
        u.seal(number, world.batch(number)["input"])
    u.start()
    world.l1.send(world.verifier, "register(bytes)", key.address, sender=world.l1.accounts[2])
    world.commit(1, 4)
    for number, signer in ((2, key), (3, other), (1, key)):
        assert u.ask(submits("p7", number, world.proof(signer, number))) == acked("p7", number)
    world.until_verified(2)
    until("the bad proof is gone", lambda: 3 not in u.kept())
    assert [e["batch"] for e in u.journal("deleted")] == [3]
    assert u.ask(asks("p7"))["InputResponse"]["id"] == 3
    assert u.ask(submits("p7", 3, world.proof(key, 3))) == acked("p7", 3)
    world.until_verified(3)
    # Who verifies does not matter to it: the base follows the chain.
    none = "[0x]"
    world.l1.send(world.timelock, "verifyBatches(uint256,bytes[],bytes[],bytes[])", 4, none, none,
                  f"[0x{world.proof(key, 4).hex()}]", sender=world.l1.accounts[1])
    until("the cursor follows", lambda: (u.dir / "latest_sent").read_text() == "4")
    assert u.ask(asks("p7"))["InputResponse"]["id"] is None
