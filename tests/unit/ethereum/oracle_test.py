"""Foundry's cast as an oracle: random questions, asked of it and of this library.

Needs the built oracle_cli ($ORACLE_CLI) and cast ($CAST, contracts/node_modules/.bin/cast or PATH).
$ORACLE_SEED repeats a run, $ORACLE_CASES sets the number of cases a test (cast starts for each).
"""
import json
import os
import pathlib
import random
import shutil
import subprocess
import warnings

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
CASES = int(os.environ.get("ORACLE_CASES", "12"))
SEED = os.environ.get("ORACLE_SEED") or str(random.SystemRandom().getrandbits(32))
KEY_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
# Nothing listens there: a cast that wants a node fails instead of asking one.
NO_NODE = "http://127.0.0.1:1"


def find_cast():
    named = os.environ.get("CAST")
    if named:
        return shutil.which(named)
    local = ROOT / "contracts" / "node_modules" / ".bin" / "cast"
    return str(local) if local.exists() else shutil.which("cast")


CAST = find_cast()
CLI = os.environ.get("ORACLE_CLI")

if not CAST or not CLI:
    reason = "SKIPPED: no %s, so this library is NOT compared with cast" % (
        "oracle_cli (set ORACLE_CLI)" if CAST else "cast (set CAST or npm ci in contracts)")
    warnings.warn(reason)
    pytest.skip(reason, allow_module_level=True)


