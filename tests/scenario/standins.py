"""Stand-ins for what stands around a prover: the kernel with its quoting enclave, and a PCCS."""

import base64
import http.client
import json
import re
import subprocess
import urllib.parse

from l1 import REPO, Reverted, cast, free_port
from process import PATIENCE, Process, clean_env, program


def software_qe_program():
    return program("tests", "software-qe", "software-qe")


def sign_json(name, text):
    """{"name":text,"signature":...}, as Intel signs it."""
    return subprocess.run([software_qe_program(), "sign", name], input=text, check=True, capture_output=True,
                          timeout=PATIENCE).stdout


def make_pki(where, *flags):
    """A platform and its collateral in that directory; flags (software-qe pki) renew what is there."""
    if flags or not where.exists():
        subprocess.run([str(a) for a in (software_qe_program(), "pki", where, *flags)], check=True, timeout=PATIENCE)
    return where


def root_key(pki):
    """x||y of the root as 128 hex digits, which is the same in each directory that make_pki() makes."""
    return (make_pki(pki) / "root_ca_key.hex").read_text()


class SoftwareQE(Process):
    """Plays the kernel and the quoting enclave for provers that look into `reports`."""

    def __init__(self, world, *flags, name="software-qe"):
        super().__init__(world.dir / f"{name}.log")
        self.pki, self.reports, self.flags = world.pki(), world.dir / f"{name}-reports", flags
        self.reports.mkdir()

    def start(self, *flags):
        """Once more with other flags: another kind of enclave from then on."""
        self.flags = flags or self.flags
        self.spawn([software_qe_program(), "serve", "--pki", self.pki, "--report-dir", self.reports, *self.flags])
        self.saw("NOTHING IS ATTESTED")
        return self

    def quote(self, report_data=b"", *flags):
        """One quote, without a request; report_data is filled up with zeros."""
        data = bytes(report_data).ljust(64, b"\0").hex()
        argv = [software_qe_program(), "quote", "--pki", self.pki, "--report-data", data, *(flags or self.flags)]
        return subprocess.run([str(a) for a in argv], check=True, capture_output=True, timeout=PATIENCE).stdout


class Pccs(Process):
    """Serves the world's collateral, or what the flags say, and misbehaves on request."""

    def __init__(self, world, *flags, name="pccs"):
        super().__init__(world.dir / f"{name}.log")
        self.flags, self.port = flags or ("--dir", world.pki()), free_port()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def source(self):
        """As a coordinator's setting names it."""
        return self.url if "--pcs" in self.flags else "pccs+" + self.url

    def start(self):
        self.spawn([REPO / "tests" / "test-pccs" / "test-pccs", "--port", self.port, *self.flags], env=clean_env())
        self.saw("^test-pccs serves")
        return self

    def get(self, target):
        """(status, headers, body)"""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            link.request("GET", target)
            reply = link.getresponse()
            return reply.status, reply.headers, reply.read()
        finally:
            link.close()

    def mode(self, *modes, **one):
        """mode("slow", match="tcb", times=1, seconds=2), mode("ok"), or several as dictionaries."""
        if one or (modes and isinstance(modes[0], str)):
            modes = [{"mode": modes[0], **one}]
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            link.request("POST", "/_test/mode", json.dumps(list(modes)))
            reply = link.getresponse()
            assert reply.status == 200, reply.read()
        finally:
            link.close()

    def requests(self):
        return json.loads(self.get("/_test/requests")[2])


def certificates(chain):
    """The DER of each certificate of a URL-encoded PEM chain, leaf first."""
    found = re.findall("-----BEGIN CERTIFICATE-----(.*?)-----END", urllib.parse.unquote(chain), re.S)
    return ["0x" + base64.b64decode(text).hex() for text in found]


def signed_json(body, key):
    """(string, bytes) in ABI encoding: the object under `key` with exactly its bytes, and its signature."""
    found = re.fullmatch(rb'\s*{"%s":({.*}),"signature":"([0-9a-f]{128})"}\s*' % key.encode(), body, re.S)
    parts = [found[1], bytes.fromhex(found[2].decode())]
    encoded = [f"{len(part):064x}" + part.hex() + "00" * (-len(part) % 32) for part in parts]
    return f"{64:064x}{64 + len(encoded[0]) // 2:064x}" + "".join(encoded)


def collateral_calls(pccs, fmspc="90c06f000000", ca="platform"):
    """(what, calldata) of each upload that a quote of that platform needs, in the right order."""
    _, headers, tcb_info = pccs.get(f"/tdx/certification/v4/tcb?fmspc={fmspc}")
    signing, root = certificates(headers["TCB-Info-Issuer-Chain"])
    identity = pccs.get("/tdx/certification/v4/qe/identity")[2]
    _, headers, pck_crl = pccs.get(f"/sgx/certification/v4/pckcrl?ca={ca}&encoding=der")
    pck_ca = certificates(headers["SGX-PCK-CRL-Issuer-Chain"])[0]
    root_crl = pccs.get("/sgx/certification/v4/rootcacrl")[2].decode()
    slot = {"processor": 1, "platform": 2}[ca]
    certificate = "upsertPcsCertificates(uint8,bytes)"
    upsert_identity = cast("sig", "upsertEnclaveIdentity(uint256,uint256,(string,bytes))")
    return [
        ("root certificate", cast("calldata", certificate, 0, root)),
        ("root CRL", cast("calldata", "upsertRootCACrl(bytes)", "0x" + root_crl)),
        ("PCK CA certificate", cast("calldata", certificate, slot, pck_ca)),
        ("TCB signing certificate", cast("calldata", certificate, 3, signing)),
        ("PCK CRL", cast("calldata", "upsertPckCrl(uint8,bytes)", slot, "0x" + pck_crl.hex())),
        ("QE identity", upsert_identity + f"{2:064x}{4:064x}{96:064x}" + signed_json(identity, "enclaveIdentity")),
        ("TCB info", cast("sig", "upsertFmspcTcb((string,bytes))") + f"{32:064x}" + signed_json(tcb_info, "tcbInfo")),
    ]


def upload_as_stranger(l1, pccs, to, but=()):
    """Anybody may; to(what): the contract that takes a piece; but: what is left out."""
    for what, data in collateral_calls(pccs):
        if what not in but:
            l1.transact({"from": l1.accounts[9], "to": to(what), "data": data})


MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11"


def put_multicall3(l1):
    """From now on this chain has it where most have."""
    code = l1.rpc("eth_getCode", l1.deploy("Multicall"), "latest")
    l1.rpc("anvil_setCode", MULTICALL3, code)


def upload_collateral(l1, dcap, pccs, **platform):
    """Uploads what the chain does not have yet; returns the gas of each upload."""
    gas = {}
    for what, data in collateral_calls(pccs, **platform):
        try:
            receipt = l1.transact({"from": l1.accounts[0], "to": dcap, "data": data})
        except Reverted as error:
            if error.selector != cast("sig", "Duplicate_Collateral()"):
                raise
            continue
        gas[what] = int(receipt["gasUsed"], 16)
    return gas
