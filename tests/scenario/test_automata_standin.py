"""The stand-ins of Automata's contracts on a real node: do they have the ABI, errors and quirks of
the originals? And does pccs, the part of the coordinator that fills an on-chain PCCS, find its way
through them?"""

import base64
import hashlib
import json
import subprocess

import pytest

from l1 import L1, VECTORS, Reverted, cast, compile_contracts
from world import program

NOW = 1768435200  # 2026-01-15T00:00:00Z, the date of the forged collateral
DAY = 86400
FMSPC = "0x90c06f000000"
ROOT, PLATFORM, SIGNING = 0, 2, 3
UPSERT_TCB = "upsertFmspcTcb((string,bytes))"
UPSERT_IDENTITY = "upsertEnclaveIdentity(uint256,uint256,(string,bytes))"
UPSERT_NUMBERS = "upsertTcbEvaluationData((string,bytes))"
SIGNATURE = "0x" + "11" * 64


def selector(error):
    return cast("sig", error)


class refused:
    """The block must revert with that custom error; None: without data."""

    def __init__(self, error):
        self.wanted = selector(error) if error else "0x"

    def __enter__(self):
        return self

    def __exit__(self, kind, problem, trace):
        assert kind is Reverted, f"nothing reverted, {self.wanted} was due"
        assert problem.selector == self.wanted, problem
        return True


# DER without keys and signatures that mean anything: the stand-ins look at neither.


def der(tag, *parts):
    content = b"".join(parts)
    n = len(content)
    size = bytes([n]) if n < 128 else bytes([0x82, n >> 8, n & 255])
    return bytes([tag]) + size + content


def utc(day):
    """`day` days from NOW, which is the 15th of January; only within that month."""
    return der(0x17, b"2601%02d000000Z" % (15 + day))


def certificate(start, end, serial=1):
    validity = der(0x30, utc(start), utc(end))
    name = der(0x30, der(0x31, b"x" * 120))
    tbs = der(0x30, der(0xA0, der(2, b"\2")), der(2, bytes([serial])), der(0x30), name, validity, name)
    return der(0x30, tbs, der(0x30), der(3, b"\0")), tbs


def crl(start, end):
    tbs = der(0x30, der(2, b"\1"), der(0x30), der(0x30, der(0x31, b"issuer")), utc(start), utc(end))
    return der(0x30, tbs, der(0x30), der(3, b"\0")), tbs


def hexed(data):
    return "0x" + data.hex()


def date(day):
    return "2026-01-%02dT00:00:00Z" % (15 + day)


def tcb_info(start, end, number=17):
    return json.dumps({"id": "TDX", "version": 3, "issueDate": date(start), "nextUpdate": date(end),
                       "fmspc": FMSPC[2:].upper(), "tcbEvaluationDataNumber": number}, separators=(",", ":"))


def identity(start, end, number=17):
    return json.dumps({"id": "TD_QE", "version": 2, "issueDate": date(start), "nextUpdate": date(end),
                       "tcbEvaluationDataNumber": number}, separators=(",", ":"))


def numbers(start, *entries):
    """A list of evaluation numbers: pairs of a number and the date of its recovery event."""
    return json.dumps({"id": "TDX", "version": 1, "issueDate": date(start), "nextUpdate": date(10), "tcbEvalNumbers": [
        {"tcbEvaluationDataNumber": n, "tcbRecoveryEventDate": d + "T00:00:00Z", "tcbDate": d + "T00:00:00Z"}
        for n, d in entries]}, separators=(",", ":"))


def upload(l1, dao, signature, *args):
    """The last argument is JSON; cast takes no quotes inside of tuples, but bytes are encoded as strings are."""
    bare = signature[signature.index("(") :].replace("string", "bytes")
    data = cast("abi-encode", "f" + bare, *args[:-1], f"({hexed(args[-1].encode())},{SIGNATURE})")
    return l1.transact({"from": l1.accounts[0], "to": dao, "data": selector(signature) + data[2:]})


