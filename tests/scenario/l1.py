"""A real L1 node (anvil) for tests, and cast as the oracle for encodings, hashes and signatures."""

import json
import os
import pathlib
import secrets
import socket
import subprocess
import time
import urllib.request

REPO = pathlib.Path(__file__).resolve().parents[2]
CONTRACTS = REPO / "contracts"
BIN = CONTRACTS / "node_modules" / ".bin"
VECTORS = pathlib.Path(os.environ.get("VECTORS_DIR") or REPO.parent / "shared" / "vectors")
ZERO = "0x" + "00" * 32
NOBODY = "0x" + "00" * 20

# Accounts of every anvil; public, worth nothing elsewhere.
DEPLOYER_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"


_given = set()
# Of pytest-xdist, where there are several processes: each has ports of its own.
WORKER, WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
PORTS = 20000 // WORKERS


def free_port():
    """A port that nobody listens on, never the same twice. Not one of the kernel's own choice: those
    are also what outgoing connections get, which the hostile clients open by the thousand."""
    while True:
        port = 10000 + PORTS * WORKER + secrets.randbelow(PORTS)
        if port in _given:
            continue
        _given.add(port)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def cast(*args):
    # Minutes, for what makes a blob reads the whole KZG setup first: seconds of work alone on a core.
    done = subprocess.run([BIN / "cast", *map(str, args)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"cast {args[0]}: {done.stderr}"
    return done.stdout.strip()


def words(data):
    """The 32-byte words of a hex string, as hex strings."""
    raw = data[2:]
    return ["0x" + raw[i : i + 64] for i in range(0, len(raw), 64)]


class Signer:
    """A fresh secp256k1 key, as a prover has one."""

    def __init__(self):
        self.key = "0x" + secrets.token_hex(32)
        self.address = cast("wallet", "address", "--private-key", self.key).lower()

    def sign(self, payload):
        """EIP-191 over the bytes that `payload` (hex) stands for: r, s, v, 65 bytes."""
        return cast("wallet", "sign", "--private-key", self.key, payload)


class Reverted(Exception):
    """A call or transaction that the contract refused; `data` is what it said."""

    def __init__(self, message, data):
        super().__init__(f"{message} data {data}")
        self.data = data or "0x"

    @property
    def selector(self):
        return self.data[:10]

    @property
    def reason(self):
        """The text of a require."""
        assert self.selector == "0x08c379a0", self
        return cast("decode-abi", "f()(string)", "0x" + self.data[10:]).strip('"')


class L1:
    def __init__(self, *flags):
        """Starts anvil on a random port; every transaction is mined at once."""
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.ids = 0
        command = [BIN / "anvil", "--silent", "--host", "127.0.0.1", "--port", str(self.port), "--hardfork", "osaka"]
        self.process = subprocess.Popen([*command, *flags], stdin=subprocess.DEVNULL)
        for _ in range(300):
            try:
                self.rpc("eth_chainId")
                break
            except OSError:
                assert self.process.poll() is None, "anvil ended"
                time.sleep(0.1)
        else:
            self.close()
            raise AssertionError("anvil did not answer")
        self.accounts = self.rpc("eth_accounts")

    def close(self):
        self.process.terminate()
        self.process.wait(30)

    def rpc(self, method, *params):
        self.ids += 1
        body = json.dumps({"jsonrpc": "2.0", "id": self.ids, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as reply:
            answer = json.load(reply)
        if "error" in answer:
            raise Reverted(answer["error"]["message"], answer["error"].get("data"))
        return answer["result"]

    def send(self, to, signature, *args, sender=None, value=0):
        """Sends a transaction and returns its receipt, or raises Reverted."""
        data = cast("calldata", signature, *args)
        return self.transact({"from": sender or self.accounts[0], "to": to, "data": data, "value": hex(value)})

    def transact(self, tx):
        # anvil mines what reverts, and then only a call tells the reason.
        self.rpc("eth_call", tx, "latest")
        sent = self.rpc("eth_sendTransaction", tx)
        for _ in range(3000):
            receipt = self.rpc("eth_getTransactionReceipt", sent)
            if receipt:
                assert receipt["status"] == "0x1", receipt
                return receipt
            time.sleep(0.01)
        raise AssertionError(f"no receipt of {sent}")

    def call(self, to, signature, *args, sender=None):
        """The raw answer of an eth_call."""
        data = cast("calldata", signature, *args)
        return self.rpc("eth_call", {"from": sender or self.accounts[0], "to": to, "data": data}, "latest")

    def number(self, to, getter, *args):
        return int(self.call(to, getter, *args), 16)

    def address(self, to, getter, *args):
        return "0x" + self.call(to, getter, *args)[-40:]

    def creation(self, name, *args):
        """Creation bytecode of a compiled contract with its constructor's arguments."""
        artifact = json.loads((CONTRACTS / "out" / f"{name}.json").read_text())
        inputs = next((e["inputs"] for e in artifact["abi"] if e["type"] == "constructor"), [])
        types = ",".join(_abi_type(i) for i in inputs)
        return artifact["bytecode"] + cast("abi-encode", f"constructor({types})", *args)[2:]

    def deploy(self, name, *args):
        return self.transact({"from": self.accounts[0], "data": self.creation(name, *args)})["contractAddress"]

    def next_address(self, ahead=0):
        """Where account 0 will deploy, `ahead` transactions from now."""
        nonce = int(self.rpc("eth_getTransactionCount", self.accounts[0], "latest"), 16) + ahead
        return "0x" + cast("compute-address", self.accounts[0], "--nonce", nonce)[-40:].lower()


def _abi_type(entry):
    if not entry["type"].startswith("tuple"):
        return entry["type"]
    return "(" + ",".join(_abi_type(c) for c in entry["components"]) + ")" + entry["type"][len("tuple") :]


def compile_contracts():
    subprocess.run(["node", CONTRACTS / "compile.mjs"], check=True, timeout=900)
