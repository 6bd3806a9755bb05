"""The relay: this coordinator in front of ethrex's own (a stand-in), over anvil."""

import json
import time

import pytest

from chaos import DOWN, Chaos
from upstream import Upstream
from world import COMMIT_HASH, Key, until

QUICK = {"UPSTREAM_POLL": 100, "UPSTREAM_WAIT": 1000, "LEASES_PER_SOURCE": 0}


@pytest.fixture
def upstream(world):
    def new(dialect="p7", **options):
        u = world.add(Upstream(world.dir, dialect, world=world, **options))
        u.sealed = 0
        return u
    return new


def feed(world, u, last):
    """As ethrex does it: an input is stored when its batch is sealed, the commitment comes later."""
    for number in range(u.sealed + 1, last + 1):
        u.seal(number, world.batch(number)["input"])
    world.commit(u.sealed + 1, last)
    u.sealed = world.fed = last


def relay(world, u, submit="l1", **settings):
    return world.coordinator(UPSTREAM=f"tcp://127.0.0.1:{u.port}", SUBMIT=submit, **{**QUICK, **settings})


def prove_until(world, c, key, last, seconds=60):
    end = time.monotonic() + seconds
    while world.verified < last:
        assert time.monotonic() < end, c.status()
        try:
            if world.prove(c, key) is None:
                time.sleep(0.05)
        except OSError:
            time.sleep(0.05)
    assert world.verified == last


def given(u):
    return [e["batch"] for e in u.journal("gave")]


def received(u):
    return [e["batch"] for e in u.journal("received")]


def batch_request(kind=None, commit_hash=COMMIT_HASH):
    return {"BatchRequest": {"commit_hash": commit_hash, **({"prover_type": kind} if kind else {})}}


def test_l1_inputs_come_from_upstream_and_nothing_goes_back(world, upstream):
    u = upstream().start()
    c = relay(world, u, UPSTREAM_PREFETCH=3).start()
    key = Key()
    c.enroll(key)
    feed(world, u, 6)
    number, first = c.request()  # the very first request waits for the fetch
    assert number == 1 and first == json.loads(world.batch(1)["input"])
    assert c.submit(1, world.proof(key, 1)) is True
    until("three ahead", lambda: given(u) == [1, 2, 3, 4])
    time.sleep(0.5)
    assert given(u) == [1, 2, 3, 4]
    prove_until(world, c, key, 6)
    assert given(u) == [1, 2, 3, 4, 5, 6] and received(u) == [] and u.journal("setup") == []
    assert c.metric('upstream_answers_total{answer="new"}') == 6 and c.metric("upstream_up") == 1
    told = c.told("relay")
    assert len(told) == 1 and told[0]["submit"] == "l1" and "proof-coordinator checkpoints" in told[0]["note"]
    # What upstream keeps for batches that are verified and confirmed.
    for n in (0, 2, 5, 6, 7):
        (world.dir / "ethrex" / f"checkpoint_batch_{n}").mkdir(parents=True)
    until("batch 6 is final", lambda: c.status()["relay"]["checkpoints_through"] == 5)
    listed = c.verb("checkpoints", world.dir / "ethrex").stdout.split()
    assert sorted(listed) == [f"{world.dir}/ethrex/checkpoint_batch_{n}" for n in (0, 2, 5)]
    assert "checkpoint_batch_0 to checkpoint_batch_5" in c.verb("checkpoints").stdout


def test_upstream_proofs_go_back_and_its_sender_verifies(world, upstream):
    u = upstream(sender=world.l1.accounts[1]).start()
    c = relay(world, u, "upstream", L1_PRIVATE_KEY_FILE=None).start()
    key, stranger = Key(), Key()
    c.enroll(key)
    feed(world, u, 5)
    # A stranger's proof is kept here, and never becomes the first that ethrex gets.
    number, _ = c.request(source="127.0.0.9")
    assert number == 1 and c.submit(1, world.proof(stranger, 1), source="127.0.0.9") is True
    prove_until(world, c, key, 5)
    assert sorted(received(u)) == [1, 2, 3, 4, 5] and all(e["kept"] for e in u.journal("received"))
    assert u.kept() == {n: world.proof(key, n) for n in range(1, 6)} and u.journal("deleted", "setup") == []
    assert len(c.told("registered")) == 1 and c.events("verify_started") == []
    assert c.metric("proofs_forwarded_total") == 5
    assert "upstream" in c.status()["l1"]["next"]


