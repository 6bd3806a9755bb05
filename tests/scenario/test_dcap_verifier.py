"""DcapVerifier on a real L1 node: real quotes with real collateral, and forged ones where a case
needs another Intel. What is refused, and why."""

import base64
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import urllib.request

import pytest

from differential import subjects, uploads, with_bytes, with_signed
from l1 import CONTRACTS, L1, REPO, VECTORS, ZERO, Reverted, cast, compile_contracts

BUILD = pathlib.Path(os.environ.get("BUILD_DIR") or REPO / "build" / "release")
CASES = BUILD / "tests" / "differential" / "differential-cases"
TDX_QUOTE = BUILD / "verifier" / "tdx-quote"
# Every k-th byte of the real quote is changed; all of them with 1.
FLIP_STRIDE = int(os.environ.get("FLIP_STRIDE") or 3)

ROOT, PROCESSOR, PLATFORM, SIGNING = range(4)
SIGNER = "0x39618efD10b14136ab416d6aCFfF8E36b23533A9".lower()
PIECES = ("root", "root_crl", "ca", "signing", "pck_crl", "identity", "tcb_info")
CERT = "upsertPcsCertificates(uint8,bytes)"
END = b"-----END CERTIFICATE-----"


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

    def __init__(self, l1, root=(ZERO, ZERO)):
        self.l1 = l1
        self.at = l1.deploy("DcapVerifier", *root)

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


# --- the sample quote ------------------------------------------------------------------------


def test_the_sample_quote_registers(full, l1):
    me = l1.accounts[0]
    measured = [sample_quote()[at : at + 48].hex() for at in (184, 376, 424, 472)]
    timelock = l1.deploy("Timelock", 30, f"[{me}]", f"[{me}]", me, me)
    verifier = l1.deploy("TDXVerifier", full.at, timelock, "false", *("0x" + m for m in measured))
    l1.transact({"from": me, "to": verifier, "data": "0x" + with_bytes("register(bytes)", sample_quote()).hex()})
    assert l1.address(verifier, "authorizedSignature()") == SIGNER


