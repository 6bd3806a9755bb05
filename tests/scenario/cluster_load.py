"""Provers and a sequencer that never rest while coordinators and databases fall, and what must hold whatever fell:
nothing acknowledged is lost, and the chain saw one transaction for each nonce and one verification of each batch.
"""

import functools
import http.client
import json
import random
import secrets
import threading
import time

from clients import rlp_items
from upstream import exchange
from world import COMMIT_HASH, Key, cast

SECONDS = 3  # that a prover waits for an answer before it goes elsewhere
VERIFY = cast("sig", "verifyBatches(uint256,bytes[],bytes[],bytes[])")


@functools.cache
def keys():
    """An active and a standby prover's, of the whole run: what they sign is signed once."""
    return Key(), Key()


@functools.cache
def proofs():
    """{(key, number): proof}, of the whole run."""
    return {}


class Prover(threading.Thread):
    """Takes batches from any coordinator, or out of the blue, and gives proofs and rubbish to any other."""

    def __init__(self, load, rng):
        super().__init__(daemon=True)
        self.load, self.rng, self.acked, self.error = load, rng, set(), None

    def run(self):
        while not self.load.stopping.wait(0.02):
            try:
                self.once()
            except (OSError, ValueError):
                pass  # killed under our feet
            except Exception as error:  # for the test's thread
                self.error = error
                return

    def once(self):
        taken, given = (self.rng.choice(self.load.coordinators) for _ in range(2))
        number = self.rng.randint(1, self.load.world.fed) if self.rng.random() < 0.5 else request(taken)
        if not number:
            return
        if self.rng.random() < 0.2:
            bytes_ = secrets.token_bytes(65)
        else:
            bytes_ = self.load.proof(self.rng.choice(keys()), number)
        if submit(given, number, bytes_):
            self.acked.add((number, bytes_))


def ask(c, message):
    reply = exchange(c.port, message, seconds=SECONDS)
    return json.loads(reply) if reply else None


def request(c):
    reply = ask(c, {"InputRequest": {"commit_hash": COMMIT_HASH, "prover_type": "TDX"}})
    response = reply.get("InputResponse") if isinstance(reply, dict) else None
    return response and response["id"]


def submit(c, number, bytes_):
    """Whether it was acknowledged."""
    message = {"ProofSubmit": {"id": number, "proof": {"Proof": {"prover_type": "TDX", "proof": list(bytes_)}}}}
    return ask(c, message) == {"ProofSubmitACK": {"id": number}}


def put(c, number, body):
    """Whether the input is there now."""
    link = http.client.HTTPConnection("127.0.0.1", c.admin_port, timeout=SECONDS)
    try:
        link.request("PUT", f"/api/v1/batches/{number}?commit_hash={COMMIT_HASH}", body,
                     {"authorization": f"Bearer {c.token}"})
        return link.getresponse().status in (200, 201)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        link.close()


class Load:
    def __init__(self, cluster, rng, provers=3):
        self.world, self.coordinators, self.rng = cluster.world, list(cluster), rng
        self.cluster, self.stopping = cluster, threading.Event()
        self.provers = [Prover(self, random.Random(rng.random())) for _ in range(provers)]

    def proof(self, key, number):
        known = proofs()
        if (key, number) not in known:
            known[key, number] = self.world.proof(key, number)
        return known[key, number]

    def start(self):
        for prover in self.provers:
            prover.start()
        return self

    def stop(self):
        self.stopping.set()
        for prover in self.provers:
            prover.join(30)
        self.look()

    def look(self):
        for prover in self.provers:
            if prover.error:
                raise prover.error

    def feed(self, count, seconds=30):
        """So many batches more, through whoever takes them; then they are committed."""
        end = time.monotonic() + seconds
        for _ in range(count):
            number = self.world.fed + 1
            while not put(self.rng.choice(self.coordinators), number, self.world.batch(number)["input"]):
                assert time.monotonic() < end, f"nobody takes the input of batch {number}"
                time.sleep(0.05)
            self.world.commit(number, number)
            self.world.fed = number

    @property
    def acked(self):
        return set().union(*(set(prover.acked) for prover in self.provers))

    def check_acked(self):
        """Of a database that answers: each good proof that was acknowledged is there, or its batch has another that is
        good, or is verified."""
        acked = self.acked & {(number, bytes_) for (_, number), bytes_ in proofs().items()}
        stored = {(int(batch), bytes.fromhex(text)) for batch, text in self.cluster.server.sql(
            "SELECT batch, encode(bytes, 'hex') FROM proof")}
        verified = self.world.verified  # read last: what was not verified even now was to be there before
        good = {(number, bytes_) for (_, number), bytes_ in proofs().items()}
        proven = {number for number, _ in good & stored}
        lost = {(n, p) for n, p in acked if n > verified and n not in proven and (n, p) not in stored}
        assert not lost, (f"{len(lost)} of {len(acked)} acknowledged proofs are lost: batches "
                          f"{sorted(n for n, _ in lost)}, {verified} verified")


class Broadcast:
    """A signed transaction that some coordinator gave to L1."""

    def __init__(self, raw, time_, sender):
        items = rlp_items(bytes.fromhex(raw[2:])[1:])
        self.nonce, self.to, self.data = int.from_bytes(items[1], "big"), "0x" + items[5].hex(), items[7]
        self.time, self.by = time_, sender


def check_chain(world, broadcasts):
    """broadcasts: of all coordinators, in the order of time."""
    ours = {world.timelock.lower(), world.verifier.lower()}
    mined = []
    for n in range(int(world.l1.rpc("eth_blockNumber"), 16) + 1):
        block = world.l1.rpc("eth_getBlockByNumber", hex(n), True)
        mined += [t for t in block["transactions"] if (t["to"] or "").lower() in ours]
    told = {}
    for b in broadcasts:
        told.setdefault((b.to, b.nonce), set()).add(bytes(b.data))
    assert not [key for key, data in told.items() if len(data) > 1], "two transactions were signed for one nonce"
    batches = []
    for t in mined:
        if t["input"].startswith(VERIFY):
            receipt = world.l1.rpc("eth_getTransactionReceipt", t["hash"])
            assert receipt["status"] == "0x1", f"a verification reverted: {t['hash']}"
            key = t["to"].lower(), int(t["nonce"], 16)
            assert bytes.fromhex(t["input"][2:]) in told.get(key, ()), "a transaction that no coordinator told us of"
            batches += batches_of(t["input"])
    assert batches == list(range(1, world.verified + 1)), f"not each batch once: {batches}"


def batches_of(data):
    """The batches of a call of verifyBatches(uint256,bytes[],bytes[],bytes[])."""
    words = [int(data[10 + 64 * n:74 + 64 * n], 16) for n in range((len(data) - 10) // 64)]
    return range(words[0], words[0] + words[words[1] // 32])
