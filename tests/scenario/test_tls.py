"""The TLS listener: provers with an identity, those without, what stunnel4 makes of it, and strangers."""

import copy
import json
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading

import pytest

from certificates import Party, party_of
from l1 import REPO, free_port
from listener import Listener
from process import Process, clean_env, until
from world import Key

P7 = b'{"InputRequest":{"commit_hash":"52e4b64","prover_type":"TDX"}}'
HELLO = bytes.fromhex("16030102000100 01fc0303".replace(" ", ""))  # the beginning of a ClientHello


class Tls:
    """Certificates, and the settings that make a coordinator use them."""

    def __init__(self, world):
        self.dir = world.dir / "tls"
        self.dir.mkdir()
        self.authority = Party(self.dir, "authority", authority=True)
        self.server = Party(self.dir, "coordinator", self.authority, "IP:127.0.0.1")
        self.provers = Party(self.dir, "provers-ca", authority=True)
        self.port = free_port()
        self.settings = {
            "TLS_LISTEN": f"127.0.0.1:{self.port}", "TLS_CERTIFICATE_FILE": self.server.certificate,
            "TLS_KEY_FILE": self.server.key, "TLS_CLIENT_CA_FILE": self.provers.certificate}

    def prover(self, world, coordinator, name="prover", **more):
        """quote-gen on the TLS port; by default it knows the coordinator by its key."""
        settings = {"QUOTE_GEN_TLS_SERVER_KEY": self.server.hash,
                    "ETHREX_PROOF_COORDINATOR_URL": f"127.0.0.1:{self.port}", **more}
        made = world.prover(coordinator, name)
        made.env.update({k: str(v) for k, v in settings.items() if v is not None})
        for name in (k for k, v in settings.items() if v is None):
            made.env.pop(name, None)
        return made.start()

    def client(self, coordinator, who=None):
        """The coordinator as Python's own TLS reaches it, with that certificate."""
        context = ssl.create_default_context(cafile=self.authority.certificate)
        if who:
            context.load_cert_chain(who.certificate, who.key)
        reached = copy.copy(coordinator)
        reached.say = lambda message, **_: say(context, self.port, message)
        return reached


def say(context, port, message):
    """One message; Python has no half of a close, and none is needed."""
    if not isinstance(message, bytes):
        message = json.dumps(message, separators=(",", ":")).encode()
    with socket.create_connection(("127.0.0.1", port), 30) as plain:
        with context.wrap_socket(plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False) as s:
            s.sendall(message)
            reply = b""
            while piece := s.recv(1 << 16):  # raises when it ends without close_notify
                reply += piece
            return reply


@pytest.fixture
def tls(world):
    return Tls(world)


@pytest.fixture
def c(world, tls):
    return world.coordinator(**tls.settings).start()


# --- provers ---


def test_quote_gen_with_a_pinned_coordinator(world, tls, c):
    world.feed(c, 3)
    prover = tls.prover(world, c)
    world.until_verified(3)
    assert prover.processed(3) == [1, 2, 3] and world.signer == prover.address
    assert c.metric("tls_handshakes_total") >= 7
    c.saw("source=127.0.0.1")
    assert "source=key:" not in c.log()
    # Those that know nothing of it go on beside it.
    prover.stop()
    until("no handshake", lambda: c.metric("tls_handshaking") == 0)
    world.feed(c, 4)
    world.prover(c, "plain").start().saw("^Processed batch 4$")


def test_quote_gen_with_an_authority_and_an_identity(world, tls, c):
    me = Party(tls.dir, "me", tls.provers)
    world.feed(c, 2)
    prover = tls.prover(world, c, QUOTE_GEN_TLS_SERVER_KEY=None, QUOTE_GEN_TLS_CA=tls.authority.certificate,
                        QUOTE_GEN_TLS_IDENTITY=me.both)
    world.until_verified(2)
    assert prover.processed(2) == [1, 2]
    assert {e["source"] for e in c.told("setup_acknowledged")} == {me.source}
    assert c.provers()[prover.address]["source"] == me.source


