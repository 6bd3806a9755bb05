"""The stand-in of a PCCS and of Intel's PCS: paths, forms, headers, refusals, and each misbehaviour."""

import base64
import http.client
import json
import time
import urllib.parse

import pytest

from l1 import VECTORS
from standins import Pccs, make_pki

TCB = "/tdx/certification/v4/tcb?fmspc=90c06f000000"
IDENTITY = "/tdx/certification/v4/qe/identity"
CRL = "/sgx/certification/v4/pckcrl?ca=platform"
ROOT_CRL = "/sgx/certification/v4/rootcacrl"
REAL = VECTORS / "dcap"


class Bench:
    def __init__(self, where):
        self.dir = where

    def pki(self, *flags, name="pki"):
        return make_pki(self.dir / name, *flags)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.fixture
def start(bench):
    started = []

    def new(*flags):
        started.append(Pccs(bench, *flags).start())
        return started[-1]

    yield new
    for part in started:
        part.kill()


def chain(headers, name):
    assert set(headers[name]) & set(" \n=+/") == set()
    return urllib.parse.unquote(headers[name]).encode()


def test_a_pccs(bench, start):
    pccs, where = start(), bench.dir / "pki"
    status, headers, body = pccs.get(TCB)
    assert status == 200 and body == (where / "tcb_info.json").read_bytes()
    assert chain(headers, "TCB-Info-Issuer-Chain") == (where / "tcb_signing_chain.pem").read_bytes()
    assert pccs.get(TCB.upper().replace("TDX/CERTIFICATION/V4/TCB?FMSPC", "tdx/certification/v4/tcb?fmspc"))[0] == 200
    status, headers, body = pccs.get(IDENTITY + "?update=standard")
    assert status == 200 and body == (where / "qe_identity.json").read_bytes()
    assert chain(headers, "SGX-Enclave-Identity-Issuer-Chain") == (where / "tcb_signing_chain.pem").read_bytes()
    status, headers, body = pccs.get(CRL)
    assert status == 200 and bytes.fromhex(body.decode()) == (where / "pck_crl.der").read_bytes()
    assert chain(headers, "SGX-PCK-CRL-Issuer-Chain") == (where / "pck_crl_issuer_chain.pem").read_bytes()
    assert pccs.get(CRL + "&encoding=der")[2] == (where / "pck_crl.der").read_bytes()
    assert bytes.fromhex(pccs.get(ROOT_CRL)[2].decode()) == (where / "root_ca_crl.der").read_bytes()


def test_intels_own_service(bench, start):
    pcs, where = start("--pcs", "--dir", bench.pki()), bench.dir / "pki"
    lines = pcs.get(CRL)[2].decode().splitlines()
    assert lines[0] == "-----BEGIN X509 CRL-----" and lines[-1] == "-----END X509 CRL-----"
    assert base64.b64decode("".join(lines[1:-1])) == (where / "pck_crl.der").read_bytes()
    assert pcs.get("/IntelSGXRootCA.der")[2] == (where / "root_ca_crl.der").read_bytes()
    assert pcs.get(ROOT_CRL)[0] == 404


@pytest.mark.parametrize("target, status", [
    ("/tdx/certification/v4/tcb?fmspc=00906ed50000", 404),
    ("/sgx/certification/v4/tcb?fmspc=90c06f000000", 404),
    ("/tdx/certification/v4/tcb?fmspc=90c06f", 400),
    ("/tdx/certification/v4/tcb", 400),
    (TCB + "&update=soon", 400),
    (TCB + "&update=early&tcbEvaluationDataNumber=17", 400),
    (TCB + "&tcbEvaluationDataNumber=16", 410),
    (TCB + "&tcbEvaluationDataNumber=18", 404),
    ("/sgx/certification/v4/qe/identity", 404),
    ("/sgx/certification/v4/pckcrl?ca=processor", 404),
    ("/sgx/certification/v4/pckcrl?ca=root", 400),
    ("/sgx/certification/v3/pckcrl?ca=platform", 404),
])
def test_what_it_does_not_have(start, target, status):
    assert start().get(target)[0] == status


