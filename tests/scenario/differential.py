"""One subject (a quote, its collateral, what libtdxverify says) shown to the on-chain verifier.

A subject is a line of tests/differential. All of it runs in one eth_simulateV1: the uploads in one
block at the subject's upload time, the verifications in the next at its own time, each call under
the gas that a transaction may have. Nothing stays behind, so no subject sees another's collateral.
"""

import functools
import http.client
import json
import re
import subprocess

from l1 import CONTRACTS, cast

TX_GAS = 16_777_216  # EIP-7825
ENTRIES = {"v1_0": "verifyAndAttestOnChain(bytes)", "v1_1": "verifyAndAttestOnChainV11(bytes)"}
ROOT, SIGNING = 0, 3
FIXED = 2  # the choice of one evaluation number, told at deployment


@functools.cache
def selector(signature):
    return bytes.fromhex(cast("sig", signature)[2:])


@functools.cache
def error_names():
    """Selector to name, of the contract's own errors."""
    abi = json.loads((CONTRACTS / "out" / "DcapVerifier.json").read_text())["abi"]
    names = {}
    for entry in abi:
        if entry["type"] == "error":
            name = f"{entry['name']}({','.join(i['type'] for i in entry['inputs'])})"
            names[selector(name)] = name
    return names


def word(number):
    return number.to_bytes(32, "big")


def tail(data):
    return word(len(data)) + data + b"\0" * (-len(data) % 32)


def with_bytes(signature, *head):
    """A call whose last argument is the only dynamic one."""
    *words, data = head
    return selector(signature) + b"".join(map(word, words)) + word(32 * len(head)) + tail(data)


def with_signed(signature, *head):
    """A call whose last argument is (string body, bytes signature)."""
    *words, body, sig = head
    body = tail(body)
    pair = word(64) + word(64 + len(body)) + body + tail(sig)
    return selector(signature) + b"".join(map(word, words)) + word(32 * (len(words) + 1)) + pair


def uploads(subject, late_crls=False):
    """(name, calldata) in the order in which a tool uploads: what a piece needs comes before it.
    late_crls: the CRLs come after everything that they could revoke."""
    have = {k: bytes.fromhex(v) for k, v in subject.items() if isinstance(v, str) and k != "id"}
    cert = "upsertPcsCertificates(uint8,bytes)"
    first = [("root", with_bytes(cert, ROOT, bytes.fromhex(der))) for der in subject["roots"]]
    crls, rest = [], []
    if "ca" in have:
        ca = ("ca", with_bytes(cert, subject["ca_id"], have["ca"]))
        (first if late_crls else crls).append(ca)
    if "root_crl" in have:
        crls.insert(0, ("root_crl", with_bytes("upsertRootCACrl(bytes)", have["root_crl"])))
    if "pck_crl" in have:
        crls.append(("pck_crl", with_bytes("upsertPckCrl(uint8,bytes)", subject["ca_id"], have["pck_crl"])))
    if "tcb_signer" in have:
        rest.append(("tcb_signer", with_bytes(cert, SIGNING, have["tcb_signer"])))
    if "tcb_info" in have:
        call = with_signed("upsertFmspcTcb((string,bytes))", have["tcb_info"], have["tcb_info_signature"])
        rest.append(("tcb_info", call))
    if "qe_signer" in have and have["qe_signer"] != have.get("tcb_signer"):
        rest.append(("qe_signer", with_bytes(cert, SIGNING, have["qe_signer"])))
    if "qe_identity" in have:
        call = with_signed(
            "upsertEnclaveIdentity(uint256,uint256,(string,bytes))",
            2,
            4,
            have["qe_identity"],
            have["qe_identity_signature"],
        )
        rest.append(("qe_identity", call))
    return first + rest + crls if late_crls else first + crls + rest


class Answers:
    """What the contract said: refused uploads with their reasons, and per entry point and kind of
    quote ("quote", "leaf_quote") the report or None, with the reason."""

    def __init__(self):
        self.refused, self.report, self.reason, self.gas = [], {}, {}, {}

    def __str__(self):
        said = "; ".join(f"{k[0]} {k[1]}: {v}" for k, v in self.reason.items() if v)
        return f"refused {self.refused or 'nothing'}; {said or 'all verified'}"


def why(data):
    """A revert in words."""
    if data[:4] == bytes.fromhex("08c379a0"):
        return data[68 : 68 + int.from_bytes(data[36:68], "big")].decode(errors="replace")
    return error_names().get(data[:4], "0x" + data.hex())


def evaluation_number(subject, document):
    """The number of TCB info or QE identity; None where there is none that could be one."""
    text = bytes.fromhex(subject.get(document, ""))
    found = re.search(rb'"tcbEvaluationDataNumber"\s*:\s*(\d{1,10})\b', text)
    return int(found[1]) if found and int(found[1]) < 1 << 32 else None


def own_number(subject):
    return evaluation_number(subject, "tcb_info") or evaluation_number(subject, "qe_identity") or 0


