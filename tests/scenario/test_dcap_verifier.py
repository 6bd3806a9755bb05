"""DcapVerifier on a real L1 node: real quotes with real collateral, and forged ones where a case
needs another Intel. What is refused, and why."""

import concurrent.futures
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
import urllib.request

import pytest

from dcap import (  # noqa: F401 -- some are fixtures
    BUILD, CERT, PIECES, PLATFORM, PROCESSOR, ROOT, SIGNING, Dcap, Platform, Vector, dcap, forged, full, l1, leaf_only, need_vectors,
    node, refused, sample_quote, signed, vector,
)
from differential import FIXED, own_number, uploads, with_bytes, with_signed
from l1 import CONTRACTS, REPO, VECTORS, Reverted, cast

TDX_QUOTE = BUILD / "verifier" / "tdx-quote"
# Every k-th byte of the real quote is changed; all of them with 1.
FLIP_STRIDE = int(os.environ.get("FLIP_STRIDE") or 3)

SIGNER = "0x39618efD10b14136ab416d6aCFfF8E36b23533A9".lower()
NOW = 1768435200  # of what forge.mjs makes
END = b"-----END CERTIFICATE-----"


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
    d = Dcap(l1, choice=(FIXED, v.number))
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
        "identity": "the QE identity of evaluation number 17 is missing",
        "tcb_info": "the TCB info for the platform's FMSPC of evaluation number 17 is missing",
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
    june, august = Vector("pos0003"), Vector("pos0001")  # both of evaluation 19
    of_2024, of_2025 = (
        with_signed("upsertFmspcTcb((string,bytes))", *signed(f"collateral/tcb_info/tdx_90c06f000000_{name}.json"))
        for name in ("20240516_e17_72b1362f", "20251021_e17_2816f120")
    )
    full.wind(1761350400)  # 2025-10-25
    full.transact(of_2025)
    with refused("TCB_Out_Of_Date()"):
        full.transact(of_2024)
    full.wind(june.now)
    full.upload(june, "root_crl", "pck_crl", "identity", "tcb_info")
    with refused("Certificate_Out_Of_Date()"):
        full.upload(vector, "root_crl")
    with refused("Certificate_Out_Of_Date()"):
        full.upload(vector, "pck_crl")
    full.wind(august.now)
    full.upload(august, "identity")
    with refused("Enclave_Id_Out_Of_Date()"):
        full.upload(june, "identity")


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


def forged_ca(entries, usage="06"):
    """(root key, calls): a root with that keyUsage, its Platform CA, CRLs with so many entries."""
    script = (
        f'import {{ forgeCa }} from "{CONTRACTS}/forge.mjs"; const f = forgeCa({NOW}, "{usage}"); const hex = (b) => b.toString("hex");'
        f"console.log(JSON.stringify({{ key: f.rootKey, root: hex(f.root), ca: hex(f.ca), crls: {entries}.map((n) => hex(f.crl(n))) }}))"
    )
    done = subprocess.run(["node", "--input-type=module", "-e", script], capture_output=True, text=True, check=True, timeout=60)
    made = json.loads(done.stdout)
    crls = [with_bytes("upsertPckCrl(uint8,bytes)", PLATFORM, bytes.fromhex(crl)) for crl in made["crls"]]
    return made["key"], [with_bytes(CERT, ROOT, bytes.fromhex(made["root"])), with_bytes(CERT, PLATFORM, bytes.fromhex(made["ca"])), *crls]


def test_the_longest_crl(l1):
    """As many entries as one blob holds; it can be sent under the cap of a transaction."""
    key, (root, ca, most, more) = forged_ca([1226, 1227])
    d = Dcap(l1, key)
    d.wind(NOW)
    d.transact(root)
    d.transact(ca)
    with pytest.raises(Reverted) as problem:
        d.transact(more)
    assert problem.value.reason == "a CRL of more than 1226 entries"
    assert int(d.transact(most)["gasUsed"], 16) < 16_777_216


@pytest.mark.parametrize("usage", ["04", "02", "86"])
def test_a_root_must_be_one_that_signs_certificates_and_crls(l1, usage):
    key, calls = forged_ca([], usage)
    d = Dcap(l1, key)
    d.wind(NOW)
    if usage == "86":  # what else it may do is its own business
        d.transact(calls[0])
        return
    with refused("Invalid_Key_Usage(uint8)", ROOT):
        d.transact(calls[0])


@pytest.mark.parametrize(
    "attributes, allowed",
    [
        ("0000001000000000", True),  # SEPT_VE_DISABLE
        ("010001f8000000c0", True),  # DEBUG, which is the caller's to refuse, and all that is defined
        ("1000001000000000", False),  # HGS_PLUS_PROF
        ("2000001000000000", False),  # PERF_PROF
        ("4000001000000000", False),  # PMT_PROF
        ("8000000000000000", False), ("0200000000000000", False), ("0001000000000000", False),
        ("0000020000000000", False), ("0000000400000000", False), ("0000000001000000", False),
        ("0000000000000020", False),
    ],
)
@pytest.mark.parametrize("version", ["v4", "v5"])
def test_attributes_that_no_td_may_have(platform, attributes, allowed, version):
    made, d = platform
    answer = d.verify(made.quote("--version", version, "--attributes", attributes), "verifyAndAttestOnChainV11(bytes)")
    if allowed:
        assert answer[0], answer
    else:
        assert answer == (False, "TDATTRIBUTES have a bit that no TD may have")


@pytest.fixture
def platform(l1, tmp_path):
    """A make-believe platform, and a contract that has all of its collateral."""
    made = Platform(tmp_path / "pki")
    d = Dcap(l1, made.root)
    d.wind(int(time.time()))
    for piece in PIECES:
        d.transact(made.call(piece))
    return made, d


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
    assert full.verify(vector.quote) == (False, "the QE identity of evaluation number 17 has expired")


def test_documents_expire_one_by_one(full, vector):
    october = Vector("pos0076")  # of evaluation 17 as well
    full.wind(october.now)
    full.upload(october, "pck_crl", "identity")
    assert full.verify(vector.quote) == (False, "the TCB info for the platform's FMSPC of evaluation number 17 has expired")


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
    d = Dcap(l1, ("0x" + s["root_key"][:64], "0x" + s["root_key"][64:]), (FIXED, own_number(s)))
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
    d = Dcap(l1, ("0x" + s["root_key"][:64], "0x" + s["root_key"][64:]), (FIXED, own_number(s)))
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
