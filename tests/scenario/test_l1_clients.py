"""Core scenarios, each over an L1 node that is as strict as ethrex, geth, reth, Nethermind, Besu and Erigon
are (test_l1_trouble.test_every_client is one more); and the stand-ins for those, held against docs/NODES.md. Any
scenario runs so: L1_CLIENT=geth pytest ..."""

import json
import re

import pytest

import test_end_to_end
import test_l1_trouble
from clients import CLIENTS, ETHER, GAS_CAP, LACKING, RULES, WORDS, Strictness, read_transaction
from endpoint import Endpoint
from l1 import DEPLOYER_KEY, REPO, cast
from world import L1_KEY, Key, until

CORE = [
    test_end_to_end.test_one_tdx_prover,
    test_l1_trouble.test_a_key_without_the_role,
]


@pytest.fixture(params=CLIENTS)
def client(request, monkeypatch):
    monkeypatch.setenv("L1_CLIENT", request.param)
    return request.param


@pytest.fixture
def strict_world(client, new_world):
    world = new_world()
    assert world.front.strict.client == client
    return world


@pytest.mark.parametrize("scenario", CORE, ids=lambda s: s.__name__.removeprefix("test_"))
def test_core(strict_world, scenario):
    scenario(strict_world)
    assert not strict_world.front.strict.refused, "a simulation that this client refuses"


def test_a_transaction_that_nobody_mines_is_outbid(strict_world):
    """The pools of most want a tenth more for cap and tip."""
    world = strict_world
    c = world.coordinator(ETHREX_MIN_RETRY_DELAY=1, ETHREX_MAX_RETRY_DELAY=1).start()
    key = Key()
    c.enroll(key)
    world.feed(c, 1)
    for method, *of in (("evm_setAutomine", False), ("evm_setIntervalMining", 0)):
        world.l1.rpc(method, *of)
    assert world.prove(c, key) == 1
    sender = cast("wallet", "address", "--private-key", L1_KEY)

    def bids():
        pool = world.l1.rpc("txpool_content")["pending"]
        return {t["maxFeePerGas"] for who, txs in pool.items() if who.lower() == sender.lower() for t in txs.values()}

    first = until("the first bid", bids)
    until("another bid", lambda: bids() - first)
    assert not [e for e in c.events("transaction_refused") if "replace" in str(e)]
    world.l1.rpc("evm_mine")
    world.until_verified(1)


# ---- the stand-ins ----


@pytest.fixture
def node(world):
    """A function that makes an Endpoint of a client."""
    made = []

    def new(client):
        made.append(Endpoint(world.l1, client=client))
        return made[-1]

    yield new
    for endpoint in made:
        endpoint.close()


def ask(endpoint, method, *params):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    status, text = endpoint.answer(body)
    return json.loads(text) if status == 200 else status


def raw(world, **fields):
    """A signed transaction of account 0 to itself, with these fields; for cast, of at most 128 KiB of hex."""
    me = cast("wallet", "address", "--private-key", DEPLOYER_KEY)
    nonce = int(world.l1.rpc("eth_getTransactionCount", me, "latest"), 16)
    given = {"nonce": nonce, "gas-limit": 50000, "gas-price": 4 * 10**9, "priority-gas-price": 10**9, "chain": 31337} | fields
    data = given.pop("data", "0x")
    argv = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    return cast("mktx", "--private-key", DEPLOYER_KEY, *argv, "--rpc-url", world.l1.url, me, data)


