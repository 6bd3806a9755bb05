"""L1 endpoints that are dead, slow or lie, other clients than anvil, and a chain that goes back."""

import json
import pathlib
import time

import pytest

from clients import WORDS
from endpoint import Endpoint
from world import L1_KEY, TDX_KEY, Key, cast, free_port, until


@pytest.fixture
def endpoints(world):
    made = [Endpoint(world.l1), Endpoint(world.l1)]
    yield made
    for e in made:
        e.close()


def settings(*endpoints):
    return {"ETHREX_ETH_RPC_URL": ",".join(e if isinstance(e, str) else e.url for e in endpoints), "RPC_TIMEOUT": 1000}


def prove_all(world, c, key, last, seconds=60):
    end = time.monotonic() + seconds
    while world.verified < last:
        assert time.monotonic() < end, c.status()["l1"]
        if world.prove(c, key) is None:
            time.sleep(0.05)


@pytest.mark.parametrize("mood", ["dead", "slow", "500", "garbage", "null", "other chain", "limited", "pruned"])
def test_one_of_two_endpoints_in_trouble(world, endpoints, mood):
    bad, good = endpoints
    bad.mood = mood
    c = world.coordinator(**settings(bad, good), L1_CHAIN_ID=31337).start()
    key = Key()
    c.enroll(key)
    world.feed(c, 2)
    prove_all(world, c, key, 2)


def test_one_of_two_endpoints_lacks_a_method(world, endpoints):
    """What reads the contract as it should: the other is asked for what this one does not do."""
    bad, good = endpoints
    c = world.coordinator(**settings(bad, good)).start()
    key = Key()
    c.enroll(key)
    for n, (method, mood) in enumerate((("eth_estimateGas", "lacking"), ("eth_estimateGas", "pruned"), ("eth_estimateGas", "null"),
                                        ("eth_getTransactionReceipt", "pruned"), ("eth_getTransactionCount", "pruned")), 1):
        bad.methods, bad.mood = (method,), mood
        world.feed(c, n)
        prove_all(world, c, key, n)
        bad.mood = None


@pytest.mark.parametrize("mood", ["dead", "500", "garbage", "slow", "limited"])
def test_an_endpoint_that_falls_ill_and_recovers(world, endpoints, mood):
    only, _ = endpoints
    c = world.coordinator(**settings(only)).start()
    key = Key()
    c.enroll(key)
    world.feed(c, 1)
    prove_all(world, c, key, 1)
    only.mood = mood
    c.saw("event=l1_unreadable")
    # An ACK never waits for L1.
    world.put(c, 2, 3)
    world.commit(2, 3)
    world.fed = 3
    proofs, waits = {n: world.proof(key, n) for n in (2, 3)}, []
    for n in proofs:
        assert c.request()[0] == n
        start = time.monotonic()
        assert c.submit(n, proofs[n]) is True
        waits.append(time.monotonic() - start)
    assert min(waits) < 0.9, "each ACK took as long as L1 is waited for"
    assert not c.status()["l1"]["readable"]
    assert c.verb("healthcheck").returncode == 0
    only.mood = None
    world.until_verified(3)


@pytest.mark.parametrize("before", ["", "x"])
def test_words_that_are_cut(world, endpoints, before):
    """A node's sentence is longer than its place here, and a character stands across the end: what quotes it is UTF-8 still."""
    only, _ = endpoints
    only.answer = lambda body: (200, json.dumps({"jsonrpc": "2.0", "id": json.loads(body)["id"], "error": {
        "code": -32000, "message": before + "\u00e9" * 700}}, ensure_ascii=False).encode())
    c = world.coordinator(**settings(only)).start()
    c.saw("event=endpoint_failed")
    for path in ("/api/v1/status", "/api/v1/overview"):
        status, text = c.admin("GET", path)
        assert status == 200 and "\u00e9" * 50 in json.loads(text)["l1"]["endpoints"][0]["last_error"]
    assert c.verb("status").returncode == 0


def test_dead_at_the_start(world):
    port = free_port()
    c = world.coordinator(**settings(f"http://127.0.0.1:{port}"))
    # The best of three: what else the machine does is not the daemon's time.
    for _ in range(3):
        c.stop()
        c.start(ready=False)
        until("ready", lambda: c.verb("healthcheck").returncode == 0)
    assert min(int(e["start_ms"]) for e in c.told("ready", 3)) < 1000
    assert c.say(b'{"InputRequest":{"commit_hash":"52e4b64","prover_type":"SP1"}}') == (
        b'{"InputResponse":{"id":null,"input":null,"format":null}}')
    key = Key()
    assert c.setup(key.payload)["Error"]["code"] == "try_again"
    world.put(c, 1, 2)
    assert c.request()[0] is None
    endpoint = Endpoint(world.l1, port)
    try:
        c.enroll(key)
        world.commit(1, 2)
        world.fed = 2
        prove_all(world, c, key, 2)
        # What the chain said is kept: with L1 dead again, work goes on after a restart.
        world.put(c, 3, 3)
        c.stop()
    finally:
        endpoint.close()
    c.start()
    assert world.prove(c, key) == 3