def test_both_may_race(world, upstream):
    u = upstream(sender=world.l1.accounts[0], send_interval=50).start()
    c = relay(world, u, "both").start()
    key = Key()
    c.enroll(key)
    for last in range(1, 9):
        feed(world, u, last)
        prove_until(world, c, key, last)
    assert not c.events("proof_set_aside") and not u.journal("deleted")
    until("all forwarded", lambda: sorted(set(received(u))) == list(range(1, 9)) or c.status()["relay"]["proofs"]["not_acknowledged"] == 0)


@pytest.mark.parametrize("submit", ["l1", "upstream", "both"])
def test_kill_9_loses_nothing(world, upstream, submit):
    u = upstream(sender=None if submit == "l1" else world.l1.accounts[1], prover_timeout=1500).start()
    c = relay(world, u, submit).start()
    key = Key()
    c.enroll(key)
    acked = set()
    for last in range(3, 13, 3):
        feed(world, u, last)
        end = time.monotonic() + 60
        while not set(range(last - 2, last + 1)) <= acked:
            assert time.monotonic() < end, c.status()
            number, _ = c.request()
            if number and c.submit(number, world.proof(key, number)) is True:
                acked.add(number)
            time.sleep(0.02)
        c.kill()
        if submit != "l1":
            u.kill()
            u.start()
        c.start()
    prove_until(world, c, key, 12)
    assert acked == set(range(1, 13))
    if submit != "l1":
        assert u.kept() == {n: world.proof(key, n) for n in u.kept()}
        firsts = [e["batch"] for e in u.journal("received") if e["kept"]]
        assert len(firsts) == len(set(firsts)), "one was kept twice upstream"


def test_an_input_lost_on_its_way_comes_again(world, upstream):
    """Killed while upstream's answer comes: upstream gives it again after its timeout, and the gap is seen."""
    u = upstream(prover_timeout=2000).start()
    c = relay(world, u).start()
    key = Key()
    c.enroll(key)
    feed(world, u, 1)
    assert world.prove(c, key) == 1
    world.until_verified(1)
    u.ask({"InputRequest": {"commit_hash": COMMIT_HASH, "prover_type": "TDX"}})
    for number in (2, 3, 4):
        u.seal(number, world.batch(number)["input"])
    # Somebody else takes the next one, as a run of ours that did not live to keep it.
    until("batch 2 went elsewhere", lambda: u.ask({"InputRequest": {"commit_hash": COMMIT_HASH, "prover_type": "TDX"}}))
    world.commit(2, 4)
    u.sealed = world.fed = 4
    until("it is told", lambda: "none was lost here: does another coordinator, or a prover, ask" in c.status()["relay"]["says"])
    prove_until(world, c, key, 4)


def test_upstream_goes_and_comes_back(world, upstream):
    u = upstream(sender=world.l1.accounts[1]).start()
    c = relay(world, u, "upstream", UPSTREAM_PREFETCH=2).start()
    key = Key()
    c.enroll(key)
    feed(world, u, 3)
    number, _ = c.request()
    until("two ahead", lambda: len(given(u)) == 3)
    u.kill()
    down = time.monotonic()
    c.saw("event=upstream_down", 3)
    assert time.monotonic() - down < 2
    assert c.metric("upstream_up") == 0 and c.status()["relay"]["state"] == "down"
    # Who works goes on, with what is here, and is acknowledged; nobody waits for nothing.
    started = time.monotonic()
    assert c.submit(number, world.proof(key, number)) is True
    assert [world.prove(c, key), world.prove(c, key)] == [2, 3]
    assert c.request()[1] == {"InputResponse": {"id": None, "input": None, "format": None}}
    assert time.monotonic() - started < 1
    until("a proof waits", lambda: c.status()["relay"]["proofs"]["not_acknowledged"] >= 1)
    u.start()
    c.saw("event=upstream_up .*was_down_ms=[1-9]")
    world.until_verified(3)
    assert received(u) == [1, 2, 3]


