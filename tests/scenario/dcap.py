"""DcapVerifier as the tests speak to it: vectors of the manifest as calls, a contract under a clock."""

import base64
import json
import os
import pathlib
import re
import subprocess

import pytest

from differential import FIXED, subjects, with_bytes, with_signed
from l1 import L1, REPO, VECTORS, ZERO, Reverted, cast, compile_contracts

BUILD = pathlib.Path(os.environ.get("BUILD_DIR") or REPO / "build" / "release")
CASES = BUILD / "tests" / "differential" / "differential-cases"
SOFTWARE_QE = BUILD / "tests" / "software-qe" / "software-qe"
ROOT, PROCESSOR, PLATFORM, SIGNING = range(4)
PIECES = ("root", "root_crl", "ca", "signing", "pck_crl", "identity", "tcb_info")
CERT = "upsertPcsCertificates(uint8,bytes)"


def need_vectors():
    if not (VECTORS / "dcap" / "MANIFEST.json").exists():
        pytest.skip(f"SKIPPED: there are no vectors in {VECTORS} (set VECTORS_DIR)")


def certificates(name):
    text = (VECTORS / "dcap" / name).read_text()
    return [base64.b64decode(pem) for pem in re.findall("BEGIN CERTIFICATE-----(.*?)-----END", text, re.S)]


def signed(name):
    text = (VECTORS / "dcap" / name).read_text()
    body, signature = re.fullmatch(r'\{"\w+":(\{.*\}),"signature":"(\w+)"\}\s*', text, re.S).groups()
    return body.encode(), bytes.fromhex(signature)


class Vector:
    """A vector of the manifest: the calls that upload its pieces, and its quote."""

    def __init__(self, name):
        manifest = json.loads((VECTORS / "dcap" / "MANIFEST.json").read_text())
        self.files = v = next(v for v in manifest["positive"] if v["id"] == name)
        self.now, self.until = v["now"], v["valid_to"]
        self.number = int(re.search(rb'"tcbEvaluationDataNumber":(\d+)', signed(v["tcb_info"])[0])[1])
        read = lambda key: (VECTORS / "dcap" / v[key]).read_bytes()
        self.quote = read("quote")
        self.ca, self.root = certificates(v["pck_crl_issuer_chain"])
        self.calls = {
            "root": with_bytes(CERT, ROOT, self.root),
            "root_crl": with_bytes("upsertRootCACrl(bytes)", read("root_ca_crl")),
            "ca": with_bytes(CERT, PLATFORM, self.ca),
            "signing": with_bytes(CERT, SIGNING, certificates(v["tcb_signing_chain"])[0]),
            "pck_crl": with_bytes("upsertPckCrl(uint8,bytes)", PLATFORM, read("pck_crl")),
            "identity": with_signed(
                "upsertEnclaveIdentity(uint256,uint256,(string,bytes))", 2, 4, *signed(v["qe_identity"])
            ),
            "tcb_info": with_signed("upsertFmspcTcb((string,bytes))", *signed(v["tcb_info"])),
        }


class Dcap:
    """A DcapVerifier on a chain whose clock is where the test wants it."""

    def __init__(self, l1, root=(ZERO, ZERO), choice=(FIXED, 17)):
        self.l1 = l1
        self.at = l1.deploy("DcapVerifier", *root, *choice)

    def transact(self, data, sender=None):
        tx = {"from": sender or self.l1.accounts[0], "to": self.at, "data": "0x" + data.hex()}
        return self.l1.transact(tx)

    def upload(self, vector, *pieces):
        for piece in pieces or PIECES:
            self.transact(vector.calls[piece])

    def verify(self, quote, entry="verifyAndAttestOnChain(bytes)", **block):
        """(success, report or reason), at another time with time=."""
        call = {"from": self.l1.accounts[0], "to": self.at, "data": "0x" + with_bytes(entry, quote).hex()}
        overrides = [{}, {key: hex(value) for key, value in block.items()}] if block else []
        data = bytes.fromhex(self.l1.rpc("eth_call", call, "latest", *overrides)[2:])
        output = data[96 : 96 + int.from_bytes(data[64:96], "big")]
        return (True, output) if data[31] else (False, output.decode())

    def wind(self, to):
        """The next block has this time, and calls see it at once."""
        self.l1.rpc("evm_setNextBlockTimestamp", to)
        self.l1.rpc("evm_mine")