class Chain:
    """The contract under every root that the subjects trust and with every evaluation number that
    they have, on one node."""

    def __init__(self, l1):
        self.l1, self.contracts = l1, {}
        self.http = http.client.HTTPConnection("127.0.0.1", l1.port, timeout=120)

    def contract(self, root_key, number):
        if (root_key, number) not in self.contracts:
            x, y = "0x" + root_key[:64], "0x" + root_key[64:]
            self.contracts[root_key, number] = self.l1.deploy("DcapVerifier", x, y, FIXED, number)
        return self.contracts[root_key, number]

    def simulate(self, blocks):
        request = {"blockStateCalls": [{"blockOverrides": {"time": hex(t)}, "calls": calls} for t, calls in blocks]}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_simulateV1", "params": [request, "latest"]})
        self.http.request("POST", "/", body, {"content-type": "application/json"})
        answer = json.load(self.http.getresponse())
        assert "error" not in answer, answer["error"]
        return [block["calls"] for block in answer["result"]]

    def ask(self, subject, late_crls=False):
        to = self.contract(subject["root_key"], own_number(subject))
        sent = uploads(subject, late_crls)
        asked = [
            ((entry, kind), with_bytes(signature, bytes.fromhex(subject[kind])))
            for kind in ("quote", "leaf_quote")
            if kind in subject
            for entry, signature in ENTRIES.items()
        ]

        def calls(listed):
            return [
                {"from": self.l1.accounts[0], "to": to, "gas": hex(TX_GAS), "input": "0x" + data.hex()}
                for _, data in listed
            ]

        uploaded, verified = self.simulate([(subject["uploaded"], calls(sent)), (subject["now"], calls(asked))])
        answers = Answers()
        for (name, _), result in zip(sent, uploaded):
            answers.gas[name] = int(result["gasUsed"], 16)
            if result["status"] != "0x1":
                answers.refused.append((name, why(bytes.fromhex(result["returnData"][2:]))))
        for (key, _), result in zip(asked, verified):
            data = bytes.fromhex(result["returnData"][2:])
            answers.gas[key] = int(result["gasUsed"], 16)
            answers.report[key], answers.reason[key] = None, None
            if result["status"] != "0x1":
                answers.reason[key] = f"reverts: {why(data)}"
                continue
            output = data[96 : 96 + int.from_bytes(data[64:96], "big")]
            if int.from_bytes(data[:32], "big"):
                answers.report[key] = output.hex()
            else:
                answers.reason[key] = output.decode(errors="replace")
        return answers


def subjects(program, *args):
    """The lines of tests/differential's program, one at a time."""
    with subprocess.Popen([program, *map(str, args)], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            yield json.loads(line)
    assert process.returncode == 0, f"{program} ended with {process.returncode}"


# Where the two may differ, and why. Everything else is a disagreement.
SGX = "SGX quotes: the contract knows no SGX"
TEXT_FIRST = "text before the PCK certificate: the library skips it, the contract does not look for the beginning"
NUMBERS = "collateral of two evaluation numbers: the contract never mixes them"
ATTRIBUTES = "TDATTRIBUTES that no TD may have: a matter of policy in the library"
BYTES = "names that are no ASCII, identifiers that are none: the contract compares the bytes of those that it knows"
CHAIN = "certificates above the leaf in the quote: unsigned bytes that the contract does not read"


BYTES_SAID = "the (subject|issuer) is malformed|an extension has no identifier|an (extension|entry) is malformed"


def difference(subject, kind, got, want, canonical, reason):
    """The class of a permitted difference, or None. Where the contract is the stricter one, it must
    have said so in the words of that class."""
    if got is None and subject["library"]["body"] == 1:
        return SGX
    numbers = [evaluation_number(subject, document) for document in ("tcb_info", "qe_identity")]
    if got is None and numbers[0] != numbers[1] and reason == f"the QE identity of evaluation number {numbers[0]} is missing":
        return NUMBERS
    if got is None and reason == "TDATTRIBUTES have a bit that no TD may have":
        return ATTRIBUTES
    if got is None and kind == "quote" and not subject.get("leaf_leads", True):
        return TEXT_FIRST
    # Only where the edit was one of an identifier's (06) or a string's (0c, 13) content.
    summary = subject["library"]["summary"]
    if want is None and got and re.search(r"tag (06|0c|13)\)", subject["id"]) and re.search(BYTES_SAID, summary):
        return BYTES
    # The library itself says that only those certificates were wrong: with the collateral's in
    # their place it gives the very report that the contract gives.
    if want is None and kind == "quote" and got == canonical:
        return CHAIN
    return None


class Tally:
    """Compares, counts, and keeps what disagrees."""

    def __init__(self):
        self.cases, self.accepted, self.refused = 0, 0, 0
        self.classes, self.disagreements = {}, []

    def compare(self, subject, answers):
        self.cases += 1
        library, found, wrong = subject["library"], set(), []
        # A root certificate that is refused is one that the library does not take either; the
        # contract can do without it once it has another, for it knows the key.
        no_root = any(name == "root" for name, _ in answers.refused)
        for (entry, kind), report in answers.report.items():
            got = None if no_root else report
            canonical = (subject["canonical"] or {}).get(entry)
            want = library[entry] if kind == "quote" else canonical
            if got == want:
                continue
            permitted = difference(subject, kind, got, want, canonical, answers.reason[entry, kind])
            if permitted:
                found.add(permitted)
            else:
                what = "gives other bytes" if got and want else "accepts" if got else "refuses"
                wrong.append(f"the contract {what} ({entry}, {kind})")
        # An upload that is refused must be one that the library refuses.
        if answers.refused and library["authentic"] and not found:
            wrong.append("the contract refuses an upload")
        if wrong:
            self.disagreements.append(
                f"{subject['id']}: {', '.join(wrong)}; library: {library['status']}, {library['summary']}; "
                f"contract: {answers}"
            )
        elif found:
            for name in found:
                self.classes[name] = self.classes.get(name, 0) + 1
        elif any(answers.report.values()) and not no_root:
            self.accepted += 1
        else:
            self.refused += 1

    def __str__(self):
        line = (
            f"{self.cases} cases: {self.accepted} accepted by both with equal reports, {self.refused} refused by both, "
            f"{sum(self.classes.values())} permitted differences, {len(self.disagreements)} disagreements"
        )
        return "".join([line, *(f"\n  {n}: {name}" for name, n in sorted(self.classes.items()))])