def test_a_proof_that_upstream_loses_is_sent_again(world, upstream):
    """Its store in memory: after a restart inputs come again, and proofs are missing."""
    u = upstream(sender=None, prover_timeout=500).start()
    c = relay(world, u, "upstream").start()
    key = Key()
    c.enroll(key)
    feed(world, u, 2)
    assert [world.prove(c, key), world.prove(c, key)] == [1, 2]
    until("both are there", lambda: sorted(u.kept()) == [1, 2])
    (u.dir / "proofs" / "1.TDX").unlink()
    c.saw("event=forwarded_proof_lost batch=1 ")
    until("it is there again", lambda: u.kept().get(1) == world.proof(key, 1))


def test_what_upstream_says_is_said_in_the_provers_dialect(world, upstream):
    u = upstream("p4,p6,p7").start()
    c = relay(world, u).start()
    c.enroll(Key())
    other = "bbbbbbb"
    assert c.request(other) == (None, "VersionMismatch")
    assert c.ask(batch_request("TDX", other)) == "VersionMismatch"
    assert c.ask(batch_request(None, other)) == {"InvalidCodeVersion": {"commit_hash": COMMIT_HASH}}
    assert c.request("") == (None, "VersionMismatch")
    assert c.request() == (None, {"InputResponse": {"id": None, "input": None, "format": None}})
    assert c.ask(batch_request("TDX")) == {"BatchResponse": {"batch_number": None, "input": None, "format": None}}
    assert c.ask(batch_request()) == {"BatchResponse": {"batch_number": None, "input": None, "format": None}}
    assert c.request(prover_type="SP1") == (None, {"ProverTypeNotNeeded": {"prover_type": "SP1"}})
    feed(world, u, 2)
    until("p6 gets it", lambda: (c.ask(batch_request("TDX")) or {}).get("BatchResponse", {}).get("batch_number") == 1)
    # The seed's own dialects name no version: there is one.
    until("the next is here", lambda: c.status()["work"]["inputs"] == 2)
    assert c.ask("BatchRequest") == {"BatchResponse": {"batch_number": 2, "input": json.loads(world.batch(2)["input"])}}


def test_p5_is_told_in_its_own_words(world, upstream):
    u = upstream("p5").start()
    c = relay(world, u).start()
    c.saw("event=l1_read")  # what is needed is known
    assert c.ask(batch_request(None, "bbbbbbb")) == {"NoBatchForVersion": {"commit_hash": "bbbbbbb"}}


@pytest.mark.parametrize("dialect", ["p3", "p4", "p5", "p6"])
def test_each_generation_through_and_back(world, upstream, dialect):
    u = upstream(dialect, sender=world.l1.accounts[1]).start()
    c = relay(world, u, "upstream").start()
    key = Key()
    c.enroll(key)
    feed(world, u, 2)
    for number in (1, 2):
        ask = batch_request("TDX" if dialect == "p6" else None)
        until(f"batch {number}", lambda: (c.ask(ask) or {}).get("BatchResponse", {}).get("batch_number") == number)  # noqa: B023
        values = [{"Bytes": list(bytes.fromhex(world.batch(number)["public_inputs"][2:]))}] if dialect in ("p3", "p4") else []
        proof = {"ProofCalldata": {"prover_type": "TDX", "calldata": [*values, {"Bytes": list(world.proof(key, number))}]}}
        assert c.ask({"ProofSubmit": {"batch_number": number, "batch_proof": proof}}) == {"ProofSubmitACK": {"batch_number": number}}
        world.until_verified(number)
    assert [e["dialect"] for e in u.journal("received")] == [dialect] * 2