def test_an_attested_identity(new_world):
    """The key that the quote names is the guest's: from the setup on it is the prover's source, here and
    after a restart, and the contract, which reads the address alone, registers the same quote."""
    world = new_world("dcap")
    qe, collateral = world.software_qe(), world.pccs()
    world.upload_collateral(collateral)
    tls = Tls(world)
    c = world.coordinator(**tls.settings).start()
    world.feed(c, 2)
    prover = tls.prover(world, c, QUOTE_GEN_TLS_IDENTITY="attested", QUOTE_GEN_TSM_REPORT_DIR=qe.reports)
    world.until_verified(2)
    assert world.signer == prover.address
    quote = bytes.fromhex(prover.saw(r"Sending quote ([0-9a-f]{1000,})$")[1])
    data = quote[568:632]
    assert data[:20].hex() == prover.address[2:] and data[20:32] == bytes(12) and data[32:] != bytes(32)
    source = f"key:{data[32:].hex()}"
    c.saw(f"event=message kind=ProofSubmit .*source={source}")
    # The first connection came before the quote.
    assert [e["source"] for e in c.told("setup_acknowledged")] == ["127.0.0.1"]
    c.saw(f"event=tls_key_unknown .*{source[4:]}")

    # Somebody else's certificate, without a quote, is nobody in particular.
    assert tls.client(c, Party(tls.dir, "stranger")).request()[0] is None
    assert c.stop() == 0
    c.start()
    world.feed(c, 3)
    world.until_verified(3)
    c.saw(f"source={source}")


def test_two_keys_behind_one_address(world, tls):
    a, b = Party(tls.dir, "a", tls.provers), Party(tls.dir, "b")
    c = world.coordinator(**tls.settings, TLS_CLIENT_KEYS=b.hash, LEASES_PER_SOURCE=1, PROVER_TIMEOUT=600000).start()
    world.feed(c, 6)
    c.saw("event=l1_read")
    until("the needed types", lambda: c.request()[0] == 1)  # the address has its one
    first, second = tls.client(c, a), tls.client(c, b)
    assert first.request()[0] == 2
    assert second.request()[0] == 3
    key = Key()
    c.enroll(key)
    assert first.submit(2, world.proof(key, 2)) is True
    assert second.submit(3, world.proof(key, 3)) is True
    # One that is decoded aside keeps its whole name.
    assert second.submit(999, bytes(400_000), "SP1")["Error"]["code"]
    for words in (f"source={a.source}", f"source={b.source}", rf"batch=999 .*source={b.source}|source={b.source} .*bytes=[0-9]{{6}}"):
        c.saw(words)


# --- stunnel4 ---


class Stunnel(Process):
    def __init__(self, world, tls, *lines, name="stunnel"):
        super().__init__(world.dir / f"{name}.log")
        self.port = free_port()
        self.config = tls.dir / f"{name}.conf"
        self.config.write_text("\n".join([
            "foreground = yes", "pid =", "debug = info", "[coordinator]", "client = yes",
            f"accept = 127.0.0.1:{self.port}", f"connect = 127.0.0.1:{tls.port}", *lines, ""]))

    def start(self):
        self.spawn([shutil.which("stunnel4") or shutil.which("stunnel"), self.config])
        self.saw("Configuration successful")
        until("stunnel listens", lambda: not socket.socket().connect_ex(("127.0.0.1", self.port)))
        return self


@pytest.fixture
def stunnel(world, tls):
    if not (shutil.which("stunnel4") or shutil.which("stunnel")):
        pytest.skip("stunnel4 is not installed (scripts/install-deps test)")

    def start(*lines, **more):
        return world.add(Stunnel(world, tls, *lines, **more)).start()
    return start