class Platform:
    """A make-believe platform that software-qe makes and renews, under its own root."""

    def __init__(self, where):
        self.where = where
        self.renew("--age", "600")
        key = self.read("root_ca_key.hex").decode()
        self.root = ("0x" + key[:64], "0x" + key[64:])

    def renew(self, *flags):
        subprocess.run([SOFTWARE_QE, "pki", self.where, *flags], check=True, timeout=30)

    def read(self, name):
        return (self.where / name).read_bytes()

    def call(self, piece):
        pem = lambda name: [base64.b64decode(t) for t in re.findall(b"CERTIFICATE-----([^-]*)-----END", self.read(name))]
        json_of = lambda name: re.fullmatch(rb'{"\w+":(.*),"signature":"(\w+)"}\s*', self.read(name), re.S).groups()
        signed = lambda signature, name, *head: with_signed(
            signature, *head, json_of(name)[0], bytes.fromhex(json_of(name)[1].decode()))
        return {
            "root": lambda: with_bytes(CERT, ROOT, pem("root_ca.pem")[0]),
            "root_crl": lambda: with_bytes("upsertRootCACrl(bytes)", self.read("root_ca_crl.der")),
            "ca": lambda: with_bytes(CERT, PLATFORM, pem("pck_crl_issuer_chain.pem")[0]),
            "signing": lambda: with_bytes(CERT, SIGNING, pem("tcb_signing_chain.pem")[0]),
            "pck_crl": lambda: with_bytes("upsertPckCrl(uint8,bytes)", PLATFORM, self.read("pck_crl.der")),
            "identity": lambda: signed(
                "upsertEnclaveIdentity(uint256,uint256,(string,bytes))", "qe_identity.json", 2, 4),
            "tcb_info": lambda: signed("upsertFmspcTcb((string,bytes))", "tcb_info.json"),
        }[piece]()

    def quote(self, *flags):
        command = [SOFTWARE_QE, "quote", "--pki", self.where, *flags]
        return subprocess.run(command, capture_output=True, check=True, timeout=30).stdout


def software_qe_signs(body):
    """(bytes of the JSON, signature) with the key that signs make-believe TCB info."""
    body = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
    done = subprocess.run([SOFTWARE_QE, "sign", "x"], input=body, capture_output=True, check=True, timeout=30)
    return body, bytes.fromhex(re.search(rb'"signature":"(\w+)"}$', done.stdout)[1].decode())


class refused:
    """A custom error of the contract is due."""

    def __init__(self, error, *args):
        self.wanted = cast("sig", error) + "".join(f"{arg:064x}" for arg in args)

    def __enter__(self):
        return self

    def __exit__(self, kind, problem, trace):
        assert kind is Reverted, f"nothing reverted, {self.wanted} was due"
        assert problem.data == self.wanted, problem
        return True


def sample_quote():
    return bytes.fromhex((VECTORS / "quote.example").read_text().strip().removeprefix("0x"))


def leaf_only(quote):
    sig, cert = 636, 636 + 590 + int.from_bytes(quote[1218:1220], "little")
    leaf = base64.b64decode(re.search(b"BEGIN CERTIFICATE-----(.*?)-----END", quote[cert:], re.S)[1])
    size = lambda n: n.to_bytes(4, "little")
    total = cert - sig + len(leaf)
    return (
        quote[: sig - 4] + size(total) + quote[sig : sig + 130] + size(total - 134) + quote[sig + 134 : cert - 4]
        + size(len(leaf)) + leaf
    )


# --- fixtures, for the tests to import ---


@pytest.fixture(scope="module")
def vector():
    need_vectors()
    return Vector("seed_quote_example")


@pytest.fixture(scope="module")
def node():
    compile_contracts()
    l1 = L1("--enable-tx-gas-limit", "--timestamp", "1500000000")
    yield l1
    l1.close()


@pytest.fixture
def l1(node):
    """The chain as it was before anything had happened on it, and its clock."""
    snapshot = node.rpc("evm_snapshot")
    yield node
    assert node.rpc("evm_revert", snapshot)


@pytest.fixture
def dcap(l1, vector):
    made = Dcap(l1)
    made.wind(vector.now)
    return made


@pytest.fixture
def full(dcap, vector):
    dcap.upload(vector)
    return dcap


@pytest.fixture(scope="module")
def forged():
    assert CASES.exists(), f"{CASES} is missing: build it first"
    return {s["id"]: s for s in subjects(CASES, "forged", 100000)}