def test_another_generation_than_upstreams_is_translated(world, upstream):
    """A prover of p6 before an upstream of p7: it closes on p6 without a word, and is asked in its own."""
    u = upstream("p7").start()
    c = relay(world, u).start()
    c.enroll(Key())
    feed(world, u, 1)
    until("it gets the input", lambda: (c.ask(batch_request("TDX")) or {}).get("BatchResponse", {}).get("batch_number") == 1)
    assert u.journal("unreadable") and given(u) == [1]


def test_no_timeout_upstream_is_warned_of(world, upstream):
    u = upstream(prover_timeout=0).start()
    c = relay(world, u).start()
    key = Key()
    c.enroll(key)
    feed(world, u, 1)
    assert c.request()[0] == 1
    c.saw("event=upstream_spins .*prover-timeout 0")
    assert c.metric("upstream_spins") == 1 and c.status()["relay"]["spins"] is True


class Dripping(Chaos):
    """Of an acknowledgement of that batch a byte a second comes."""

    def __init__(self, port, batch):
        self.batch, self.dripped = b'"ProofSubmitACK":{"id":%d}' % batch, 0
        super().__init__(port)

    def pass_on(self, direction, message, to, other):
        if direction == DOWN and self.batch in message:
            self.dripped += 1
            for byte in message[:20]:
                to.sendall(bytes([byte]))
                time.sleep(1)
        return super().pass_on(direction, message, to, other)


def test_a_slow_acknowledgement_holds_up_no_other(world, upstream):
    u = upstream().start()
    slow = world.add(Dripping(u.port, 1))
    c = relay(world, slow, "upstream", UPSTREAM_TIMEOUT=2000).start()
    key = Key()
    c.enroll(key)
    feed(world, u, 2)
    for number in (1, 2):
        assert until("the input", lambda: c.request()[0]) == number
        assert c.submit(number, world.proof(key, number)) is True
    until("the first one drips", lambda: slow.dripped)
    until("the second is acknowledged", lambda: c.status()["relay"]["proofs"]["acknowledged"] == 1, 15)
    assert c.status()["relay"]["proofs"]["first_not_acknowledged"] == 1 and set(u.kept()) == {1, 2}


def test_an_input_beyond_the_ceiling(world, upstream):
    """It is said which and why, and the others go on."""
    u = upstream().start()
    large = len(world.batch(2)["input"])
    assert large > max(len(world.batch(n)["input"]) for n in (1, 3))
    c = relay(world, u, MAX_INPUT_BYTES=large - 1, UPSTREAM_PREFETCH=3).start()
    key = Key()
    c.enroll(key)
    feed(world, u, 3)
    assert [until("an input", lambda: world.prove(c, key)) for _ in range(2)] == [1, 3]
    said = until("it is said", lambda: (s := c.status()["relay"]["says"]) and "the last that was lost: batch 2: " in s and s)
    assert c.saw("event=input_missing .*batch 2: ", 20) and str(large - 1) in said, said


def test_an_upstream_that_lost_its_store_has_the_proof_again(world, upstream):
    """It hands out nothing that could show it: ten minutes after, the batch that is next is still not verified."""
    u = upstream(sender=None).start()
    c = relay(world, u, "upstream").start()
    key = Key()
    c.enroll(key)
    feed(world, u, 1)
    assert until("the input", lambda: world.prove(c, key)) == 1
    until("it is acknowledged", lambda: c.status()["relay"]["proofs"]["acknowledged"] == 1)
    u.kill()
    for path in (*(u.dir / "proofs").iterdir(), *(u.dir / "inputs").iterdir()):
        path.unlink()
    u.start()
    assert c.stop() == 0 and not c.events("forwarded_not_verified")
    c.clock_off(660)
    c.start()
    c.saw("event=forwarded_not_verified batch=1 ")
    until("it is there again", lambda: u.kept() == {1: world.proof(key, 1)})