@pytest.fixture(scope="module", autouse=True)
def compiled():
    compile_contracts()


@pytest.fixture
def l1():
    node = L1("--timestamp", str(NOW))
    yield node
    node.close()


class Stack:
    def __init__(self, l1, release):
        self.l1 = l1
        self.release = release
        if release == "v1.0":
            self.entry = l1.deploy("AutomataV10")
        else:
            router = l1.deploy("AutomataV11Router")
            l1.send(router, "addNumber(uint32)", 17)
            self.entry = l1.deploy("AutomataV11", router)
        l1.send(self.entry, "setPlatform(bytes6,uint8)", FMSPC, PLATFORM)
        self.router = l1.address(l1.address(self.entry, "quoteVerifiers(uint16)", 4), "pccsRouter()")
        self.pcs = l1.address(self.router, "pcsDaoAddr()")
        if release == "v1.0":
            self.identity = l1.address(self.router, "qeIdDaoAddr()")
            self.tcb = l1.address(self.router, "fmspcTcbDaoAddr()")
        else:
            self.identity = l1.address(self.router, "qeIdDaoVersionedAddr(uint32)", 17)
            self.tcb = l1.address(self.router, "fmspcTcbDaoVersionedAddr(uint32)", 17)
            self.numbers = l1.address(self.router, "tcbEvalDaoAddr()")

    def grant(self):
        for dao in (self.identity, self.tcb, self.numbers):
            self.l1.send(dao, "grantRoles(address,uint256)", self.l1.accounts[0], 1)

    def certificate(self, ca, der_bytes):
        self.l1.send(self.pcs, "upsertPcsCertificates(uint8,bytes)", ca, hexed(der_bytes))

    def window(self, dao, key):
        raw = self.l1.call(dao, "getCollateralValidity(bytes32)", key)[2:]
        return int(raw[:64], 16), int(raw[64:], 16)

    def pcs_key(self, ca, is_crl):
        return self.l1.call(self.pcs, "PCS_KEY(uint8,bool)", ca, is_crl)

    def verify(self, quote):
        raw = self.l1.call(self.entry, "verifyAndAttestOnChain(bytes)", quote)
        ok, output = cast("decode-abi", "f()(bool,bytes)", raw).split()
        return ok == "true", output

    def issuers(self):
        self.certificate(ROOT, certificate(-1, 10)[0])
        self.certificate(SIGNING, certificate(-1, 10)[0])


def test_keys_are_the_originals(l1):
    for release in ("v1.0", "v1.1"):
        s = Stack(l1, release)
        number = "" if release == "v1.0" else "00000011"
        assert s.pcs_key(PLATFORM, "true") == cast("keccak", "0xe90e3dc7" "02" "01")
        assert l1.call(s.identity, "ENCLAVE_ID_KEY(uint256,uint256)", 2, 4) == cast(
            "keccak", "0xff818fce" + "%064x" % 2 + "%064x" % 4 + number)
        assert l1.call(s.tcb, "FMSPC_TCB_KEY(uint8,bytes6,uint32)", 1, FMSPC, 3) == cast(
            "keccak", "0xbb69b29c" "01" + FMSPC[2:] + "00000003" + number)


def test_releases_are_told_apart_by_their_routers(l1):
    old, new = Stack(l1, "v1.0"), Stack(l1, "v1.1")
    for getter in ("tcbEvalDaoAddr()", "asyncUpsertProtocolVersion()"):
        with refused(None):
            l1.call(old.router, getter)
    for getter in ("qeIdDaoAddr()", "fmspcTcbDaoAddr()"):
        with refused(None):
            l1.call(new.router, getter)
    assert int(l1.address(new.router, "qeIdDaoVersionedAddr(uint32)", 18), 16) == 0