def test_an_unmodified_prover_through_stunnel(world, tls, c, stunnel):
    """A p7 client that knows plain TCP alone, half-close and all, as docs/TLS.md sets it up."""
    me = Party(tls.dir, "me", tls.provers)
    tunnel = stunnel(f"cert = {me.certificate}", f"key = {me.key}", f"CAfile = {tls.authority.certificate}",
                     "verifyChain = yes", "checkIP = 127.0.0.1")
    through = copy.copy(c)
    through.port = tunnel.port
    world.feed(c, 3)
    key = Key()
    through.enroll(key)
    for half_close in (True, False, True):
        number = until("a batch", lambda h=half_close: world.prove(through, key, half_close=h))
        world.until_verified(number)
    assert world.verified == 3
    assert {e["source"] for e in c.told("setup_acknowledged")} == {me.source}
    # And quote-gen itself, which need not know.
    world.feed(c, 4)
    world.prover(through, "tunnelled").start().saw("^Processed batch 4$")


def fenced(language):
    return re.findall(rf"^```{language}\n(.*?)^```", (REPO / "docs" / "TLS.md").read_text(), re.M | re.S)


def test_the_page_is_right(world, tls, stunnel):
    """docs/TLS.md: its commands make what the coordinator, quote-gen and stunnel take, as it says."""
    said = ""
    for block in fenced("sh"):
        said += subprocess.run(["bash", "-euo", "pipefail", "-c", block], cwd=tls.dir, env=clean_env(), check=True,
                               capture_output=True, text=True).stdout
    server_key = said.split()[0]
    lines = [line.replace("/etc/stunnel", str(tls.dir)) for line in fenced("ini")[0].splitlines()[1:]]
    assert [line.split(" = ")[0] for line in lines[:3]] == ["client", "accept", "connect"]
    prover = party_of(tls.dir, "prover")
    c = world.coordinator(TLS_LISTEN=f"127.0.0.1:{tls.port}", TLS_CERTIFICATE_FILE=tls.dir / "coordinator.pem",
                          TLS_KEY_FILE=tls.dir / "coordinator.key", TLS_CLIENT_KEYS=prover.hash,
                          TLS_CLIENT_CA_FILE=tls.dir / "provers-ca.pem").start()
    world.feed(c, 3)
    through = copy.copy(c)
    through.port = stunnel(*lines[3:]).port
    key = Key()
    through.enroll(key)
    until("a batch", lambda: world.prove(through, key))
    # That quote-gen does not get the batches to verify: its key is the second.
    signed = party_of(tls.dir, "signed")
    tls.prover(world, c, QUOTE_GEN_TLS_SERVER_KEY=server_key, QUOTE_GEN_TLS_IDENTITY=signed.both, VERGEN_GIT_SHA="52e4b64",
               QUOTE_GEN_BATCHES=2).saw("^Processed batch 3$")
    assert {e["source"] for e in c.events("setup_acknowledged")} == {prover.source, signed.source}


def test_the_page_quotes_the_programs():
    program = "".join(p.read_text() for part in ("coordinator", "quote-gen", "tls") for p in (REPO / part).rglob("*.c"))
    program = re.sub(r'"\s*"', "", program)
    rows = re.findall(r"^\| (?:quote-gen|prover|coordinator) \| `([^`]+)` \|", (REPO / "docs" / "TLS.md").read_text(), re.M)
    assert len(rows) > 9
    for row in rows:
        for words in re.split("‹[^›]*›|: ", row):
            assert words == "unknown CA" or words.strip() in program, f"no program says {words!r}"


def test_large_inputs_through_stunnel(world, tls, c, stunnel):
    tunnel = stunnel(f"CAfile = {tls.authority.certificate}", "verifyChain = yes", "checkIP = 127.0.0.1")
    through = copy.copy(c)
    through.port = tunnel.port
    text = json.dumps({"x": "y" * 20_000_000}).encode()
    assert c.put(1, text)[0] == 201
    until("the needed types", lambda: c.metric('batches_wanting{type="TDX"}') == 1)
    number, got = through.request()
    assert number == 1 and got == json.loads(text)


# --- words ---