def test_the_base_goes_back(world, upstream):
    """A reorg takes back what was verified: nothing is asked for or lost, and it is verified again."""
    u = upstream().start()
    final = 30
    c = relay(world, u, CONFIRMATIONS=final, PROVER_TIMEOUT=60000).start()
    key = Key()
    c.enroll(key)
    feed(world, u, 3)
    world.l1.rpc("anvil_mine", hex(final))
    c.saw("event=registered")
    proofs = {n: world.proof(key, n) for n in (3, 2, 1)}
    assert [until("the input", lambda: c.request()[0]) for _ in proofs] == [1, 2, 3]
    snapshot = world.l1.rpc("evm_snapshot")
    for number, proof in proofs.items():  # so that one transaction verifies all
        assert c.submit(number, proof) is True
    world.until_verified(3)
    world.unverify(snapshot, c, 3)
    until("verified again", lambda: world.verified == 3)
    assert given(u) == [1, 2, 3]


def test_settings_that_cannot_be(world, upstream):
    u = upstream()
    c = relay(world, u)
    for settings, said in (
            ({"UPSTREAM": None, "SUBMIT": "upstream"}, "UPSTREAM is not set"),
            ({"SUBMIT": "nobody"}, '"nobody" is not l1, upstream or both'),
            ({"UPSTREAM": f"tcp://127.0.0.1:{c.port}"}, "where this coordinator listens itself (LISTEN_ADDRESS"),
            ({"UPSTREAM": f"tcp://localhost:{c.port}"}, "where this coordinator listens itself (LISTEN_ADDRESS"),
            ({"UPSTREAM": f"tcp://127.0.0.1:{c.admin_port}"}, "(ADMIN_LISTEN)"),
            ({"UPSTREAM": "http://127.0.0.1:3901"}, "is not tcp://HOST:PORT"),
            ({"UPSTREAM": "tcp://127.0.0.1"}, "is not tcp://HOST:PORT"),
            ({"UPSTREAM": f"tcp://{64 * 'a'}.invalid:3901"}, "cannot be resolved"),
            ({"L1_PRIVATE_KEY_FILE": None}, "L1_PRIVATE_KEY_FILE is needed")):
        tried = relay(world, u)
        tried.port, tried.admin_port = c.port, c.admin_port
        tried.change(LISTEN_PORT=c.port, ADMIN_LISTEN=f"127.0.0.1:{c.admin_port}")
        tried.change(**settings)
        done = tried.verb("config")
        assert done.returncode != 0 and said in done.stderr, (settings, done.stderr)
    fine = relay(world, u, "upstream", L1_PRIVATE_KEY_FILE=None).verb("config")
    assert fine.returncode == 0, fine.stderr


def test_a_switch_of_keys_waits_for_what_upstream_can_verify(world, upstream):
    u = upstream().start()  # which sends nothing itself, for now
    c = relay(world, u, "upstream", PROVER_SILENCE=1000, PROVER_TIMEOUT=1000).start()
    first, second = Key(), Key()
    c.enroll(first)
    c.enroll(second)
    feed(world, u, 3)
    assert world.prove(c, first) == 1
    until("it is upstream", lambda: 1 in u.kept())
    assert world.prove(c, second, source="127.0.0.2") == 2
    # The active is silent and the standby has shown a proof; but what is upstream would be thrown away.
    until("the switch waits", lambda: "the next key waits" in c.status()["l1"]["next"])
    time.sleep(2)
    assert world.signer == first.address and sorted(u.kept()) == [1]
    world.l1.send(world.timelock, "verifyBatches(uint256,bytes[],bytes[],bytes[])", 1, "[0x]", "[0x]",
                  f"[0x{world.proof(first, 1).hex()}]", sender=world.l1.accounts[1])
    until("the second is registered", lambda: world.signer == second.address)
    until("its proof is upstream", lambda: u.kept().get(2) == world.proof(second, 2))
    assert not u.journal("deleted")


def test_exec_where_nothing_is_required(new_world):
    world = new_world("exec")
    u = world.add(Upstream(world.dir, "p7", world=world, sender=world.l1.accounts[1]))
    u.options["needed"] = "Exec"
    u.sealed = 0
    u.start()
    c = relay(world, u, "upstream").start()
    feed(world, u, 2)
    for number in (1, 2):
        assert until("the input", lambda: c.request(prover_type="Exec")[0]) == number
        assert c.submit(number, b"\0", "Exec") is True
    world.until_verified(2)
    assert sorted(received(u)) == [1, 2]