@pytest.mark.parametrize("shift", [1, 7, -1, -1000])
def test_lies_about_nonces(world, endpoints, shift):
    liar, honest = endpoints
    c = world.coordinator(**settings(liar, honest)).start()
    key = Key()
    c.enroll(key)
    world.feed(c, 1)
    prove_all(world, c, key, 1)
    liar.shift, liar.mood = shift, "nonce"
    world.feed(c, 3)
    end = time.monotonic() + 5
    while world.verified < 3 and time.monotonic() < end:
        if world.prove(c, key) is None:
            time.sleep(0.1)
    liar.mood = None
    prove_all(world, c, key, 3)


@pytest.mark.parametrize("mood", ["drop", "swallow"])
def test_broadcast_that_vanishes(world, endpoints, mood):
    only, _ = endpoints
    c = world.coordinator(**settings(only)).start()
    key = Key()
    c.enroll(key)
    world.feed(c, 2)
    only.mood, only.methods = mood, ("eth_sendRawTransaction",)
    assert world.prove(c, key) == 1
    until("a broadcast", lambda: only.seen.count("eth_sendRawTransaction") >= 2)
    time.sleep(1)
    only.mood = None
    prove_all(world, c, key, 2)
    assert not c.events("proof_set_aside")


def test_hidden_receipts(world, endpoints):
    only, _ = endpoints
    c = world.coordinator(**settings(only)).start()
    key = Key()
    c.enroll(key)
    only.mood, only.methods = "null", ("eth_getTransactionReceipt",)
    world.feed(c, 2)
    assert world.prove(c, key) == 1
    world.until_verified(1)
    time.sleep(1)
    only.mood = None
    prove_all(world, c, key, 2)
    assert world.l1.rpc("eth_getTransactionCount", cast("wallet", "address", "--private-key", pathlib.Path(
        world.dir / "l1.key").read_text().strip()), "latest") in ("0x1", "0x2")


def test_one_endpoint_does_not_condemn_a_good_proof(world, endpoints):
    liar, honest = endpoints
    liar.mood = "refuse"
    c = world.coordinator(**settings(liar, honest)).start()
    key = Key()
    c.enroll(key)
    world.feed(c, 1)
    assert world.prove(c, key) == 1
    time.sleep(3)
    assert not c.events("proof_set_aside"), "a lying endpoint had a good proof condemned"
    liar.mood = None
    world.until_verified(1)
    assert not c.events("proof_set_aside")


@pytest.mark.parametrize("client", WORDS)
def test_every_client(world, client):
    """From registration to verification, over a transaction that was lost on the way and a restart, with a node that
    is as strict as that client and speaks its words."""
    node = Endpoint(world.l1, client=client)
    try:
        c = world.coordinator(**settings(node)).start()
        key = Key()
        c.enroll(key)
        world.feed(c, 2)
        prove_all(world, c, key, 2)
        node.mood, node.methods = "drop", ("eth_sendRawTransaction",)
        world.feed(c, 4)
        assert world.prove(c, key) == 3
        until("a broadcast", lambda: world.verified == 3)
        c.kill()
        node.mood = None
        c.start()
        prove_all(world, c, key, 4)
        assert not c.events("proof_set_aside") and not c.events("l1_unreadable")
        assert not node.strict.refused, "a simulation that this client refuses"
    finally:
        node.close()


def test_a_quote_over_ethrex(new_world):
    """Rehearsal, uploads and the verification's dry run name the account's nonce too."""
    world = new_world("dcap")
    pccs, qe, node = world.pccs(), world.software_qe(), Endpoint(world.l1, client="ethrex")
    try:
        c = world.coordinator(**settings(node)).start()
        c.saw("event=l1_read")
        key = Key()
        quote = qe.quote(key.payload)
        until("registered", lambda: c.setup(quote) is True and world.signer == key.address, pause=1)
        assert len(c.told("collateral_uploaded", 7)) == 7
        assert not c.events("registration_not_rehearsed") and not node.strict.refused
        world.feed(c, 1)
        prove_all(world, c, key, 1)
    finally:
        node.close()