def test_who_does_not_fit_is_told_why(world, tls, c):
    other = Party(tls.dir, "other")
    wrong = tls.prover(world, c, "wrong-key", QUOTE_GEN_TLS_SERVER_KEY=other.hash)
    wrong.saw(f"TLS handshake: the coordinator's key is {tls.server.hash}, which is not pinned")
    unknown = tls.prover(world, c, "unknown-ca", QUOTE_GEN_TLS_SERVER_KEY=None, QUOTE_GEN_TLS_CA=other.certificate)
    unknown.saw("TLS handshake: the certificate is signed by an authority that is not trusted here")
    name = tls.prover(world, c, "wrong-name", QUOTE_GEN_TLS_SERVER_KEY=None, QUOTE_GEN_TLS_CA=tls.authority.certificate,
                      ETHREX_PROOF_COORDINATOR_URL=f"localhost:{tls.port}")
    name.saw("TLS handshake: the certificate is for another host")
    plain_port = tls.prover(world, c, "plain-port", ETHREX_PROOF_COORDINATOR_URL=f"127.0.0.1:{c.port}")
    plain_port.saw("TLS handshake: the other side does not speak TLS$")
    c.saw(f"a TLS handshake on the port for plain TCP: TLS has port {tls.port}")
    plain = tls.prover(world, c, "plain", QUOTE_GEN_TLS_SERVER_KEY=None)
    plain.saw(rf"the coordinator says: plain bytes on the TLS port {tls.port}: the port for plain TCP is {c.port} \(tls\)")
    c.saw("the TLS handshake failed: the other side refuses: (unknown CA|bad certificate|certificate unknown)")


def test_an_expired_certificate(world, tls):
    old = Party(tls.dir, "old", tls.authority, "IP:127.0.0.1", days=-1)
    tls.settings.update(TLS_CERTIFICATE_FILE=old.certificate, TLS_KEY_FILE=old.key)
    c = world.coordinator(**tls.settings).start()
    prover = tls.prover(world, c, QUOTE_GEN_TLS_SERVER_KEY=None, QUOTE_GEN_TLS_CA=tls.authority.certificate)
    prover.saw("TLS handshake: the certificate, or one that signed it, has expired")
    # A pinned key has no date.
    world.feed(c, 1)
    tls.prover(world, c, "pinned", QUOTE_GEN_TLS_SERVER_KEY=old.hash)
    world.until_verified(1)


def test_what_run_would_refuse_config_refuses(world, tls):
    c = world.coordinator(**tls.settings)
    assert c.verb("config").returncode == 0
    c.change(TLS_KEY_FILE=tls.provers.key)
    for verb in ("config", "run"):
        done = c.verb(verb)
        assert done.returncode == 78 and "does not belong to the certificate" in done.stderr, (verb, done)
    c.change(TLS_KEY_FILE=tls.server.key)
    # Another coordinator has the port.
    with socket.create_server(("127.0.0.1", tls.port)):
        done = c.verb("run")
        assert done.returncode != 0 and f"cannot listen on 127.0.0.1 port {tls.port}" in done.stdout + done.stderr


# --- operation ---


def test_a_renewed_certificate(world, tls):
    env = world.dir / "reload.env"
    env.write_text("# nothing here: what SIGHUP reads again are the files\n")
    c = world.coordinator(**tls.settings).start("--env-file", env)
    world.feed(c, 2)
    first = tls.prover(world, c, QUOTE_GEN_BATCHES=1)
    first.saw("Processed batch 1")
    renewed = Party(tls.dir, "renewed", tls.authority, "IP:127.0.0.1")
    # Half of it: nothing changes, and it is said.
    tls.server.certificate.write_text(renewed.certificate.read_text())
    c.signal(signal.SIGHUP)
    c.saw("event=reload .*refused, the former settings stay")
    c.saw("event=reload .*does not belong to the certificate")
    old = tls.client(c)
    assert old.request()[0] in (None, 2)
    tls.server.key.write_text(renewed.key.read_text())
    tls.server.key.chmod(0o644)
    c.signal(signal.SIGHUP)
    c.saw("event=reload .*taken over")
    c.saw("event=tls_key_readable .*chmod 600")
    second = tls.prover(world, c, "second", QUOTE_GEN_TLS_SERVER_KEY=renewed.hash)
    second.saw("Processed batch 2")
    assert "PRIVATE KEY" not in c.log() and renewed.key.read_text().splitlines()[1] not in c.log()


