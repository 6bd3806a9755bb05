"""An L1 endpoint in front of anvil: dead, slow, lying, or as strict as a client and in its words."""

import json
import threading
import time
import urllib.request

import httpd
from clients import BODY_LIMITS, Strictness
from l1 import cast

REVERT = cast("sig", "InvalidTdxProof()")
# What a node says to all but the question of its chain.
ERRORS = {
    "lacking": {"code": -32601, "message": "the method is not available"},
    "limited": {"code": -32005, "message": "daily request count exceeded, request rate limited"},
    "pruned": {"code": -32000, "message": "missing trie node 4bf0 (path ) state is not available"},
}


class Endpoint:
    """Stands in front of anvil. `mood` is what it does with the requests whose method is in
    `methods` (all, if none is named)."""

    def __init__(self, node, port=0, client=None, late=0):
        self.node, self.late, self.mood, self.methods, self.seen = node, late, None, (), []
        self.raw = []  # (monotonic time, what eth_sendRawTransaction was given), whatever became of it
        self.strict = Strictness(client) if client else None
        outer = self

        class Handler(httpd.Handler):
            def do_POST(self):
                reply = outer.answer(self.body())
                if reply is None:
                    self.close_connection = True
                    return
                self.reply(*reply, "application/json")

        self.server = httpd.Server(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    kill = close  # as World.close() ends its parts

    def forward(self, body):
        request = urllib.request.Request(self.node.url, body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.read()

    def answer(self, body):
        time.sleep(self.late)
        if self.strict and len(body) > BODY_LIMITS.get(self.strict.client, len(body)):
            return 413, b"request entity too large"
        call = json.loads(body)
        method = call["method"]
        self.seen.append(method)
        if method == "eth_sendRawTransaction":
            self.raw.append((time.monotonic(), call["params"][0]))
        mood = self.mood if not self.methods or method in self.methods else None

        def result(value):
            return 200, json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": value}).encode()

        if mood == "dead":
            return None
        if mood == "slow":
            time.sleep(5)
        if mood == "500":
            return 500, b"no"
        if mood == "garbage":
            return 200, b"<html>" + bytes(range(256))
        if mood == "null":
            return result(None)
        if mood in ERRORS and method != "eth_chainId":
            return 200, json.dumps({"jsonrpc": "2.0", "id": call["id"], "error": ERRORS[mood]}).encode()
        if mood == "other chain" and method == "eth_chainId":
            return result("0x1")
        if self.strict and (error := self.strict.refuses(call, self.node.rpc)):
            return 200, json.dumps({"jsonrpc": "2.0", "id": call["id"], "error": error}).encode()
        try:
            text = self.forward(body)
        except OSError:
            return 502, b"no node"
        if self.strict:
            text = json.dumps(self.strict.reword(call, json.loads(text))).encode()
        if mood == "drop" and method == "eth_sendRawTransaction":
            return None  # it went out, and the sender is left in the dark
        if mood == "swallow" and method == "eth_sendRawTransaction":
            return result("0x" + "ab" * 32)
        if mood == "nonce" and method == "eth_getTransactionCount":
            return result(hex(max(0, int(json.loads(text)["result"], 16) + self.shift)))
        if mood == "refuse" and method in ("eth_call", "eth_estimateGas") and self.is_verify(call):
            return 200, json.dumps({"jsonrpc": "2.0", "id": call["id"], "error": {
                "code": 3, "message": "execution reverted", "data": REVERT}}).encode()
        return 200, text

    @staticmethod
    def is_verify(call):
        data = call["params"][0].get("data") or call["params"][0].get("input") or ""
        return data.startswith(cast("sig", "verifyBatches(uint256,bytes[],bytes[],bytes[])"))