def test_certificates_and_crls(l1):
    s = Stack(l1, "v1.0")
    root, root_tbs = certificate(-1, 10)
    key = s.pcs_key(ROOT, "false")
    assert s.window(s.pcs, key) == (0, 0)
    with refused(None):
        l1.call(s.pcs, "getCollateralHash(bytes32)", key)
    with refused("Certificate_Expired(uint8)"):  # the issuer is not there yet
        s.certificate(PLATFORM, certificate(-1, 10)[0])
    for window in ((-3, -1), (1, 5)):
        with refused("Certificate_Expired(uint8)"):
            s.certificate(ROOT, certificate(*window)[0])
    # Neither end of a certificate's window belongs to it.
    at_its_end = cast("calldata", "upsertPcsCertificates(uint8,bytes)", ROOT, hexed(certificate(-1, 1)[0]))
    for time in (NOW - DAY, NOW + DAY):
        with refused("Certificate_Expired(uint8)"):
            l1.rpc("eth_call", {"to": s.pcs, "data": at_its_end}, "latest", {}, {"time": hex(time)})
    l1.rpc("eth_call", {"to": s.pcs, "data": at_its_end}, "latest", {}, {"time": hex(NOW + DAY - 1)})
    with refused("Certificate_Expired(uint8)"):
        l1.send(s.pcs, "upsertRootCACrl(bytes)", hexed(crl(-1, 3)[0]))
    s.certificate(ROOT, root)
    assert s.window(s.pcs, key) == (NOW - DAY, NOW + 10 * DAY)
    assert l1.call(s.pcs, "getCollateralHash(bytes32)", key) == cast("keccak", hexed(root_tbs))
    with refused("Duplicate_Collateral()"):
        s.certificate(ROOT, root)
    with refused("Certificate_Out_Of_Date()"):
        s.certificate(ROOT, certificate(-1, 9, serial=2)[0])

    list_, list_tbs = crl(-1, 3)
    with refused("Certificate_Expired(uint8)"):
        l1.send(s.pcs, "upsertPckCrl(uint8,bytes)", PLATFORM, hexed(list_))
    s.certificate(PLATFORM, certificate(-1, 10)[0])
    l1.send(s.pcs, "upsertPckCrl(uint8,bytes)", PLATFORM, hexed(list_))
    key = s.pcs_key(PLATFORM, "true")
    assert s.window(s.pcs, key) == (NOW - DAY, NOW + 3 * DAY)
    assert l1.call(s.pcs, "getCollateralHash(bytes32)", key) == cast("keccak", hexed(list_tbs))
    with refused("Crl_Expired(uint8)"):
        l1.send(s.pcs, "upsertPckCrl(uint8,bytes)", PLATFORM, hexed(crl(-3, -1)[0]))
    with refused("Invalid_PCK_CA(uint8)"):
        l1.send(s.pcs, "upsertPckCrl(uint8,bytes)", SIGNING, hexed(list_))


def test_getters_of_data_are_for_readers(l1):
    s = Stack(l1, "v1.0")
    s.certificate(ROOT, certificate(-1, 10)[0])
    data = cast("calldata", "getCertificateById(uint8)", ROOT)
    with refused("Unauthorized_Caller(address)"):
        l1.call(s.pcs, "getCertificateById(uint8)", ROOT)
    with refused("Unauthorized_Caller(address)"):
        l1.call(s.pcs, "getAttestedData(bytes32)", s.pcs_key(ROOT, "false"))
    # Without "from" the caller is the zero address, which may.
    assert certificate(-1, 10)[0].hex() in l1.rpc("eth_call", {"to": s.pcs, "data": data}, "latest")
    with refused("Missing_Certificate(uint8)"):
        l1.rpc("eth_call", {"to": s.pcs, "data": cast("calldata", "getCertificateById(uint8)", 1)}, "latest")
    data = cast("calldata", "getTcbInfo(uint256,string,uint256)", 1, FMSPC[2:], 3)
    empty = l1.rpc("eth_call", {"to": s.tcb, "data": data}, "latest")
    assert len(empty) == 2 + 2 * 160