@pytest.mark.parametrize("wrong", ["nobody", "a contract"])
def test_a_wrong_timelock(world, wrong):
    """Calls to it pass and do nothing. None is made, no gas is spent, and the sentence says why."""
    where = "0x" + "12" * 20 if wrong == "nobody" else world.verifier
    c = world.coordinator(ETHREX_TIMELOCK_ADDRESS=where).start()
    key = Key()
    c.enroll(key)
    world.feed(c, 1)
    assert world.prove(c, key) == 1
    c.saw("event=address_refused")
    time.sleep(1)
    words = "there is no contract at" if wrong == "nobody" else "not by the Timelock of ETHREX_TIMELOCK_ADDRESS"
    assert words in c.status()["l1"]["next"]
    assert not c.events("batches_verified")
    sender = cast("wallet", "address", "--private-key", pathlib.Path(world.dir / "l1.key").read_text().strip())
    assert world.l1.rpc("eth_getTransactionCount", sender, "latest") == "0x0"
    c.stop()
    c.change(ETHREX_TIMELOCK_ADDRESS=world.timelock)
    c.start()
    world.until_verified(1)


def test_a_key_without_the_role(world):
    c = world.coordinator(L1_PRIVATE_KEY_FILE=world.secret("other.key", Key().key)).start()
    c.saw("event=address_refused .*has not the SEQUENCER role")
    assert "has not the SEQUENCER role of the Timelock" in c.status()["l1"]["next"]
    assert c.verb("resume").returncode == 0


def test_funds_run_low(world):
    address = cast("wallet", "address", "--private-key", L1_KEY)
    world.l1.rpc("anvil_setBalance", address, hex(10**17))
    c = world.coordinator(FUNDS_LOW=10**18).start()
    line = c.saw(r"event=funds_low key=verify address=(\S+) wei=100000000000000000 low_below=1000000000000000000")
    assert line[1] == address
    funds = {f["key"]: f for f in c.status()["l1"]["funds"]}
    assert funds["verify"] == {"key": "verify", "address": address, "balance_wei": str(10**17), "low": True}
    assert not funds["register"]["low"]
    assert c.metric('funds_low{key="verify"}') == 1 and c.metric(f'account_balance_wei{{key="verify",address="{address}"}}') == 10**17
    world.l1.rpc("anvil_setBalance", address, hex(10**19))
    key = Key()
    c.enroll(key)  # what a transaction left is looked at at once
    c.saw("event=funds_restored key=verify")


def test_a_transaction_that_waits_is_said(world):
    world.l1.rpc("anvil_setBalance", cast("wallet", "address", "--private-key", TDX_KEY), "0x1")
    c = world.coordinator(SETUP_TIMEOUT=1000).start()
    c.saw("event=l1_read")
    assert c.setup(Key().payload) is not True
    c.saw("event=transaction_waits reason=.*insufficient funds")
    assert len(c.events("transaction_waits")) == 1


def test_the_nonce_is_wrong_once(world, endpoints):
    """Fifty too many, while one transaction is planned: what was signed can never be mined. Then 300 s pass, which the
    unit tests wait for; here the next run goes on with it and says what it is at."""
    only, _ = endpoints
    only.mood, only.methods, only.shift = "nonce", ("eth_getTransactionCount",), 50
    c = world.coordinator(**settings(only), SETUP_TIMEOUT=1000).start()
    key = Key()

    def broadcast():
        assert c.setup(key.payload) is not True
        return "eth_sendRawTransaction" in only.seen

    until("a broadcast", broadcast)
    only.mood = None
    until("the gap seen", lambda: "ours is 50: the ones between are missing" in c.status()["l1"]["sender"])


def until_mined(c):
    """The coordinator has seen its transaction in a block that is not final yet."""
    until("a receipt seen", lambda: "waiting for confirmations" in c.status()["l1"]["sender"])


def test_the_chain_goes_back_after_a_verification(world):
    """Not deeper than what counts as final: deep enough here that a slow test is no deeper reorg."""
    final = 30
    c = world.coordinator(CONFIRMATIONS=final, PROVER_TIMEOUT=60000).start()
    key = Key()
    c.enroll(key)
    world.feed(c, 2)
    world.l1.rpc("anvil_mine", hex(final))
    c.saw("event=registered")
    assert [c.request()[0] for _ in range(2)] == [1, 2]
    proofs = {n: world.proof(key, n) for n in (2, 1)}
    snapshot = world.l1.rpc("evm_snapshot")
    assert c.submit(2, proofs[2]) is True
    c.saw("event=proof_judged batch=2 .*verdict=good")  # so that one transaction verifies both
    assert c.submit(1, proofs[1]) is True
    world.until_verified(2)
    until_mined(c)
    world.unverify(snapshot, c, 2)
    # The proofs are still there: nobody proves anything a second time.
    until("verified again", lambda: world.verified == 2)
    assert "were final" not in c.log() and "was final" not in c.log()


def test_reorg_of_a_few_blocks(world):
    c = world.coordinator(CONFIRMATIONS=10).start()
    key = Key()
    c.enroll(key)
    world.l1.rpc("anvil_mine", hex(10))
    world.feed(c, 1)
    prove_all(world, c, key, 1)
    until_mined(c)
    world.l1.rpc("anvil_reorg", 1, [])
    world.feed(c, 3)
    prove_all(world, c, key, 3)