BROKEN = {
    "size": None,  # see too_large()
    "gas_cap": {"gas-limit": GAS_CAP + 1},
    "tip": {"gas-price": 10**9, "priority-gas-price": 2 * 10**9},
    "node_fee_cap": {"gas-price": ETHER // 10**6, "gas-limit": 1100000},
    "chain_id": {"chain": 1},
}


def too_large():
    """As far as the rules read it: unsigned, 128 KiB of data."""
    def item(value):
        text = value.to_bytes((value.bit_length() + 7) // 8, "big") if isinstance(value, int) else value
        return bytes([0x80 + len(text)]) + text if len(text) < 56 else b"\xba" + len(text).to_bytes(3, "big") + text

    fields = b"".join(map(item, (31337, 0, 2, 3, 50000, bytes(20), 0, bytes(1 << 17))))
    return "0x" + (b"\x02\xfa" + len(fields).to_bytes(3, "big") + fields).hex()


def test_what_they_refuse_of_a_transaction(world, node):
    assert set().union(*RULES.values()) == {*BROKEN, "replacement"}
    for rule, fields in BROKEN.items():
        tx = raw(world, **fields) if fields else too_large()
        assert read_transaction(tx)["gas"] == (fields or {}).get("gas-limit", 50000)
        for client in CLIENTS:
            error = Strictness(client).refuses_transaction(tx, world.l1.rpc)
            assert (error is not None) == (rule in RULES[client]), f"{client}, {rule}: {error}"
            if error:
                code, words = RULES[client][rule]
                assert error["code"] == code and error["message"].startswith(words.split("{")[0])


def test_a_replacement_that_bids_too_little(world, node):
    world.l1.rpc("evm_setAutomine", False)
    world.l1.rpc("evm_setIntervalMining", 0)
    first = raw(world, **{"gas-price": 10**10, "priority-gas-price": 10**9})
    world.l1.rpc("eth_sendRawTransaction", first)
    tenth = {"gas-price": 11 * 10**9, "priority-gas-price": 11 * 10**8}
    for client in CLIENTS:
        strict = Strictness(client)
        for change, fine in (({}, True), ({"gas-price": 11 * 10**9 - 1}, False), ({"priority-gas-price": 11 * 10**8 - 1}, False)):
            error = strict.refuses_transaction(raw(world, **{**tenth, **change}), world.l1.rpc)
            assert (error is None) == (fine or "replacement" not in RULES[client]), f"{client}, {change}: {error}"
        assert strict.refuses_transaction(first, world.l1.rpc) is None  # the same once more is another matter


def test_what_they_refuse_of_a_call(world, node):
    me = world.l1.accounts[0]  # the deployer: it has sent
    nonce = world.l1.rpc("eth_getTransactionCount", me, "latest")
    call = {"to": world.proposer, "data": cast("sig", "lastVerifiedBatch()")}
    for client in CLIENTS:
        of = node(client)
        assert "result" in ask(of, "eth_call", call, "latest")
        assert "result" in ask(of, "eth_call", {**call, "from": me, "nonce": nonce}, "latest")
        strict = client == "ethrex"
        assert ("error" in ask(of, "eth_call", {**call, "from": me}, "latest")) == strict
        assert ("error" in ask(of, "eth_estimateGas", {**call, "from": world.timelock, "nonce": "0x1"})) == strict
        differs = ask(of, "eth_call", {**call, "input": "0x12345678"}, "latest")
        assert ("not equal" in str(differs)) == (client == "geth")
        assert "error" in ask(of, "eth_feeHistory", "0x1", "latest", [50, 10])
        assert ask(of, "eth_call", {**call, "data": "0x" + "00" * (3 << 20)}, "latest") == 413 if client == "geth" else True
        indexing = "indexing is in progress" in str(ask(of, "eth_getTransactionReceipt", "0x" + "12" * 32))
        assert indexing == (client == "geth")
        assert ask(of, "eth_getTransactionReceipt", "0x" + "12" * 32)["result"] is None
        for method in LACKING.get(client, ()):
            assert ask(of, method)["error"]["code"] == -32601


def test_every_sentence_is_known():
    """What a stand-in says, docs/NODES.md has a row for, which names the client."""
    rows = re.findall(r"^\| `(.*?)` \| (.*?) \|", (REPO / "docs" / "NODES.md").read_text(), re.M)
    quiet = {"tip"}  # never sent by us, so no row is needed
    for client in CLIENTS:
        said = [message for _, _, message, _ in WORDS[client]]
        said += [message for rule, (_, message) in RULES[client].items() if rule not in quiet]
        for sentence in said:
            found = [who for words, who in rows if words in sentence.lower()]
            assert found, f"{client}: {sentence}"
            assert any(client in who.lower() or who == "all of today's" for who in found), f"{client}: {sentence}: {found}"
