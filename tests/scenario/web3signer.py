"""A stand-in of Web3Signer's API for Ethereum accounts, as far as ethrex and the coordinator use it. The real
one is published on no registry that the tests may use. cast signs, which nobody here wrote."""

import json
import ssl
import threading
import time

import httpd
from l1 import cast

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
OTHER_KEY = "0x" + "11" * 32
TEXT = "text/plain; charset=utf-8"


def sign(key, data):
    return cast("wallet", "sign", "--no-hash", "--private-key", key, cast("keccak", data))


def with_high_s(signature):
    """The other signature of the same key and hash, which nodes refuse."""
    r, s, v = signature[2:66], int(signature[66:130], 16), int(signature[130:], 16)
    return f"0x{r}{ORDER - s:064x}{55 - v:02x}"


class Web3Signer:
    """POST /api/v1/eth1/sign/PUBLIC_KEY and GET /api/v1/eth1/publicKeys. `mood` is how it misbehaves."""

    def __init__(self, key, port=0, party=None):
        self.key, self.mood, self.signed = key, None, []
        self.public_key = cast("wallet", "public-key", "--raw-private-key", key)
        self.address = cast("wallet", "address", "--private-key", key).lower()
        outer = self

        class Handler(httpd.Handler):
            def do_GET(self):
                assert self.path == "/api/v1/eth1/publicKeys", self.path
                if outer.mood == "hung":
                    time.sleep(5)
                others = {"other keys": 0, "many keys": 999}.get(outer.mood, 1)
                listed = others * ["0x04" + "22" * 64] + [outer.public_key] * (outer.mood != "other keys")
                self.reply(200, json.dumps(listed).encode(), "application/json")

            def do_POST(self):
                body = self.body()
                if self.path != f"/api/v1/eth1/sign/{outer.public_key[2:]}":
                    self.reply(404, b"", TEXT)
                    return
                data = json.loads(body)["data"]
                outer.signed.append(data)
                status, text = outer.answer(data)
                self.reply(status, text.encode(), TEXT)

        class Server(httpd.Server):
            def handle_error(self, request, client_address):
                pass

        self.server = Server(("127.0.0.1", port), Handler)
        if party:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(party.certificate, party.key)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.url = f"http{'s' if party else ''}://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, data):
        mood = self.mood
        if mood == "hung":
            time.sleep(5)
        if mood == "HTTP 500":
            return 500, "the vault is sealed"
        if mood == "HTTP 404":
            return 404, ""
        if mood == "HTTP 403":
            return 403, ""
        if mood == "huge":
            return 200, "0x" + "00" * 1000000
        if mood == "no signature":
            return 200, "<html>welcome</html>"
        if mood == "wrong key":
            return 200, sign(OTHER_KEY, data)
        if mood == "other bytes":  # as for another chain id
            return 200, sign(self.key, data[:-2] + "ff")
        if mood == "zero":
            return 200, "0x" + "00" * 64 + "1b"
        if mood == "v 29":
            return 200, sign(self.key, data)[:-2] + "1d"
        if mood == "high s":
            return 200, with_high_s(sign(self.key, data))
        if mood == "JSON":
            return 200, json.dumps({"signature": sign(self.key, data)})
        return 200, sign(self.key, data)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