def test_it_reads_the_files_anew_and_chooses_by_evaluation_number(bench, start):
    old, new = bench.pki(), bench.pki("--evaluation", "18", "--tcb-status", "OutOfDate", name="new")
    pccs = start("--dir", old, "--dir", new, "--dir", bench.dir / "later")
    numbers = [json.loads(pccs.get(TCB + more)[2])["tcbInfo"]["tcbEvaluationDataNumber"]
               for more in ("", "&update=standard", "&update=early", "&tcbEvaluationDataNumber=18")]
    assert numbers == [17, 17, 18, 18]
    before = pccs.get(TCB)[2]
    bench.pki("--age", "60")
    assert pccs.get(TCB)[2] not in (before, b"")
    other = "/tdx/certification/v4/tcb?fmspc=00906ed50000"
    assert pccs.get(other)[0] == 404
    bench.pki("--fmspc", "00906ed50000", "--ca", "processor", name="later")
    assert pccs.get(other)[0] == 200 and pccs.get("/sgx/certification/v4/pckcrl?ca=processor")[0] == 200


def test_it_misbehaves_on_request(start):
    pccs = start()
    good = pccs.get(TCB)[2]
    pccs.mode("status", status=429, retry_after=7, times=1)
    status, headers, _ = pccs.get(TCB)
    assert status == 429 and headers["Retry-After"] == "7" and pccs.get(TCB)[2] == good
    pccs.mode("status", match="pckcrl")
    assert pccs.get(CRL)[0] == 500 and pccs.get(TCB)[0] == 200
    pccs.mode({"mode": "empty", "match": "identity"}, {"mode": "garbage", "match": "tcb"})
    assert pccs.get(IDENTITY)[::2] == (200, b"") and b"hotel" in pccs.get(TCB)[2]
    pccs.mode("no-chain")
    assert pccs.get(TCB)[1]["TCB-Info-Issuer-Chain"] is None
    pccs.mode("redirect", location="http://192.0.2.1/")
    status, headers, _ = pccs.get(TCB)
    assert status == 302 and headers["Location"] == "http://192.0.2.1/"
    pccs.mode("huge", bytes=1 << 20)
    assert len(pccs.get(TCB)[2]) == 1 << 20
    pccs.mode("cut")
    with pytest.raises(http.client.IncompleteRead):
        pccs.get(TCB)
    before = time.monotonic()
    pccs.mode("slow", seconds=0.3)
    assert pccs.get(TCB)[2] == good and time.monotonic() - before >= 0.3
    pccs.mode("drip", seconds=0)
    assert pccs.get(TCB)[2] == good
    pccs.mode("ok")
    assert pccs.get(TCB)[2] == good
    with pytest.raises(AssertionError, match="mode is one of"):
        pccs.mode("nonsense")
    assert pccs.requests().count(IDENTITY) == 1


@pytest.mark.parametrize("target", [TCB, IDENTITY, CRL, CRL + "&encoding=der", ROOT_CRL])
def test_one_wrong_bit(start, target):
    pccs = start()
    good = pccs.get(target)[2]
    pccs.mode("bad-signature")
    bad = pccs.get(target)[2]
    assert len(bad) == len(good) and sum(a != b for a, b in zip(good, bad)) == 1
    if b"signature" in good:
        key = "tcbInfo" if target == TCB else "enclaveIdentity"
        assert json.loads(bad)[key] == json.loads(good)[key]


@pytest.mark.skipif(not REAL.exists(), reason=f"SKIPPED: there are no vectors in {VECTORS} (set VECTORS_DIR)")
def test_real_collateral_at_its_time(start):
    entry = next(e for e in json.loads((REAL / "MANIFEST.json").read_text())["positive"] if e["id"] == "seed_quote_example")
    pccs = start("--manifest", REAL, "--time", str(entry["now"]))
    status, headers, body = pccs.get("/tdx/certification/v4/tcb?fmspc=b0c06f000000")
    assert status == 200 and body == (REAL / entry["tcb_info"]).read_bytes()
    assert chain(headers, "TCB-Info-Issuer-Chain") == (REAL / entry["tcb_signing_chain"]).read_bytes()
    assert bytes.fromhex(pccs.get(CRL)[2].decode())[0] == 0x30
    assert pccs.get(IDENTITY)[0] == 200
