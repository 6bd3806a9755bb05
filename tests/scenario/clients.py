"""How Ethereum clients differ from anvil: what they refuse that it does not, and the words of all. From the
clients' sources and from runs, up to November 2026, as docs/NODES.md; a client is named by its key in WORDS."""

import json

from l1 import cast

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
# The six that the core scenarios are run with.
CLIENTS = ("ethrex", "geth", "reth", "nethermind", "besu", "erigon")

GAS_CAP = 1 << 24  # EIP-7825
TX_SIZE = 128 * 1024
ETHER = 10**18
FULL = "replacement transaction underpriced"
# What they refuse of a transaction that anvil takes, in this order: rule -> (code, message).
RULES = {
    "geth": {
        "size": (-32000, "oversized data: transaction size {size}, limit 131072"),
        "gas_cap": (-32000, "transaction gas limit too high (cap: 16777216, tx: {gas})"),
        "tip": (-32000, "max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: {tip}, maxFeePerGas: {cap}"),
        "node_fee_cap": (-32000, "tx fee ({ether:.2f} ether) exceeds the configured cap (1.00 ether)"),
        "chain_id": (-32000, "invalid sender: invalid chain id for signer: have {chain_id} want {ours}"),
        "replacement": (-32000, FULL),
    },
    "reth": {
        "size": (-32000, "oversized data: transaction size {size}, limit 131072"),
        "gas_cap": (-32003, "gas limit too high"),
        "tip": (-32003, "max priority fee per gas higher than max fee per gas"),
        "node_fee_cap": (-32000, "tx fee ({fee} wei) exceeds the configured cap (1000000000000000000 wei)"),
        "chain_id": (-32000, "invalid chain ID"),
        "replacement": (-32000, FULL),
    },
    "nethermind": {
        "size": (-32010, "MaxTxSizeExceeded, Transaction size is {size}, max 131072"),
        "replacement": (-32010, "ReplacementNotAllowed"),
    },
    "besu": {
        "gas_cap": (-32005, "Transaction gas limit cap exceeded"),
        "node_fee_cap": (-32000, "Transaction fee cap exceeded"),
        "chain_id": (-32000, "Wrong chainId"),
        "replacement": (-32000, "Replacement transaction underpriced"),
    },
    "erigon": {
        "size": (-32000, "RLP_TOO_LONG: rlp too long"),
        "gas_cap": (-32000, "GAS_LIMIT_TOO_HIGH: gas limit is too high"),
        "replacement": (-32000, "INTERNAL_ERROR: could not replace existing tx"),
    },
    "ethrex": {
        "gas_cap": (-32000, "Invalid params: Transaction gas limit exceeds maximum. Transaction hash: 0x, transaction gas limit: {gas}"),
        "chain_id": (-32000, "Invalid params: Chain id mismatch"),
    },
    "terse": {},
}
# Whose estimate does not go beyond what a transaction may use.
CLAMPS = ("geth", "reth")
BODY_LIMITS = {"geth": 5 << 20, "reth": 15_000_000}


def rlp_items(raw):
    """The items of an RLP list of byte strings and lists; a list is given as its payload."""
    def head(at):
        first = raw[at]
        if first < 0x80:
            return at, 1
        if first < 0xb8 or 0xc0 <= first < 0xf8:
            return at + 1, first & 0x3f
        width = first - (0xb7 if first < 0xc0 else 0xf7)
        return at + 1 + width, int.from_bytes(raw[at + 1:at + 1 + width], "big")

    at, size = head(0)
    end, items = at + size, []
    while at < end:
        start, size = head(at)
        items.append(raw[start:start + size])
        at = start + size
    return items


def read_transaction(raw):
    """What the rules ask of an EIP-1559 transaction (hex); None: of another type."""
    data = bytes.fromhex(raw[2:])
    if data[0] != 2:
        return None
    chain_id, nonce, tip, cap, gas = (int.from_bytes(item, "big") for item in rlp_items(data[1:])[:5])
    return {"chain_id": chain_id, "nonce": nonce, "tip": tip, "cap": cap, "gas": gas, "size": len(data), "fee": cap * gas,
            "ether": cap * gas / ETHER}