def test_json(l1):
    s = Stack(l1, "v1.0")
    with refused("TCB_Cert_Expired()"):
        upload(l1, s.tcb, UPSERT_TCB, tcb_info(-1, 3))
    s.issuers()
    info = tcb_info(-2, 3)
    key = l1.call(s.tcb, "FMSPC_TCB_KEY(uint8,bytes6,uint32)", 1, FMSPC, 3)
    upload(l1, s.tcb, UPSERT_TCB, info)
    assert s.window(s.tcb, key) == (NOW - 2 * DAY, NOW + 3 * DAY)
    assert l1.call(s.tcb, "getCollateralHash(bytes32)", key) == "0x" + hashlib.sha256(info.encode()).hexdigest()
    with refused("Duplicate_Collateral()"):
        upload(l1, s.tcb, UPSERT_TCB, info)
    with refused("TCB_Out_Of_Date()"):
        upload(l1, s.tcb, UPSERT_TCB, tcb_info(-2, 4))
    with refused("TCB_Out_Of_Date()"):  # newer, but of a lower number
        upload(l1, s.tcb, UPSERT_TCB, tcb_info(-1, 4, number=16))
    with refused("TCB_Expired()"):
        upload(l1, s.tcb, UPSERT_TCB, tcb_info(1, 4))
    upload(l1, s.tcb, UPSERT_TCB, tcb_info(-1, 4, number=18))
    # That it is there already is seen before anything else.
    l1.rpc("evm_setNextBlockTimestamp", NOW + 20 * DAY)
    l1.rpc("evm_mine")
    with refused("Duplicate_Collateral()"):
        upload(l1, s.tcb, UPSERT_TCB, tcb_info(-1, 4, number=18))


def test_an_identity_s_number_does_not_go_down(l1):
    s = Stack(l1, "v1.0")
    s.issuers()
    upload(l1, s.identity, UPSERT_IDENTITY, 2, 4, identity(-2, 4, number=18))
    with refused("Enclave_Id_Out_Of_Date()"):  # newer, but of a lower number
        upload(l1, s.identity, UPSERT_IDENTITY, 2, 4, identity(-1, 4, number=17))
    upload(l1, s.identity, UPSERT_IDENTITY, 2, 4, identity(-1, 4, number=18))


def test_what_an_identity_is(l1):
    s = Stack(l1, "v1.0")
    s.issuers()
    for version, text, error in ((3, identity(-1, 3), "Incorrect_Enclave_Id_Version()"),
                                 (4, tcb_info(-1, 3), "Enclave_Id_Mismatch()"),
                                 (4, identity(-3, -1), "Enclave_Id_Expired()")):
        with refused(error):
            upload(l1, s.identity, UPSERT_IDENTITY, 2, version, text)
    upload(l1, s.identity, UPSERT_IDENTITY, 2, 4, identity(-1, 3))
    with refused("Enclave_Id_Out_Of_Date()"):
        upload(l1, s.identity, UPSERT_IDENTITY, 2, 4, identity(-1, 4))