# --- strangers ---


class Strangers:
    """Connections from 50 addresses that begin a handshake in every way, and never end one."""

    def __init__(self, port):
        self.port, self.stopping, self.opened, self.threads = port, threading.Event(), 0, []
        for n in range(5):
            self.threads.append(threading.Thread(target=self.run, args=(n,), daemon=True))
            self.threads[-1].start()

    def run(self, n):
        held, turn = [], 0
        while not self.stopping.is_set():
            turn += 1
            try:
                s = socket.create_connection(("127.0.0.1", self.port), 5, (f"127.0.1.{10 * n + turn % 10 + 1}", 0))
                s.sendall([b"", b"\x16", HELLO, HELLO + bytes(509), b"\x16" * 3000, b"\x80\x2e\x01\x03\x01"][turn % 6])
                held.append(s)
                self.opened += 1
            except OSError:
                pass
            if len(held) > 150:
                held.pop(0).close()
        for s in held:
            s.close()

    def stop(self):
        self.stopping.set()
        for t in self.threads:
            t.join()


def test_strangers_do_not_keep_an_honest_prover_out(world, tls, c):
    me = Party(tls.dir, "me", tls.provers)
    prover = tls.prover(world, c, QUOTE_GEN_TLS_IDENTITY=me.both)
    prover.saw("Sending quote")
    until("the key is registered", lambda: c.provers())
    strangers = Strangers(tls.port)
    try:
        until("half handshakes", lambda: c.metric("tls_handshaking") > 100)
        world.feed(c, 5)
        world.until_verified(5)
        assert c.metric("tls_handshaking") <= 50 * 16 + 16
    finally:
        strangers.stop()
    assert strangers.opened > 500
    assert prover.processed(5) == [1, 2, 3, 4, 5]
    assert c.metric('bad_messages_total{reason="tls"}') > 50
    until("all of them are gone", lambda: c.metric("tls_handshaking") == 0)
    assert c.request()[0] is None


def test_the_ceiling_of_one_address_is_connected(world, tls, c):
    held = [socket.create_connection(("127.0.0.1", tls.port), 5, ("127.0.1.9", 0)) for _ in range(20)]
    until("four are refused", lambda: c.metric('connections_refused_total{reason="handshakes"}') == 4)
    assert c.metric("tls_handshaking") == 16
    c.saw("event=refused .*connection from 127.0.1.9 refused: limit on handshakes")
    assert tls.client(c).request()[0] is None
    for s in held:
        s.close()


def test_a_reply_is_whole_or_an_error(world, tls):
    """A man in the middle cuts the connection to the coordinator: the prover does not take the half."""
    c = world.coordinator(**tls.settings).start()
    world.feed(c, 1)
    cut = threading.Event()

    def relay(a):
        b = socket.create_connection(("127.0.0.1", tls.port))
        threading.Thread(target=pump, args=(a, b, None), daemon=True).start()
        # The handshake's answer, and a little of the reply.
        pump(b, a, 2500 if cut.is_set() else None)

    def pump(source, to, most):
        passed = 0
        try:
            while piece := source.recv(700):
                if most and passed + len(piece) > most:
                    break
                to.sendall(piece)
                passed += len(piece)
            to.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    middle = Listener(relay)
    prover = tls.prover(world, c, ETHREX_PROOF_COORDINATOR_URL=f"127.0.0.1:{middle.port}")
    prover.saw("Processed batch 1")
    cut.set()
    assert c.put(2, json.dumps({"x": "y" * 100000}).encode())[0] == 201
    prover.saw(r"^Error: (the other side closed the connection|.*Connection reset)")
    assert not re.search("^Error: .*EOF while parsing", prover.log(), re.M)
    middle.close()
