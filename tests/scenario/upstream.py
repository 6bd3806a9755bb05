"""ethrex's own coordinator, as far as a relay in front of it can tell (tests/ethrex)."""

import collections
import json
import socket

import pytest

from l1 import free_port
from process import BUILD, PATIENCE, Process, clean_env

COMMIT_HASH = "52e4b64"
PROGRAM = BUILD / "tests" / "ethrex" / "ethrex-upstream"


def exchange(port, message, half_close=True, seconds=PATIENCE):
    """The raw answer to a message (bytes, or what json makes of it); None: nothing, and no end, in that time."""
    if not isinstance(message, bytes):
        message = json.dumps(message, separators=(",", ":")).encode()
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as link:
        link.settimeout(seconds)
        link.sendall(message)
        if half_close:
            link.shutdown(socket.SHUT_WR)
        reply = b""
        try:
            while piece := link.recv(1 << 16):
                reply += piece
        except TimeoutError:
            return None
        return reply


class Upstream(Process):
    """In a directory that outlives it. world: whose chain it follows (None: no chain). sender: the account as
    which it sends verifyBatches itself (None: it leaves that to others)."""

    def __init__(self, directory, dialect="p7", world=None, sender=None, prover_timeout=600000, send_interval=200):
        if not PROGRAM.exists():
            pytest.skip(f"SKIPPED: {PROGRAM} is not built (scripts/build-rust)")
        super().__init__(directory / "upstream.log")
        self.dir, self.port, self.ahead = directory / "upstream", free_port(), 0
        (self.dir / "inputs").mkdir(parents=True)
        self.options = {"dir": self.dir, "listen": f"127.0.0.1:{self.port}", "dialect": dialect,
                        "prover-timeout": prover_timeout, "send-interval": send_interval}
        if world:
            self.options |= {"l1": world.l1.url, "proposer": world.proposer, "target": world.timelock}
        if sender:
            self.options["sender"] = sender

    def start(self):
        options = [word for name, value in self.options.items() for word in (f"--{name}", value)]
        self.spawn([PROGRAM, *options], env=clean_env())
        self.saw("^ethrex-upstream listens on")
        return self

    def seal(self, number, text, commit_hash=COMMIT_HASH):
        """An input is stored, as when a batch is sealed: before its commitment."""
        part = self.dir / f"sealing-{number}"
        part.write_bytes(text)
        part.rename(self.dir / "inputs" / f"{number}.{commit_hash}.json")

    def later(self, seconds):
        """Its clock is so much further ahead from now on."""
        self.ahead += seconds
        part = self.dir / "clock"
        part.write_text(str(int(1000 * self.ahead)))
        part.rename(self.dir / "clock_ahead")

    def verified(self, number):
        """Where a stopped one without a chain begins."""
        (self.dir / "latest_sent").write_text(str(number))

    def say(self, message, **options):
        return exchange(self.port, message, **options)

    def ask(self, message, **options):
        """The reply as Python sees its JSON; None: closed without a word."""
        reply = self.say(message, **options)
        return json.loads(reply) if reply else None

    def journal(self, *events):
        """What it gave and received, oldest first: of these events, or all."""
        path = self.dir / "journal.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        told = [json.loads(line) for line in lines]
        return [line for line in told if not events or line["event"] in events]

    def check_forwarded(self, good, submit, sealed):
        """Only good proofs (batch, hex) came, each batch's once to effect, and no ProverSetup did."""
        kept = collections.Counter()
        for event in self.journal("received", "deleted", "setup"):
            assert event["event"] == "received", f"{event}: nothing bad is forwarded, and no setup"
            assert (event["batch"], event["proof"]) in good
            kept[event["batch"]] += event["kept"]
        assert not [batch for batch, times in kept.items() if times != 1], kept
        assert (not kept) == (submit == "l1")
        if submit == "upstream":
            assert sorted(kept) == list(range(1, sealed + 1))

    def kept(self):
        """{batch: the TDX proof that it goes by}"""
        return {int(p.name.split(".")[0]): p.read_bytes() for p in (self.dir / "proofs").glob("*.TDX")}