def test_versioned_daos(l1):
    s = Stack(l1, "v1.1")
    list_ = numbers(-1, (19, "2025-08-12"), (18, "2025-01-16"), (17, "2025-01-15"), (16, "2024-03-12"))
    with refused("TCB_Eval_Cert_Expired()"):
        upload(l1, s.numbers, UPSERT_NUMBERS, list_)
    s.issuers()
    # The role is asked for last.
    for dao, signature, args in ((s.tcb, UPSERT_TCB, [tcb_info(-3, -1)]),
                                 (s.identity, UPSERT_IDENTITY, [2, 4, identity(-3, -1)])):
        with refused("TCB_Expired()" if dao == s.tcb else "Enclave_Id_Expired()"):
            upload(l1, dao, signature, *args)
    for dao, signature, args in ((s.tcb, UPSERT_TCB, [tcb_info(-1, 3)]),
                                 (s.identity, UPSERT_IDENTITY, [2, 4, identity(-1, 3)]),
                                 (s.numbers, UPSERT_NUMBERS, [list_])):
        with refused("Unauthorized()"):
            upload(l1, dao, signature, *args)
    s.grant()
    for dao, signature, args in ((s.tcb, UPSERT_TCB, [tcb_info(-1, 3, number=18)]),
                                 (s.identity, UPSERT_IDENTITY, [2, 4, identity(-1, 3, number=18)])):
        with refused("Invalid_Tcb_Evaluation_Data_Number()"):
            upload(l1, dao, signature, *args)
    with refused("TcbEvalExpiredOrNotFound(uint8)"):
        l1.call(s.router, "getStandardTcbEvaluationDataNumber(uint8)", 1)
    upload(l1, s.numbers, UPSERT_NUMBERS, list_)
    assert l1.number(s.router, "getStandardTcbEvaluationDataNumber(uint8)", 1) == 17
    l1.rpc("evm_setNextBlockTimestamp", NOW + DAY)  # 18 is a year old
    l1.rpc("evm_mine")
    assert l1.number(s.router, "getStandardTcbEvaluationDataNumber(uint8)", 1) == 18
    l1.send(s.tcb, "setAsync(bool)", "true")
    assert l1.number(s.tcb, "asyncUpsertProtocolVersion()") == 2
    with refused("Use_Async_Upsert()"):
        upload(l1, s.tcb, UPSERT_TCB, tcb_info(-1, 3))