def test_the_script_that_registers_it(node):
    need_vectors()
    done = subprocess.run(["node", CONTRACTS / "register-example.mjs"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"authorizedSignature: {SIGNER}"


def test_the_script_says_what_is_missing(tmp_path):
    env = os.environ | {"VECTORS_DIR": str(tmp_path)}
    done = subprocess.run(["node", CONTRACTS / "register-example.mjs"], capture_output=True, text=True, timeout=60, env=env)
    assert done.returncode == 1 and f"{tmp_path}/dcap/MANIFEST.json is missing: set VECTORS_DIR" in done.stderr


@pytest.mark.parametrize("root", [None, "forged"])
def test_the_deployer_makes_one(l1, forged, tmp_path, root):
    env = os.environ | {"ETHREX_DEPLOYER_TDX_DEPLOY_VERIFIER": "true"}
    if root:
        env["ETHREX_DEPLOYER_DCAP_ROOT_KEY"] = root = next(iter(forged.values()))["root_key"]
    command = ["node", CONTRACTS / "deploy.mjs", "--rpc", l1.url, "--env", tmp_path / "env"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=env)
    assert done.returncode == 0, done.stderr
    made = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    dcap = l1.address(made["ETHREX_DEPLOYER_TDX_VERIFIER_ADDRESS"], "quoteVerifier()")
    assert l1.number(dcap, "dcapVerifierVersion()") == 1
    # It trusts the root that it was told, Intel's by default.
    s = forged["version 4: f->pck_crl.revoked = 13"]
    l1.rpc("evm_setNextBlockTimestamp", s["now"])
    l1.rpc("evm_mine")
    upload_root = {"from": l1.accounts[0], "to": dcap, "data": "0x" + dict(uploads(s))["root"].hex()}
    if root:
        l1.transact(upload_root)
    else:
        with refused("Root_Key_Mismatch()"):
            l1.transact(upload_root)


@pytest.mark.parametrize(
    "layout, entry", [("1.0", "verifyAndAttestOnChain(bytes)"), ("1.1", "verifyAndAttestOnChainV11(bytes)")]
)
def test_the_report_is_the_library_s(full, vector, tmp_path, layout, entry):
    names = {
        "tcb_info": "tcb_info.json", "qe_identity": "qe_identity.json", "tcb_signing_chain": "tcb_signing_chain.pem",
        "pck_crl": "pck_crl.der", "pck_crl_issuer_chain": "pck_crl_issuer_chain.pem", "root_ca_crl": "root_ca_crl.der",
    }
    for key, name in names.items():
        shutil.copy(VECTORS / "dcap" / vector.files[key], tmp_path / name)
    (tmp_path / "quote").write_bytes(vector.quote)
    command = [TDX_QUOTE, "report", tmp_path / "quote", "--collateral", tmp_path, "--layout", layout, "--raw"]
    command += ["--time", str(vector.now)]
    wanted = subprocess.run(command, capture_output=True, timeout=60)
    assert wanted.returncode == 0, wanted.stderr
    assert full.verify(vector.quote, entry) == (True, wanted.stdout)
    # What follows the declared length is nobody's business.
    assert full.verify(sample_quote(), entry) == (True, wanted.stdout)


def leaf_only(quote):
    sig, cert = 636, 636 + 590 + int.from_bytes(quote[1218:1220], "little")
    leaf = base64.b64decode(re.search(b"BEGIN CERTIFICATE-----(.*?)-----END", quote[cert:], re.S)[1])
    size = lambda n: n.to_bytes(4, "little")
    total = cert - sig + len(leaf)
    return (
        quote[: sig - 4] + size(total) + quote[sig : sig + 130] + size(total - 134) + quote[sig + 134 : cert - 4]
        + size(len(leaf)) + leaf
    )


def test_a_leaf_alone_means_the_same(full, vector):
    short = leaf_only(vector.quote)
    assert len(short) < 3000
    assert full.verify(short) == full.verify(vector.quote)
    assert full.verify(short[:-1])[0] is False
    assert full.verify(short[:-1] + bytes([short[-1] ^ 1])) == (False, "the PCK certificate is not signed by the PCK CA")


def test_version_5_has_the_layout_of_v1_1_only(l1):
    need_vectors()
    manifest = json.loads((VECTORS / "dcap" / "MANIFEST.json").read_text())
    name = next(v["id"] for v in manifest["positive"] if "v5t3" in v["quote"] and v["expect"]["quote"] == "STATUS_OK")
    v = Vector(name)
    d = Dcap(l1)
    d.wind(v.now)
    d.upload(v)
    ok, report = d.verify(v.quote, "verifyAndAttestOnChainV11(bytes)")
    assert ok and report[:5].hex() == "0005000300" and report[11 : 11 + 648] == v.quote[54 : 54 + 648]
    assert d.verify(v.quote) == (False, "the output of v1.0 knows no quote of version 5")


# --- uploads ---------------------------------------------------------------------------------


def test_anyone_may_upload(dcap, vector, l1):
    for piece in PIECES:
        dcap.transact(vector.calls[piece], sender=l1.accounts[7])
    assert dcap.verify(vector.quote)[0]


def test_what_a_piece_needs_comes_before_it(dcap, vector):
    for piece in ("root_crl", "ca", "signing"):
        with refused("Missing_Issuer()"):
            dcap.upload(vector, piece)
    for piece in ("identity", "tcb_info"):
        with refused("Missing_TCB_Cert()"):
            dcap.upload(vector, piece)
    dcap.upload(vector, "root")
    with refused("Missing_Issuer()"):
        dcap.upload(vector, "pck_crl")


def test_each_missing_piece_is_named(dcap, vector):
    needs = {
        "root": "the root certificate is missing",
        "root_crl": "the root CRL is missing",
        "signing": "the TCB signing certificate is missing",
        "ca": "the certificate of the CA that issued the PCK certificate is missing",
        "pck_crl": "the PCK CRL is missing",
        "identity": "the QE identity is missing",
        "tcb_info": "the TCB info for the platform's FMSPC is missing",
    }
    for piece, reason in needs.items():
        assert dcap.verify(vector.quote) == (False, reason)
        dcap.upload(vector, piece)
    assert dcap.verify(vector.quote)[0]


def test_a_duplicate_is_named(full, vector):
    for piece in PIECES:
        with refused("Duplicate_Collateral()"):
            full.upload(vector, piece)


def test_nothing_goes_back(full, vector):
    newer, lower = Vector("pos0004"), Vector("pos0003")  # evaluation 21, and 19 of 18 days later
    full.wind(newer.now)
    full.upload(newer, "root_crl", "pck_crl", "identity", "tcb_info")
    with refused("Certificate_Out_Of_Date()"):
        full.upload(vector, "root_crl")
    with refused("Certificate_Out_Of_Date()"):
        full.upload(vector, "pck_crl")
    with refused("Enclave_Id_Out_Of_Date()"):
        full.upload(vector, "identity")
    full.wind(lower.now)
    full.upload(lower, "pck_crl")
    with refused("TCB_Out_Of_Date()"):
        full.upload(lower, "tcb_info")
    with refused("Enclave_Id_Out_Of_Date()"):
        full.upload(lower, "identity")


def test_collateral_counts_in_its_time_only(dcap, vector):
    early, late = Vector("pos0004"), Vector("pos0237")
    dcap.upload(vector, "root")
    with refused("Crl_Expired(uint8)", ROOT):
        dcap.upload(late, "root_crl")
    with refused("Certificate_Expired(uint8)", SIGNING):
        dcap.upload(late, "signing")
    dcap.upload(vector, "ca", "signing")
    for other in (early, late):  # signed with the key of today, in 2024 under another certificate
        with refused("Crl_Expired(uint8)", PLATFORM):
            dcap.upload(other, "pck_crl")
        with refused("Enclave_Id_Expired()"):
            dcap.upload(other, "identity")
        with refused("TCB_Expired()"):
            dcap.upload(other, "tcb_info")


def test_only_the_trusted_root(l1, vector):
    d = Dcap(l1, ("0x" + "11" * 32, "0x" + "22" * 32))
    d.wind(vector.now)
    with refused("Root_Key_Mismatch()"):
        d.upload(vector, "root")


def test_wrong_places_and_altered_pieces(full, vector):
    with refused("Invalid_Subject_Name()"):
        full.transact(with_bytes(CERT, PROCESSOR, vector.ca))
    with refused("Invalid_Subject_Name()"):
        full.transact(with_bytes(CERT, SIGNING, vector.root))
    with refused("Unknown_CA(uint8)", 4):
        full.transact(with_bytes(CERT, 4, vector.ca))
    with refused("Invalid_PCK_CA(uint8)", SIGNING):
        full.transact(with_bytes("upsertPckCrl(uint8,bytes)", SIGNING, b""))
    body, signature = signed(vector.files["tcb_info"])
    with refused("Invalid_TCB_Cert_Signature()"):
        full.transact(with_signed("upsertFmspcTcb((string,bytes))", body.replace(b":11,", b":10,"), signature))
    with refused("Invalid_TCB_Cert_Signature()"):
        full.transact(with_signed("upsertFmspcTcb((string,bytes))", body, signature + b"\0"))
    body, signature = signed(vector.files["qe_identity"])
    upsert = "upsertEnclaveIdentity(uint256,uint256,(string,bytes))"
    with refused("Incorrect_Enclave_Id_Version()"):
        full.transact(with_signed(upsert, 2, 3, body, signature))
    with refused("Enclave_Id_Mismatch()"):
        full.transact(with_signed(upsert, 0, 4, body, signature))
    with pytest.raises(Reverted) as problem:
        full.transact(with_bytes(CERT, PLATFORM, vector.ca + b"\0"))
    assert problem.value.reason == "malformed DER: something follows"


def test_what_is_too_big(full, vector):
    assert full.verify(vector.quote + bytes(65537 - len(vector.quote))) == (False, "a quote has at most 65536 bytes")
    assert full.verify(vector.quote + bytes(65536 - len(vector.quote)))[0]
    with pytest.raises(Reverted) as problem:
        full.transact(with_bytes(CERT, PLATFORM, b"\x30\x82\x08\x00" + bytes(2048)))
    assert problem.value.reason == "a certificate of more than 2048 bytes"


def test_no_fee_is_taken(full, vector, l1):
    data = "0x" + with_bytes("verifyAndAttestOnChain(bytes)", vector.quote).hex()
    call = {"from": l1.accounts[0], "to": full.at, "value": "0x1", "data": data}
    with refused("No_Fee_Is_Asked()"):
        l1.rpc("eth_call", call, "latest")


def test_too_little_gas_is_no_verdict(full, vector, l1):
    """A quote is not called bad because the caller was stingy."""
    data = "0x" + with_bytes("verifyAndAttestOnChain(bytes)", vector.quote).hex()
    for gas in range(210_000, 260_000, 5_000):
        with pytest.raises(Reverted):
            l1.rpc("eth_call", {"from": l1.accounts[0], "to": full.at, "gas": hex(gas), "data": data}, "latest")


# --- expiry and revocation -------------------------------------------------------------------


def test_expiry_is_looked_at_with_each_quote(full, vector):
    assert full.verify(vector.quote, time=vector.until)[0]
    ok, reason = full.verify(vector.quote, time=vector.until + 1)
    assert not ok and reason.endswith(" has expired")
    ok, reason = full.verify(vector.quote, time=vector.now - 3600 * 24 * 365)
    assert not ok and reason.endswith(" is not valid yet")
    # Each piece in turn is the one that expires: the others are renewed until nothing newer is known.
    newer = Vector("pos0001")
    assert full.verify(vector.quote, time=newer.now) == (False, "the root CRL has expired")
    full.wind(newer.now)
    full.upload(newer, "root_crl")
    assert full.verify(vector.quote) == (False, "the PCK CRL has expired")
    full.upload(newer, "pck_crl")
    assert full.verify(vector.quote) == (False, "the QE identity has expired")
    full.upload(newer, "identity")
    assert full.verify(vector.quote) == (False, "the TCB info for the platform's FMSPC has expired")
    full.upload(newer, "tcb_info")
    ok, report = full.verify(vector.quote)
    assert ok and report[:7].hex() == "00048100000000"


@pytest.mark.parametrize(
    "mutation, reason",
    [
        ("f->pck_crl.revoked = 13", "the PCK certificate is revoked"),
        ("f->root_crl.revoked = 12", "the PCK CA is revoked"),
        ("f->root_crl.revoked = 14", "the TCB signing certificate is revoked"),
    ],
)
def test_revocation_reaches_what_is_stored(l1, forged, mutation, reason):
    s = forged["version 4: " + mutation]
    d = Dcap(l1, ("0x" + s["root_key"][:64], "0x" + s["root_key"][64:]))
    d.wind(s["now"])
    late = dict(uploads(s, late_crls=True))
    crls = [late.pop("root_crl"), late.pop("pck_crl")]
    for data in late.values():
        d.transact(data)
    for data in crls:
        d.transact(data)
    assert d.verify(bytes.fromhex(s["quote"])) == (False, reason)


def test_a_revoked_certificate_is_not_taken(l1, forged):
    s = forged["version 4: f->root_crl.revoked = 12"]
    d = Dcap(l1, ("0x" + s["root_key"][:64], "0x" + s["root_key"][64:]))
    d.wind(s["now"])
    calls = dict(uploads(s))
    d.transact(calls["root"])
    d.transact(calls["root_crl"])
    with refused("Certificate_Revoked(uint8,uint256)", PLATFORM, 12):
        d.transact(calls["ca"])


# --- every byte of the quote -----------------------------------------------------------------


def test_no_flipped_bit_is_accepted(full, vector, l1):
    """One bit of each byte up to the declared length, in turn. What may change are the bytes after the
    first certificate's end line: the CA and the root are those that are stored."""
    quote = vector.quote[: 636 + int.from_bytes(vector.quote[632:636], "little")]
    unread = quote.index(END) + len(END)
    at = [*range(0, unread, FLIP_STRIDE), *range(unread, len(quote), 40 * FLIP_STRIDE)]

    def ask(batch):
        body = []
        for i in batch:
            flipped = quote[:i] + bytes([quote[i] ^ 1 << i % 8]) + quote[i + 1 :]
            data = with_bytes("verifyAndAttestOnChain(bytes)", flipped)
            call = {"from": l1.accounts[0], "to": full.at, "gas": "0xf42400", "data": "0x" + data.hex()}
            body.append({"jsonrpc": "2.0", "id": i, "method": "eth_call", "params": [call, "latest"]})
        request = urllib.request.Request(l1.url, json.dumps(body).encode(), {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as reply:
            return [(a["id"], a["result"]) for a in json.load(reply)]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = [a for batch in pool.map(ask, [at[i : i + 100] for i in range(0, len(at), 100)]) for a in batch]
    accepted = {i for i, result in answers if int(result[2:66], 16)}
    assert len(answers) == len(at)
    assert accepted == {i for i in at if i >= unread}, sorted(accepted)[:20]


# --- the interface ---------------------------------------------------------------------------


def test_it_answers_as_automata_s_pieces_do(full, vector, l1):
    for version, address in ((3, "0x" + "00" * 20), (4, full.at), (5, full.at)):
        assert l1.address(full.at, "quoteVerifiers(uint16)", version) == address.lower()
    for getter in ("pccsRouter()", "qeIdDaoAddr()", "fmspcTcbDaoAddr()", "pcsDaoAddr()"):
        assert l1.address(full.at, getter) == full.at.lower()
    assert l1.number(full.at, "P256_VERIFIER()") == 0x100
    assert l1.number(full.at, "getBp()") == 0
    assert l1.number(full.at, "dcapVerifierVersion()") == 1
    assert l1.number(full.at, "takesLeafOnly()") == 1
    key = cast("keccak", "0xbb69b29c01b0c06f00000000000003")
    assert l1.call(full.at, "FMSPC_TCB_KEY(uint8,bytes6,uint32)", 1, "0xb0c06f000000", 3) == key
    body, _ = signed(vector.files["tcb_info"])
    assert l1.call(full.at, "getCollateralHash(bytes32)", key) == "0x" + hashlib.sha256(body).hexdigest()
    validity = l1.call(full.at, "getCollateralValidity(bytes32)", key)[2:]
    assert int(validity[:64], 16) <= vector.now <= int(validity[64:], 16)
    absent = l1.call(full.at, "PCS_KEY(uint8,bool)", 1, "false")
    assert int(l1.call(full.at, "getCollateralValidity(bytes32)", absent), 16) == 0
    with pytest.raises(Reverted) as problem:
        l1.call(full.at, "getCollateralHash(bytes32)", absent)
    assert problem.value.data == "0x"
    identity = cast("keccak", "0xff818fce" + f"{2:064x}{4:064x}")
    assert l1.call(full.at, "ENCLAVE_ID_KEY(uint256,uint256)", 2, 4) == identity
    assert l1.call(full.at, "PCS_KEY(uint8,bool)", 2, "true") == cast("keccak", "0xe90e3dc70201")
