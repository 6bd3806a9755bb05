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


def free_port():
    """A port that nobody listens on, never the same twice. Not one of the kernel's own choice: those
    are also what outgoing connections get, which the hostile clients open by the thousand."""
    while True:
        port = secrets.randbelow(20000) + 10000
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


# How clients say what anvil says: (in anvil's words, code, message, data from anvil's).
SAME = lambda data: data
WORDS = {
    "geth": [
        ("execution reverted", 3, "execution reverted", SAME),
        ("already imported", -32000, "already known", None),
        ("nonce too low", -32000, "nonce too low: next nonce 9999, tx nonce 0", None),
        ("less than block base fee", -32000, "transaction underpriced: tip needed 1, tip permitted 0", None),
    ],
    "reth": [
        ("execution reverted", 3, "execution reverted", lambda data: data if data != "0x" else None),
        ("already imported", -32000, "already known", None),
        ("nonce too low", -32000, "nonce too low: next nonce 9999, tx nonce 0", None),
    ],
    "nethermind": [
        ("execution reverted", -32015, "VM execution error.", lambda data: f"Reverted {data}"),
        ("already imported", -32010, "AlreadyKnown", None),
        ("nonce too low", -32010, "OldNonce, Current nonce: 9999, nonce of rejected tx: 0", None),
        ("underpriced", -32010, "ReplacementNotAllowed", None),
        ("less than block base fee", -32010, "FeeTooLow, MaxFeePerGas too low. MaxFeePerGas: 1, BaseFee: 2", None),
        ("nsufficient funds", -32010, "InsufficientFunds, Account balance: 0, cumulative cost: 1", None),
    ],
    "besu": [
        ("execution reverted", -32000, "Execution reverted", SAME),
        ("already imported", -32000, "Known transaction", None),
        ("nonce too low", -32001, "Nonce too low", None),
        ("underpriced", -32000, "Replacement transaction underpriced", None),
        ("less than block base fee", -32009, "Gas price below current base fee", None),
        ("nsufficient funds", -32004, "Upfront cost exceeds account balance", None),
    ],
    "erigon": [
        ("execution reverted", 3, "execution reverted", SAME),
        ("already imported", -32000, "ALREADY_EXISTS: already known", None),
        ("nonce too low", -32000, "INTERNAL_ERROR: nonce too low", None),
        ("underpriced", -32000, "INTERNAL_ERROR: could not replace existing tx", None),
        ("less than block base fee", -32000, "FEE_TOO_LOW: underpriced", None),
        ("nsufficient funds", -32000, "INTERNAL_ERROR: insufficient funds", None),
    ],
    "ethrex": [
        ("execution reverted", 3, "execution reverted: ", SAME),
        ("already imported", -32000, "Invalid params: Nonce for account too low", None),
        ("nonce too low", -32000, "Invalid params: Nonce for account too low", None),
        ("nsufficient funds", -32000, "Invalid params: Account does not have enough balance to cover the tx cost", None),
    ],
    # No client: one that says nothing that anybody knows, and has no more than it must.
    "terse": [
        ("execution reverted", 3, "no", SAME),
        ("already imported", -32099, "no", None),
        ("nonce too low", -32099, "no", None),
        ("underpriced", -32099, "no", None),
        ("less than block base fee", -32099, "no", None),
        ("nsufficient funds", -32099, "no", None),
    ],
}
LACKING = {
    "besu": (),
    "terse": ("eth_feeHistory", "eth_getBalance", "eth_maxPriorityFeePerGas", "eth_getCode"),
}


class Strictness:
    """What a client refuses that anvil does not, and its words for what both refuse."""

    def __init__(self, client):
        self.client, self.refused = client, []

    def refuses(self, call, ask):
        """The error object by which the client refuses this request, or None. ask: as L1.rpc()."""
        method, params = call["method"], call["params"]
        if method in LACKING.get(self.client, ()):
            return {"code": -32601, "message": f"Method not found: {method}"}
        if self.client != "ethrex" or method not in ("eth_call", "eth_estimateGas") or "from" not in params[0]:
            return None
        sender, block = params[0]["from"], params[1] if len(params) > 1 else "latest"
        if ask("eth_getCode", sender, block) != "0x":
            return self.invalid(call, f"Sender account {sender} shouldn't be a contract")
        expected, got = int(ask("eth_getTransactionCount", sender, block), 16), int(params[0].get("nonce", "0x0"), 16)
        if expected != got:
            return self.invalid(call, f"Nonce mismatch: expected {expected}, got {got}")
        return None

    def invalid(self, call, words):
        self.refused.append((call, words))
        return {"code": -32015, "message": f"Vm execution error: Invalid Transaction: {words}"}

    def reword(self, answer):
        """anvil's answer as the client would give it."""
        error = answer.get("error")
        for words, code, message, data in WORDS[self.client] if error else ():
            if words in error["message"].lower():
                told = data(error["data"]) if data and error.get("data") else None
                return {**answer, "error": {"code": code, "message": message, **({"data": told} if told else {})}}
        if self.client == "terse" and isinstance(answer.get("result"), dict) and "effectiveGasPrice" in answer["result"]:
            answer["result"]["effectiveGasPrice"] = None
        return answer


def _abi_type(entry):
    if not entry["type"].startswith("tuple"):
        return entry["type"]
    return "(" + ",".join(_abi_type(c) for c in entry["components"]) + ")" + entry["type"][len("tuple") :]


def compile_contracts():
    subprocess.run(["node", CONTRACTS / "compile.mjs"], check=True, timeout=900)