def cast(*args):
    done = subprocess.run([CAST, *args], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, "cast %s: %s (seed %s)" % (args, done.stderr, SEED)
    return done.stdout.strip()


class Library:
    def __init__(self):
        self.process = subprocess.Popen([CLI], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def ask(self, *question):
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "oracle_cli died at %s (seed %s)" % (question, SEED)
        return json.loads(line)

    def __call__(self, *question):
        reply = self.ask(*question)
        assert "ok" in reply, "%s: %s (seed %s)" % (question, reply, SEED)
        return reply["ok"]


@pytest.fixture(scope="module")
def ours():
    library = Library()
    yield library
    library.process.stdin.close()
    assert library.process.wait(timeout=30) == 0


@pytest.fixture
def rng(request):
    print("ORACLE_SEED=" + SEED)
    return random.Random(SEED + request.node.name)


def some_bytes(rng, longest=200):
    n = rng.choice([0, 1, 31, 32, 33, rng.randrange(longest)])
    return "0x" + rng.randbytes(min(n, longest)).hex()


def some_text(rng):
    return "".join(rng.choice("abcXYZ019_.") for _ in range(rng.choice([0, 1, 31, 32, 33, 70])))


def some_number(rng, bits):
    return rng.choice([0, 1, (1 << bits) - 1, rng.getrandbits(bits),
                       rng.getrandbits(rng.randrange(1, bits + 1))])


def some_key(rng):
    return "0x%064x" % rng.randrange(1, KEY_ORDER)


def some_address(rng):
    return "0x" + rng.randbytes(20).hex()


def test_keccak(ours, rng):
    for _ in range(CASES):
        data = "0x" + rng.randbytes(rng.choice([0, 1, 135, 136, 137, 272, rng.randrange(5000)])).hex()
        assert ours("keccak", data) == cast("keccak", data), SEED


def test_decimal(ours, rng):
    for _ in range(CASES):
        number = hex(some_number(rng, 256))
        assert ours("decimal", number) == cast("to-dec", number), SEED


def test_checksum(ours, rng):
    for _ in range(CASES):
        address = some_address(rng)
        assert ours("checksum", address) == cast("to-check-sum-address", address), SEED


def some_tree(rng, depth):
    if depth == 0 or rng.random() < 0.5:
        return some_bytes(rng)
    return [some_tree(rng, depth - 1) for _ in range(rng.randrange(5))]


def test_rlp(ours, rng):
    for _ in range(CASES):
        tree = [some_tree(rng, 4) for _ in range(rng.randrange(4))]
        encoded = ours("rlp-encode", tree)
        assert encoded == cast("to-rlp", json.dumps(tree)), SEED
        assert ours("rlp-decode", encoded) == tree, SEED
        assert json.loads(cast("from-rlp", encoded)) == tree, SEED


def test_broken_rlp(ours, rng):
    """What we take, cast reads as the same; what we refuse, it may take (it is less strict)."""
    taken = 0
    while taken < CASES:
        encoded = bytearray.fromhex(ours("rlp-encode", some_tree(rng, 3))[2:])
        encoded[rng.randrange(len(encoded))] = rng.randrange(256)
        reply = ours.ask("rlp-decode", "0x" + encoded.hex())
        if "ok" in reply:
            taken += 1
            tree = json.loads(json.dumps(reply["ok"]))
            theirs = cast("from-rlp", "0x" + encoded.hex())
            assert (json.loads(theirs) if theirs.startswith("[") else theirs.strip('"')) == tree


def some_type(rng, depth):
    kind = rng.randrange(9 if depth > 0 else 6)
    if kind == 0:
        return "uint%d" % (8 * rng.randrange(1, 33))
    if kind == 1:
        return "bytes%d" % rng.randrange(1, 33)
    if kind < 6:
        return ["address", "bool", "bytes", "string"][kind - 2]
    if kind == 6:
        return ["tuple"] + [some_type(rng, depth - 1) for _ in range(rng.randrange(1, 5))]
    if kind == 7:
        return ["array", some_type(rng, depth - 1), rng.randrange(1, 4)]
    return ["array", some_type(rng, depth - 1), None]


def type_text(t):
    if isinstance(t, str):
        return t
    if t[0] == "tuple":
        return "(%s)" % ",".join(type_text(m) for m in t[1:])
    return "%s[%s]" % (type_text(t[1]), t[2] or "")


def some_value(rng, t, checksum):
    if isinstance(t, list):
        if t[0] == "tuple":
            return [some_value(rng, m, checksum) for m in t[1:]]
        return [some_value(rng, t[1], checksum) for _ in range(t[2] or rng.randrange(4))]
    if t.startswith("uint"):
        return hex(some_number(rng, int(t[4:])))
    if t == "address":
        return checksum("checksum", some_address(rng))
    if t == "bool":
        return rng.random() < 0.5
    if t == "bytes":
        return some_bytes(rng)
    if t == "string":
        return "0x" + some_text(rng).encode().hex()
    return "0x" + rng.randbytes(int(t[5:])).hex()


def cast_text(t, v, top=False):
    """A value as cast's command line wants it."""
    if isinstance(t, list):
        members = t[1:] if t[0] == "tuple" else [t[1]] * len(v)
        inside = ",".join(cast_text(m, x) for m, x in zip(members, v))
        return "(%s)" % inside if t[0] == "tuple" else "[%s]" % inside
    if t == "bool":
        return "true" if v else "false"
    if t == "string":
        text = bytes.fromhex(v[2:]).decode()
        return text if top else '"%s"' % text
    return v


def test_abi(ours, rng):
    for _ in range(3 * CASES):
        members = [some_type(rng, 3) for _ in range(rng.randrange(1, 5))]
        types = type_text(["tuple"] + members)
        values = some_value(rng, ["tuple"] + members, ours)
        encoded = ours("abi-encode", types, values)
        theirs = cast("abi-encode", "f" + types, "--",
                      *[cast_text(t, v, True) for t, v in zip(members, values)])
        assert encoded == theirs, "%s %s (seed %s)" % (types, values, SEED)
        assert ours("abi-decode", types, encoded) == values, "%s (seed %s)" % (types, SEED)
        assert ours("selector", "f" + types) == cast("sig", "f" + types), SEED


def test_broken_abi(ours, rng):
    """Damaged data is refused, or means something that encodes again."""
    for _ in range(50 * CASES):
        members = [some_type(rng, 3) for _ in range(rng.randrange(1, 4))]
        types = type_text(["tuple"] + members)
        data = bytearray.fromhex(
            ours("abi-encode", types, some_value(rng, ["tuple"] + members, ours))[2:])
        data[rng.randrange(len(data))] = rng.choice([0, 1, 32, 0x80, 0xFF])
        reply = ours.ask("abi-decode", types, "0x" + data.hex())
        if "ok" in reply:
            assert "ok" in ours.ask("abi-encode", types, reply["ok"]), SEED
        else:
            assert reply["error"].startswith("decoding "), (reply, SEED)


def test_signatures(ours, rng):
    for _ in range(CASES):
        key, message, digest = some_key(rng), some_bytes(rng), "0x" + rng.randbytes(32).hex()
        address = cast("wallet", "address", "--private-key", key)
        assert ours("address", key) == address, SEED
        signature = ours("sign-message", key, message)
        assert signature == cast("wallet", "sign", "--private-key", key, message), SEED
        text = "m" + some_text(rng)
        assert ours("message-digest", "0x" + text.encode().hex()) == cast("hash-message", text)
        hashed = ours("message-digest", message)
        assert ours("recover", hashed, signature) == address, SEED
        raw = ours("sign", key, digest)
        theirs = cast("wallet", "sign", "--no-hash", "--private-key", key, digest)
        assert raw[:-2] == theirs[:-2] and int(raw[-2:], 16) + 27 == int(theirs[-2:], 16), SEED


def test_transactions(ours, rng):
    for i in range(CASES):
        key, to, data = some_key(rng), some_address(rng), some_bytes(rng)
        legacy = i % 3 == 0
        chain, nonce = rng.randrange(1, 1 << 62), some_number(rng, 63)
        gas, value = rng.randrange(21000, 1 << 40), some_number(rng, 256)
        fee = rng.randrange(1, 1 << 63)
        tip = 0 if legacy else rng.randrange(fee + 1)
        raw, tx_hash = ours("tx", key, hex(0 if legacy else 2), hex(chain), hex(nonce), hex(tip),
                            hex(fee), hex(gas), to, hex(value), data)
        fees = ["--legacy"] if legacy else ["--priority-gas-price", str(tip)]
        theirs = cast("mktx", "--rpc-url", NO_NODE, "--private-key", key, "--chain", str(chain),
                      "--nonce", str(nonce), "--gas-limit", str(gas), "--gas-price", str(fee),
                      "--value", str(value), *fees, to, *([data] if data != "0x" else []))
        assert raw == theirs, SEED
        assert tx_hash == cast("keccak", raw), SEED
        read = json.loads(cast("decode-transaction", raw))
        read = json.loads(read) if isinstance(read, str) else read
        back = ours("tx-decode", raw)
        for name in ("hash", "signer", "chainId", "nonce", "gas", "to", "value", "input"):
            assert back[name].lower() == read[name].lower(), (name, SEED)