def seconds(text):
    """Of a date in whatever form openssl and Intel write it."""
    return int(subprocess.run(["date", "-ud", text, "+%s"], capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(not (VECTORS / "dcap").exists(), reason=f"SKIPPED: no {VECTORS}/dcap")
def test_real_collateral_is_read_as_it_is():
    """Windows and hashes of what Intel has served, against openssl's reading."""
    manifest = json.loads((VECTORS / "dcap" / "MANIFEST.json").read_text())
    chosen = next(p for p in manifest["positive"] if p["quote"].endswith("quote.example.bin"))
    read = lambda name: (VECTORS / "dcap" / chosen[name]).read_bytes()
    body = read("tcb_info").decode()
    info = body[body.index('"tcbInfo":') + 10 : body.index(',"signature"')]
    fields = json.loads(info)
    blocks = read("tcb_signing_chain").decode().split("-----BEGIN CERTIFICATE-----")[1:]
    signing, root = (base64.b64decode(b.split("-----END")[0]) for b in blocks)

    l1 = L1("--timestamp", str(seconds(fields["issueDate"]) + DAY))
    try:
        s = Stack(l1, "v1.0")
        s.certificate(ROOT, root)
        s.certificate(SIGNING, signing)
        l1.send(s.pcs, "upsertRootCACrl(bytes)", hexed(read("root_ca_crl")))
        upload(l1, s.tcb, UPSERT_TCB, info)

        def openssl(kind, der_bytes, *asked):
            command = ["openssl", kind, "-inform", "DER", "-noout", *asked]
            lines = subprocess.run(command, input=der_bytes, capture_output=True, check=True).stdout.decode()
            return tuple(seconds(line.split("=")[1]) for line in lines.splitlines())

        for ca, certificate_ in ((ROOT, root), (SIGNING, signing)):
            window = s.window(s.pcs, s.pcs_key(ca, "false"))
            assert window == openssl("x509", certificate_, "-startdate", "-enddate")
        window = s.window(s.pcs, s.pcs_key(ROOT, "true"))
        assert window == openssl("crl", read("root_ca_crl"), "-lastupdate", "-nextupdate")
        key = l1.call(s.tcb, "FMSPC_TCB_KEY(uint8,bytes6,uint32)", 1, "0x" + fields["fmspc"], 3)
        assert s.window(s.tcb, key) == (seconds(fields["issueDate"]), seconds(fields["nextUpdate"]))
        assert l1.call(s.tcb, "getCollateralHash(bytes32)", key) == "0x" + hashlib.sha256(info.encode()).hexdigest()
    finally:
        l1.close()


# ---- pccs on these contracts ----


def job(l1, entry, now=NOW, issued="2026-01-10T00:00:00Z", numbers="2026-01-10T00:00:00Z", sent=None):
    """Runs pccs_job against the node. Returns its last line's word, stack, number and sentence, the names that
    it uploaded, its items and its quote. `sent` is called with the quote before each upload."""
    process = subprocess.Popen([program("tests", "scenario", "pccs_job"), entry, str(now), issued, numbers],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    items, quote, end = {}, None, None

    def say(line):
        process.stdin.write(line + "\n")
        process.stdin.flush()

    for line in process.stdout:
        word, rest = line.rstrip("\n").split(" ", 1)
        if word == "quote":
            quote = rest
        elif word == "leaf":
            continue
        elif word in ("read", "send"):
            to, data = rest.split(" ")
            tx = {"to": to, "data": data}
            if sent and word == "send":
                sent(quote)
            try:
                if word == "read":
                    answer = l1.rpc("eth_call", tx, "latest")
                    say("ok" if answer == "0x" else f"ok {answer}")
                else:
                    l1.transact({"from": l1.accounts[0], "gas": hex(16777216), **tx})
                    say("mined")
            except Reverted as r:
                say("reverted" if r.data == "0x" else f"reverted {r.data}")
        elif word == "item":
            state, text = rest.split(" ", 1)
            items[text.split(": ")[0]] = state
        else:
            end = (word, *rest.split(" ", 2))
    uploads = [line.split(": ")[1] for line in process.stderr.read().splitlines()]
    assert process.wait(10) == 0
    return end, uploads, items, quote


ONE = ["root CA certificate", "root CA CRL", "PCK Platform CA certificate", "TCB signing certificate",
       "PCK CRL of the Platform CA", "TD_QE identity", "TCB info of FMSPC 90c06f000000"]
MANY = [*ONE[:5], "list of TCB evaluation numbers", *ONE[5:]]


def test_pccs_fills_v10(l1):
    s = Stack(l1, "v1.0")

    def lacks_something(quote):
        with refused(None):
            s.verify(quote)

    end, uploads, items, quote = job(l1, s.entry, sent=lacks_something)
    assert end[:3] == ("ready", "1", "0"), end
    assert uploads == ONE
    assert items == dict.fromkeys(ONE, "fresh")
    ok, output = s.verify(quote)
    raw = bytes.fromhex(quote[2:])
    assert ok and output == "0x0004" "81000000" "00" + FMSPC[2:] + raw[48:632].hex()
    # Forged anew: certificates of the same dates are left alone, and newer JSON while the old is good.
    end, uploads, _, _ = job(l1, s.entry, issued="2026-01-12T00:00:00Z")
    assert end[0] == "ready" and uploads == [] and end[3].count("ours is newer, and the PCCS's is good until") == 2
    end, uploads, _, _ = job(l1, s.entry, now=NOW + 24 * DAY + 3600, issued="2026-01-12T00:00:00Z")
    assert end[0] == "ready" and uploads == ONE[5:]


@pytest.mark.parametrize("release, at", [("v1.0", 6), ("v1.1", 4)])
def test_the_status_is_part_of_the_answer(l1, release, at):
    s = Stack(l1, release)
    if release == "v1.1":
        s.grant()
    _, _, _, quote = job(l1, s.entry)
    for status in range(6):
        l1.send(s.entry, "setStatus(uint8)", status)
        ok, output = s.verify(quote)
        assert ok and bytes.fromhex(output[2:])[at] == status


def test_a_router_that_may_not_read(l1):
    """It shows for free, before anything is uploaded; on v1.1 the list is missed first."""
    quote = hexed((4).to_bytes(2, "little") + b"\2\0" + bytes([0x81, 0, 0, 0]) + bytes(1000))
    old, new = Stack(l1, "v1.0"), Stack(l1, "v1.1")
    for s in (old, new):
        l1.send(s.entry, "setShutOut(bool)", "true")
    with refused("Unauthorized_Caller(address)"):
        old.verify(quote)
    with refused("TcbEvalExpiredOrNotFound(uint8)"):
        new.verify(quote)
    new.grant()
    new.issuers()
    upload(l1, new.numbers, UPSERT_NUMBERS, numbers(-1, (17, "2024-03-12")))
    with refused("Unauthorized_Caller(address)"):
        new.verify(quote)


def test_v10_verifies_with_what_has_expired(l1):
    """So pccs must look at the dates itself. What is missing reverts without a word."""
    s = Stack(l1, "v1.0")
    _, _, _, quote = job(l1, s.entry)
    assert s.verify(quote)[0]
    l1.send(s.entry, "setPlatform(bytes6,uint8)", "0x111111111111", PLATFORM)
    with refused(None):
        s.verify(quote)
    l1.send(s.entry, "setPlatform(bytes6,uint8)", FMSPC, PLATFORM)
    l1.rpc("evm_setNextBlockTimestamp", NOW + 60 * DAY)
    l1.rpc("evm_mine")
    assert s.verify(quote)[0]
    end, uploads, items, _ = job(l1, s.entry, now=NOW + 60 * DAY)
    assert end[0] == "wait" and "expired" in end[3] and uploads == []
    assert items["TD_QE identity"] == "expired" and items["root CA CRL"] == "fresh"


def test_pccs_fills_v11(l1):
    s = Stack(l1, "v1.1")
    end, uploads, items, quote = job(l1, s.entry)
    assert end[:3] == ("wait", "2", "0") and "attesters" in end[3], end
    assert uploads == MANY[:6]
    with refused("TcbEvalExpiredOrNotFound(uint8)"):
        s.verify(quote)
    s.grant()
    end, uploads, items, quote = job(l1, s.entry)
    assert end[:3] == ("ready", "2", "17"), end
    assert uploads == MANY[5:]
    assert items == dict.fromkeys(MANY, "fresh")
    ok, output = s.verify(quote)
    raw = bytes.fromhex(quote[2:])
    assert ok and output == "0x0004" "0002" "00" + FMSPC[2:] + raw[48:632].hex()
    # The chain moves on to a number that the collateral has not.
    l1.send(s.router, "addNumber(uint32)", 18)
    upload(l1, s.numbers, UPSERT_NUMBERS, numbers(-2, (18, "2025-01-01"), (17, "2024-03-12")))
    assert s.verify(quote) == (False, "0x" + b"QEIDVE".hex())
    end, uploads, _, _ = job(l1, s.entry)
    assert end[:3] == ("wait", "2", "18") and "number 18 must be fetched" in end[3] and uploads == []
    upload(l1, s.numbers, UPSERT_NUMBERS, numbers(-1, (19, "2025-01-01"), (17, "2024-03-12")))
    with refused("QEIdentityExpiredOrNotFound(uint8,uint256)"):
        s.verify(quote)
    end, _, _, _ = job(l1, s.entry)
    assert end[0] == "wait" and "have no DAO for it" in end[3]


def test_pccs_refuses_what_it_does_not_know(l1):
    s = Stack(l1, "v1.0")
    l1.send(s.entry, "setBp(uint16)", 100)
    end, _, _, quote = job(l1, s.entry)
    assert end[0] == "refused" and "a fee of 100 basis points" in end[3]
    with refused("Insufficient_Funds()"):
        s.verify(quote)
    for other in (l1.deploy("MockDcap"), s.pcs, l1.accounts[0]):
        end, _, _, _ = job(l1, other)
        assert end[0] == "refused" and "none of Automata's" in end[3], end