class Strictness:
    """Refuses and speaks as a client does, in front of anvil."""

    def __init__(self, client):
        self.client, self.refused, self.rules, self.unindexed = client, [], RULES[client], set()

    def refuses(self, call, ask):
        """The error object by which the client refuses this request, or None. ask: as L1.rpc()."""
        method, params = call["method"], call["params"]
        if method in LACKING.get(self.client, ()):
            return {"code": -32601, "message": f"Method not found: {method}"}
        if method == "eth_sendRawTransaction":
            return self.refuses_transaction(params[0], ask)
        if method == "eth_feeHistory":
            return self.refuses_history(*params)
        if method == "eth_getTransactionReceipt" and self.client == "geth" and params[0] not in self.unindexed:
            self.unindexed.add(params[0])
            return {"code": -32000, "message": "transaction indexing is in progress"}
        if method in ("eth_call", "eth_estimateGas"):
            return self.refuses_simulation(call, ask)
        return None

    def refuses_transaction(self, raw, ask):
        tx = read_transaction(raw)
        if not tx:
            return None
        tx["ours"] = int(ask("eth_chainId"), 16)
        broken = {
            "size": lambda: tx["size"] > TX_SIZE,
            "gas_cap": lambda: tx["gas"] > GAS_CAP,
            "tip": lambda: tx["tip"] > tx["cap"],
            "node_fee_cap": lambda: tx["fee"] > ETHER,
            "chain_id": lambda: tx["chain_id"] != tx["ours"],
            "replacement": lambda: self.bids_too_little(raw, tx, ask),
        }
        for rule, (code, message) in self.rules.items():
            if broken[rule]():
                return {"code": code, "message": message.format(**tx)}
        return None

    @staticmethod
    def bids_too_little(raw, tx, ask):
        """Is one with this nonce in the pool, whose cap and tip are not both surpassed by a tenth?"""
        same = [(sender.lower(), old) for sender, pending in ask("txpool_content")["pending"].items()
                for nonce, old in pending.items() if int(nonce) == tx["nonce"]]
        if not same:
            return False
        signed = json.loads(json.loads(cast("decode-transaction", raw)))  # JSON in a JSON string
        rivals = [old for sender, old in same if sender == signed["signer"].lower() and old["hash"] != signed["hash"]]
        return any(10 * tx[mine] < 11 * int(old[theirs], 16) for old in rivals
                   for mine, theirs in (("cap", "maxFeePerGas"), ("tip", "maxPriorityFeePerGas")))

    @staticmethod
    def refuses_history(count, _newest, percentiles=()):
        count = int(count, 16) if isinstance(count, str) else count
        if count > 1024 or len(percentiles) > 100 or list(percentiles) != sorted(percentiles):
            return {"code": -32602, "message": "invalid reward percentile"}
        return None

    def refuses_simulation(self, call, ask):
        what, block = call["params"][0], call["params"][1] if len(call["params"]) > 1 else "latest"
        if self.client == "geth" and "data" in what and what.get("input", what["data"]) != what["data"]:
            return self.invalid(call, -32000, 'both "data" and "input" are set and not equal. Please use "input" to pass '
                                              "transaction call data")
        if self.client != "ethrex" or "from" not in what:
            return None
        sender = what["from"]
        if ask("eth_getCode", sender, block) != "0x":
            return self.invalid(call, -32015, "Vm execution error: Invalid Transaction: "
                                              f"Sender account {sender} shouldn't be a contract")
        expected, got = int(ask("eth_getTransactionCount", sender, block), 16), int(what.get("nonce", "0x0"), 16)
        if expected != got:
            return self.invalid(call, -32015, "Vm execution error: Invalid Transaction: "
                                              f"Nonce mismatch: expected {expected}, got {got}")
        return None

    def invalid(self, call, code, words):
        self.refused.append((call, words))
        return {"code": code, "message": words}

    def reword(self, call, answer):
        """anvil's answer to that request as the client would give it."""
        error, result = answer.get("error"), answer.get("result")
        for words, code, message, data in WORDS[self.client] if error else ():
            if words in error["message"].lower():
                told = data(error["data"]) if data and error.get("data") else None
                return {**answer, "error": {"code": code, "message": message, **({"data": told} if told else {})}}
        if call["method"] == "eth_estimateGas" and self.client in CLAMPS and result and int(result, 16) > GAS_CAP:
            del answer["result"]
            answer["error"] = {"code": -32000, "message": f"gas required exceeds allowance ({GAS_CAP})"}
        if self.client == "terse" and isinstance(result, dict) and "effectiveGasPrice" in result:
            result["effectiveGasPrice"] = None
        return answer
