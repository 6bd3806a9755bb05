"""The whole coordinator against Automata's on-chain PCCS (stand-ins of releases 1.0 and 1.1): found from
the OnChainProposer alone, filled with exactly what is missing, and refused in words what cannot be."""

import base64
import json
import re
import shutil
import urllib.parse

import pytest
from l1 import Reverted, cast
from standins import collateral_calls, make_pki, put_multicall3, sign_json, signed_json, upload_as_stranger
from test_production import DAY, prove_until, production, refused
from world import EVALUATION_NUMBER, FMSPC, L1_KEY, TDX_KEY, Key, automata, until

ROOT, SIGNING = 0, 3
CERTIFICATES = ["root CA certificate", "root CA CRL", "PCK Platform CA certificate", "TCB signing certificate",
                "PCK CRL of the Platform CA"]
JSON = ["TD_QE identity", "TCB info of FMSPC 90c06f000000"]
TDX_SENDER = cast("wallet", "address", "--private-key", TDX_KEY)


@pytest.fixture
def old(new_world):
    return new_world("automata-v1.0")


@pytest.fixture
def new(new_world):
    return new_world("automata-v1.1")


class Daos:
    """The contracts behind an entry point."""

    def __init__(self, l1, entry):
        self.l1 = l1
        self.router = l1.address(l1.address(entry, "quoteVerifiers(uint16)", 4), "pccsRouter()")
        self.pcs = l1.address(self.router, "pcsDaoAddr()")

    @property
    def v10(self):
        """(QE identities, TCB infos)"""
        return self.l1.address(self.router, "qeIdDaoAddr()"), self.l1.address(self.router, "fmspcTcbDaoAddr()")

    def takes(self, what):
        """v1.0's DAO of that piece of collateral."""
        return dict(zip(("QE identity", "TCB info"), self.v10)).get(what, self.pcs)

    @property
    def v11(self):
        """(QE identities, TCB infos, evaluation numbers)"""
        of_number = [self.l1.address(self.router, f"{kind}DaoVersionedAddr(uint32)", EVALUATION_NUMBER)
                     for kind in ("qeId", "fmspcTcb")]
        return *of_number, self.l1.address(self.router, "tcbEvalDaoAddr()")

    def tcb_window(self, dao):
        key = self.l1.call(dao, "FMSPC_TCB_KEY(uint8,bytes6,uint32)", 1, FMSPC, 3)
        raw = self.l1.call(dao, "getCollateralValidity(bytes32)", key)[2:]
        return int(raw[:64], 16), int(raw[64:], 16)


def uploads(c, count=0):
    """What went up; waits until it is so many pieces."""
    return [e["what"] for e in (c.told("collateral_uploaded", count) if count else c.events("collateral_uploaded"))]


def sent(world, who=TDX_SENDER):
    return int(world.l1.rpc("eth_getTransactionCount", who, "latest"), 16)


def grant(world, who, *daos):
    for dao in daos:
        world.l1.send(dao, "grantRoles(address,uint256)", who, 1)


def put_numbers(world, pccs, daos):
    """What an attester of Automata's does: the list of evaluation numbers."""
    body = pccs.get("/tdx/certification/v4/tcbevaluationdatanumbers")[2]
    data = cast("sig", "upsertTcbEvaluationData((string,bytes))") + f"{32:064x}" + signed_json(
        body, "tcbEvaluationDataNumbers")
    grant(world, world.l1.accounts[0], daos.v11[2])
    world.l1.transact({"from": world.l1.accounts[0], "to": daos.v11[2], "data": data})


def put_signing(world, pccs, daos):
    """Root and TCB signing certificates, without which a list cannot be uploaded."""
    chain = urllib.parse.unquote(pccs.get("/tdx/certification/v4/tcb?fmspc=90c06f000000")[1]["TCB-Info-Issuer-Chain"])
    signing, root = (base64.b64decode(text) for text in re.findall("BEGIN CERTIFICATE-----(.*?)-----END", chain, re.S))
    for ca, der in ((ROOT, root), (SIGNING, signing)):
        world.l1.send(daos.pcs, "upsertPcsCertificates(uint8,bytes)", ca, "0x" + der.hex())


def read_v11(world):
    """From now on the TDXVerifier reads what release 1.1 answers."""
    measurements = [cast("decode-abi", "f()(bytes)", world.l1.call(world.verifier, f"{name}()"))
                    for name in ("MRTD", "RTMR0", "RTMR1", "RTMR2")]
    model = world.l1.deploy("TDXVerifier", world.dcap, world.timelock, "false", *measurements)
    code = world.l1.rpc("eth_getCode", world.l1.deploy("TDXVerifierV11", model), "latest")
    world.l1.rpc("anvil_setCode", world.verifier, code)


def test_v10_from_nothing_to_verified_batches(old):
    pccs, qe = old.pccs(), old.software_qe()
    c = production(old, pccs).start()
    prover = old.prover(c, qe=qe).start()
    c.saw("event=setup_acknowledged .*as=active", 90)
    assert uploads(c, 7) == CERTIFICATES + JSON
    assert c.told("collateral_on_chain")[-1]["stack"] == "Automata v1.0"
    old.feed(c, 2)
    old.until_verified(2)
    assert prover.processed(2) == [1, 2]
    shown = c.verb("tcb-status").stdout
    assert "Automata v1.0" in shown and "Intel's verdict and this contract's are UpToDate" in shown, shown
    # What is stored may be read by Automata's own contracts alone: windows and hashes were enough.
    with pytest.raises(Reverted, match=cast("sig", "Unauthorized_Caller(address)")):
        old.l1.call(Daos(old.l1, old.dcap).pcs, "getCertificateById(uint8)", ROOT, sender=TDX_SENDER)
    # Newer JSON at the source: that goes up, and nothing else.
    old.pki("--evaluation", "18")
    assert c.verb("collateral", "refresh").returncode == 0
    key = Key()
    c.verb("revoke", prover.address)
    until("registered", lambda: c.setup(qe.quote(key.payload)) is True and old.signer == key.address, 60, 1)
    assert set(uploads(c)[7:]) <= {*JSON, "PCK CRL of the Platform CA", "root CA CRL"}, uploads(c)


def test_uploads_go_together_where_the_chain_has_multicall3(old):
    """Two blocks to a registered key instead of eight; a stranger's upload in between is no harm."""
    put_multicall3(old.l1)
    pccs, qe = old.pccs(), old.software_qe()
    c = production(old, pccs).start()
    c.saw("event=l1_read")
    key = Key()
    assert c.setup(qe.quote(key.payload)) is True and old.signer == key.address
    assert uploads(c, 1) == ["root CA certificate and 6 more"] and sent(old) == 2
    # What another has put there already is left out, and one alone goes to its DAO.
    daos = Daos(old.l1, old.dcap)
    old.pki("--evaluation", "18")
    identity = dict(collateral_calls(pccs))["QE identity"]
    old.l1.transact({"from": old.l1.accounts[9], "to": daos.takes("QE identity"), "data": identity})
    assert c.verb("collateral", "refresh").returncode == 0
    c.saw("event=collateral .*evaluation=18")
    other = Key()
    assert c.setup(qe.quote(other.payload)) is True
    assert c.verb("promote", other.address).returncode == 0
    until("the other is registered", lambda: old.signer == other.address, 60)
    assert "TCB info of FMSPC 90c06f000000" in uploads(c, 2)[-1], uploads(c)


def test_v10_would_verify_with_what_has_expired(old):
    """So it is looked at here."""
    pccs, qe = old.pccs(), old.software_qe()
    c = production(old, pccs, MAX_CLOCK_SKEW=0).start()
    c.saw("event=l1_read")
    first = Key()
    assert c.setup(qe.quote(first.payload)) is True
    old.l1.rpc("evm_increaseTime", 40 * DAY)
    old.l1.rpc("evm_mine")
    quote = qe.quote(Key().payload)
    raw = old.l1.call(old.dcap, "verifyAndAttestOnChain(bytes)", "0x" + quote.hex())
    assert int(raw[2:66], 16) == 1  # the contracts see nothing wrong

    def stale():
        answer = c.setup(quote)
        return answer is not True and answer["Error"]["message"]

    text = until("stale collateral is refused", stale)
    assert re.search("expired|ended|no longer|old|until", text), text
    assert old.signer == first.address


def test_v10_expired_on_chain_is_replaced_unless_uploads_are_off(old):
    pccs, qe = old.pccs(), old.software_qe()
    old.pki("--valid", 2 * DAY)
    c = production(old, pccs).start()
    c.saw("event=l1_read")
    assert c.setup(qe.quote(Key().payload)) is True
    c.kill()
    old.pki("--age", "10")
    old.l1.rpc("evm_increaseTime", 4 * DAY)
    old.l1.rpc("evm_mine")
    before = sent(old)
    other = production(old, pccs, name="other", MAX_CLOCK_SKEW=0, NO_ONCHAIN_PCCS="true").start()
    other.saw("event=l1_read")
    key = Key()
    assert other.setup(qe.quote(key.payload)) is True  # as a standby
    assert other.verb("promote", key.address).returncode == 0
    text = other.saw("event=registration_not_prepared .*")[0]
    assert "the PCCS's has expired: uploads are switched off here (--no-onchain-pccs)" in text, text
    assert sent(old) == before
    other.kill()
    # With them it is replaced.
    third = production(old, pccs, name="third", MAX_CLOCK_SKEW=0).start()
    third.saw("event=l1_read")
    assert third.setup(qe.quote(key.payload)) is True
    assert third.verb("promote", key.address).returncode == 0
    until("the key is registered", lambda: old.signer == key.address, 60)
    assert uploads(third, 4) == ["root CA CRL", "PCK CRL of the Platform CA", *JSON]


def test_v10_filled_by_two_at_once(old):
    """Whoever comes second is told Duplicate_Collateral, which is as good as success."""
    pccs, qe = old.pccs(), old.software_qe()
    both = [production(old, pccs, name=name, TDX_PRIVATE_KEY_FILE=old.secret(f"{name}.key", tdx_key),
                       L1_PRIVATE_KEY_FILE=old.secret(f"{name}-l1.key", Key().key))
            for name, tdx_key in (("one", TDX_KEY), ("two", L1_KEY))]
    for c in both:
        c.start()
    for c in both:
        c.saw("event=l1_read")
    keys = [Key() for _ in both]
    links = [c.connect() for c in both]
    for link, key in zip(links, keys):
        payload = list(qe.quote(key.payload))
        link.sendall(json.dumps({"ProverSetup": {"prover_type": "TDX", "payload": payload}}).encode())
    for c in both:
        c.saw("event=setup_acknowledged", 90)
    until("the uploads are read back", lambda: len(uploads(both[0]) + uploads(both[1])) == 7)
    assert not any(c.events("registration_not_prepared") for c in both)
    done = uploads(both[0]) + uploads(both[1])
    assert sorted(done) == sorted(CERTIFICATES + JSON)
    assert old.signer in [key.address for key in keys]


def test_v10_addresses_by_setting(old):
    """The settings override what the router says; the contracts still verify with their own."""
    pccs, qe = old.pccs(), old.software_qe()
    elsewhere = Daos(old.l1, automata(old.l1, "automata-v1.0", old.pki()))
    identities, tcbs = elsewhere.v10
    c = production(old, pccs)
    c.settings.update(ENCLAVE_ID_DAO=identities, FMSPC_TCB_DAO=tcbs, PCS_DAO=elsewhere.pcs)  # ethrex's own names
    c.start()
    c.saw("event=l1_read")
    text = refused(c, qe.quote(Key().payload), "try_again")
    assert "verifyAndAttestOnChain reverts: it reverts without a reason, which means collateral missing" in text, text
    assert uploads(c, 7) == CERTIFICATES + JSON
    assert elsewhere.tcb_window(tcbs)[1] > 0
    own = Daos(old.l1, old.dcap)
    assert own.tcb_window(own.v10[1]) == (0, 0)


def test_a_fee_is_refused_before_gas_is_spent(old):
    pccs, qe = old.pccs(), old.software_qe()
    old.l1.send(old.dcap, "setBp(uint16)", 100)
    c = production(old, pccs).start()
    c.saw("event=l1_read")
    text = refused(c, qe.quote(Key().payload), "try_again")
    assert re.search(r"asks a fee of 100 basis points of the gas \(getBp\(\)\)", text), text
    assert sent(old) == 0
    old.l1.send(old.dcap, "setBp(uint16)", 0)
    key = Key()
    until("registered", lambda: c.setup(qe.quote(key.payload)) is True, 60, 1)


def test_a_router_that_may_not_read_is_found_out_for_free(old):
    pccs, qe = old.pccs(), old.software_qe()
    old.l1.send(old.dcap, "setShutOut(bool)", "true")
    c = production(old, pccs).start()
    c.saw("event=l1_read")
    text = refused(c, qe.quote(Key().payload), "try_again")
    assert "verifyAndAttestOnChain reverts: Unauthorized_Caller(" in text, text
    assert sent(old) == 0 and not uploads(c)
    old.l1.send(old.dcap, "setShutOut(bool)", "false")
    key = Key()
    until("registered", lambda: c.setup(qe.quote(key.payload)) is True and old.signer == key.address, 60, 1)


def test_early_tcb_info_of_a_stranger_is_named_and_costs_nothing(old):
    """v1.0 will not take the standard one again, and by the early one the platform is OutOfDate."""
    early = make_pki(old.dir / "early", "--tcb-status", "OutOfDate", "--evaluation", "18", "--age", 2 * DAY)
    strangers, pccs, qe = old.pccs("--dir", early, name="strangers"), old.pccs(), old.software_qe()
    daos = Daos(old.l1, old.dcap)
    upload_as_stranger(old.l1, strangers, daos.takes)
    c = production(old, pccs).start()
    c.saw("event=l1_read")
    text = refused(c, qe.quote(Key().payload), "try_again")
    assert re.search("Intel's verdict is UpToDate, that of this contract with tcbEvaluationDataNumber 18 \\(ours has 17\\) would not be: "
                     "Automata v1.0: OutOfDate", text), text
    assert sent(old) == 0 and not uploads(c)


def test_an_early_qe_identity_of_a_stranger_is_named_and_costs_nothing(old):
    """By it the quoting enclave is OutOfDate; TCB info is nobody's yet."""
    early = make_pki(old.dir / "early", "--evaluation", "18", "--age", 2 * DAY)
    path = early / "qe_identity.json"
    identity = json.loads(path.read_text())["enclaveIdentity"]
    identity["tcbLevels"][0]["tcbStatus"] = "OutOfDate"
    path.write_bytes(sign_json("enclaveIdentity", json.dumps(identity, separators=(",", ":")).encode()))
    strangers, pccs, qe = old.pccs("--dir", early, name="strangers"), old.pccs(), old.software_qe()
    daos = Daos(old.l1, old.dcap)
    upload_as_stranger(old.l1, strangers, daos.takes, ("TCB info",))
    c = production(old, pccs).start()
    c.saw("event=l1_read")
    text = refused(c, qe.quote(Key().payload), "try_again")
    assert re.search(r"Intel's verdict is UpToDate, .* Automata v1.0: OutOfDate, because of the quoting enclave's ISVSVN \d+ by the QE "
                     "identity of tcbEvaluationDataNumber 18 that it judges with", text), text
    assert sent(old) == 0 and not uploads(c)


@pytest.mark.parametrize("what, words", [("pck", "the PCK certificate is revoked by the PCK CRL that the PCCS holds"),
                                         ("ca", "the PCK CA's certificate is revoked by the root CRL that the PCCS holds")])
def test_what_the_chain_s_newer_crl_revokes_costs_nothing(old, what, words):
    ahead = old.dir / "ahead"
    shutil.copytree(old.pki(), ahead)
    make_pki(ahead, "--age", "60", "--revoked", what)
    strangers, pccs, qe = old.pccs("--dir", ahead, name="strangers"), old.pccs(), old.software_qe()
    daos = Daos(old.l1, old.dcap)
    upload_as_stranger(old.l1, strangers, daos.takes, ("QE identity", "TCB info"))
    c = production(old, pccs).start()
    c.saw("event=l1_read")
    key = Key()
    quote = qe.quote(key.payload)
    text = refused(c, quote, "try_again")
    assert f"Automata v1.0: {words}" in text, text
    assert sent(old) == 0 and not uploads(c)
    # A newer one at the source takes it back, and goes up.
    old.pki("--age", "10")
    assert c.verb("collateral", "refresh").returncode == 0
    until("registered", lambda: c.setup(quote) is True and old.signer == key.address, 90, 1)
    until("it goes up", lambda: ("PCK CRL of the Platform CA" if what == "pck" else "root CA CRL") in uploads(c))


def test_a_module_that_v10_does_not_know_costs_nothing(old):
    """Intel's verdict is UpToDate; v1.0 would have said so after seven uploads."""
    pccs, qe = old.pccs(), old.software_qe()
    c = production(old, pccs).start()
    c.saw("event=l1_read")
    text = refused(c, qe.quote(Key().payload, "--module-version", "0"), "try_again")
    assert re.search('Intel\'s verdict is UpToDate, that of this contract with tcbEvaluationDataNumber 17 would not be: '
                     'Automata v1.0: "TDXModule check failed", because it knows no TDX module of version 0', text), text
    assert sent(old) == 0 and not uploads(c)
    words = "Intel's verdict is UpToDate, that of this contract"
    assert re.search(rf"verdict: 0x\w+: {words}", c.verb("tcb-status").stdout)
    assert words in c.verb("provers").stdout
    (prover,) = c.provers().values()
    quote = prover["evidence"]["quote_sha256"]
    assert f"contract  {words}" in c.verb("explain", quote).stdout
    c.stop()
    c.start()
    c.saw("event=l1_read")
    assert f"contract  {words}" in c.verb("explain", quote).stdout


def edit_tcb_info(world, edit):
    """What the sources serve from now on, signed by the same key."""
    path = world.pki() / "tcb_info.json"
    info = json.loads(path.read_text())["tcbInfo"]
    edit(info)
    path.write_bytes(sign_json("tcbInfo", json.dumps(info, separators=(",", ":")).encode()))


def more_of_component_0(info):
    info["tcbLevels"][0]["tcb"]["tdxtcbcomponents"][0]["svn"] = 9


def a_new_member(info):
    levels = info.pop("tcbLevels")
    info.update({"tcbColour": "blue", "tcbLevels": levels})


def a_new_member_of_a_level(info):
    info["tcbLevels"][0]["tcb"]["colour"] = "blue"


# What Intel's library says, what the contract says of the same, and what becomes of it. v1.0's own verdict on a
# platform whose parts are all OutOfDate is UpToDate: that changes nothing.
FACED = {
    "component 0": ("v1.0", more_of_component_0, (), "try_again",
                    r"Intel's verdict is UpToDate, .* Automata v1.0: OutOfDate, because it compares TDX component 0 \(5 < 9\)"),
    "component 0, v1.1": ("v1.1", more_of_component_0, (), "try_again",
                          r"Intel's verdict is UpToDate, .* Automata v1.1: OutOfDate, because it compares TDX component 0"),
    "a member": ("v1.0", a_new_member, (), "try_again",
                 r"Intel's verdict is UpToDate, .* TCBInfo_Invalid\(\), because it does not know the TCB info's tcbColour"),
    "a level's member": ("v1.0", a_new_member_of_a_level, (), "try_again",
                         r"Intel's verdict is UpToDate, .* TCBInfo_Invalid\(\), because it does not know colour of a level's tcb"),
    "a level's member, v1.1": ("v1.1", a_new_member_of_a_level, (), "try_again",
                               r"Automata v1.1: TCBInfo_Invalid\(\), because it does not know colour of a level's tcb"),
    "OutOfDate": ("v1.0", None, ("--tcb-status", "OutOfDate"), "setup_refused", "OutOfDate"),
    "Revoked": ("v1.0", None, ("--tcb-status", "Revoked"), "setup_refused", "Revoked"),
    "revoked PCK": ("v1.0", None, ("--revoked", "pck"), "setup_refused", "PCK certificate is not revoked"),
}


@pytest.mark.parametrize("case", FACED)
def test_what_the_contract_faced_makes_of_it_is_known_for_free(new_world, case):
    release, edit, flags, code, words = FACED[case]
    world = new_world(f"automata-{release}")
    if flags:
        world.pki(*flags)
    if edit:
        edit_tcb_info(world, edit)
    pccs, qe = world.pccs(), world.software_qe()
    if release == "v1.1":
        daos = Daos(world.l1, world.dcap)
        read_v11(world)
        put_signing(world, pccs, daos)
        put_numbers(world, pccs, daos)
        grant(world, TDX_SENDER, *daos.v11)
    c = production(world, pccs).start()
    c.saw("event=l1_read")
    text = refused(c, qe.quote(Key().payload), code)
    assert re.search(words, text), text
    assert sent(world) == 0 and not uploads(c)
    assert re.search(words, c.verb("provers").stdout) or code == "setup_refused"


@pytest.mark.parametrize("edit", [a_new_member, a_new_member_of_a_level, None])
def test_the_stand_in_of_v10_takes_no_such_tcb_info(old, edit):
    if edit:
        edit_tcb_info(old, edit)
    pccs, daos = old.pccs(), Daos(old.l1, old.dcap)
    answers = {}
    for what, data in collateral_calls(pccs):
        try:
            old.l1.transact({"from": old.l1.accounts[9], "to": daos.takes(what), "data": data})
        except Reverted as problem:
            answers[what] = problem.selector
    assert answers == ({"TCB info": cast("sig", "TCBInfo_Invalid()")} if edit else {})


def test_what_is_still_good_is_not_replaced(old):
    pccs, qe = old.pccs(), old.software_qe()
    c = production(old, pccs).start()
    c.saw("event=l1_read")
    assert c.setup(qe.quote(Key().payload)) is True
    before = sent(old)
    old.pki("--age", "10")  # a month later at the source: the same again, newer by date
    assert c.verb("collateral", "refresh").returncode == 0
    c.saw("event=collateral ")
    key = Key()
    assert c.setup(qe.quote(key.payload)) is True
    assert c.verb("promote", key.address).returncode == 0
    until("the other is registered", lambda: old.signer == key.address, 60)
    assert len(uploads(c, 7)) == 7 and sent(old) == before + 1
    assert "ours is newer, and the PCCS's is good until" in c.told("collateral_on_chain", 2)[-1]["note"]
    # The contract's own verdict may need what is newer; where that changes nothing the words are its own.
    before = sent(old)
    old.l1.send(old.dcap, "setStatus(uint8)", 4)
    third = Key()
    assert c.setup(qe.quote(third.payload)) is True
    assert c.verb("promote", third.address).returncode == 0
    text = c.saw("event=registration_not_prepared .*")[0]
    assert "the quote verifier finds the TCB status OutOfDate, the TDXVerifier takes only UpToDate" in text, text
    assert set(uploads(c, 11)[7:]) == {"root CA CRL", "PCK CRL of the Platform CA", *JSON}, uploads(c)
    assert old.signer == key.address and sent(old) == before + 4


def test_a_sender_without_its_role_pays_nothing(old):
    pccs, qe = old.pccs(), old.software_qe()
    stranger = Key()
    old.l1.rpc("anvil_setBalance", stranger.address, hex(10**20))
    c = production(old, pccs, TDX_PRIVATE_KEY_FILE=old.secret("stranger.key", stranger.key)).start()
    c.saw("event=l1_read")
    text = refused(c, qe.quote(Key().payload), "try_again")
    assert "register() would revert" in text and "no SEQUENCER role in the Timelock" in text, text
    assert sent(old, stranger.address) == 0


def test_v11_and_a_tdx_verifier_of_v10_are_told_apart_before_gas_is_spent(new):
    pccs, qe = new.pccs(), new.software_qe()
    daos = Daos(new.l1, new.dcap)
    put_signing(new, pccs, daos)
    put_numbers(new, pccs, daos)
    grant(new, TDX_SENDER, *daos.v11)
    c = production(new, pccs).start()
    c.saw("event=l1_read")
    text = refused(c, qe.quote(Key().payload), "try_again")
    assert "answers in the layout of Automata v1.1" in text and "Quote is not of type TDX" in text, text
    assert sent(new) == 0 and not uploads(c)


def test_v11_an_attester_uploads_the_list_as_well(new):
    read_v11(new)
    pccs, qe = new.pccs(), new.software_qe()
    daos = Daos(new.l1, new.dcap)
    grant(new, TDX_SENDER, *daos.v11)
    c = production(new, pccs).start()
    c.saw("event=l1_read")
    key = Key()
    quote = qe.quote(key.payload)
    until("registered", lambda: c.setup(quote) is True and new.signer == key.address, 90, 1)
    assert uploads(c, 8) == [*CERTIFICATES, "list of TCB evaluation numbers", *JSON]


def test_v11_with_versioned_daos_and_moved_offsets(new):
    read_v11(new)
    pccs, qe = new.pccs(), new.software_qe()
    daos = Daos(new.l1, new.dcap)
    c = production(new, pccs).start()
    c.saw("event=l1_read")
    # The list of evaluation numbers is Automata's attesters' business.
    text = refused(c, qe.quote(Key().payload), "try_again")
    assert "list of TCB evaluation numbers: it is not on the PCCS" in text, text
    assert sent(new) == 0
    put_signing(new, pccs, daos)
    put_numbers(new, pccs, daos)
    # So is what goes by number, as long as the sender has no such role.
    key = Key()
    quote = qe.quote(key.payload)

    def unless_attester():
        answer = c.setup(quote)
        return answer is not True and "ATTESTER_ROLE" in answer["Error"]["message"] and answer["Error"]["message"]

    text = until("the role is missed", unless_attester, 60, 1)
    assert "the versioned DAO takes uploads only from its attesters (ATTESTER_ROLE)" in text, text
    assert sent(new) == 0 and not uploads(c)
    grant(new, TDX_SENDER, *daos.v11)
    until("registered", lambda: c.setup(quote) is True, 90, 1)
    assert new.signer == key.address
    until("the last two go up", lambda: uploads(c)[-2:] == JSON)
    assert c.told("collateral_on_chain")[-1]["stack"] == "Automata v1.1"
    new.feed(c, 2)
    prove_until(new, c, key, 2)
    # Another image than the contract's is refused there as here.
    assert "RTMR1 differs" in refused(c, qe.quote(Key().payload, "--rtmr1", "11" * 48))


def test_the_stand_ins_verify_what_they_are_given(old):
    """As the originals do: names, the root's key, key identifiers, signatures, and v1.0 the TCB info's members."""
    l1, daos = old.l1, Daos(old.l1, old.dcap)
    calls = {}
    for what, data in collateral_calls(old.pccs()):
        calls[what] = {"from": l1.accounts[0], "to": daos.takes(what), "data": data}

    def refused_with(call, data, error):
        with pytest.raises(Reverted) as problem:
            l1.rpc("eth_call", {**call, "data": data}, "latest")
        assert problem.value.selector == (cast("sig", error) if error else "0x"), problem.value

    def edited(data, find, replace):
        assert data.count(find.hex()) == 1, find
        return data.replace(find.hex(), replace.hex())

    root = calls["root certificate"]
    other = l1.deploy("AutomataSeals", "0x" + "22" * 32)
    seals = l1.address(daos.pcs, "seals()")
    l1.send(daos.pcs, "setSeals(address)", other)
    refused_with(root, root["data"], "Root_Key_Mismatch()")
    l1.send(daos.pcs, "setSeals(address)", seals)
    selector_ = root["data"][:10]
    refused_with(root, selector_ + f"{ROOT:064x}" + calls["TCB signing certificate"]["data"][74:],
                 "Invalid_Issuer_Name()")
    l1.transact(root)
    refused_with(root, selector_ + f"{SIGNING:064x}" + calls["PCK CA certificate"]["data"][74:],
                 "Invalid_Subject_Name()")
    for what in ("PCK CA certificate", "TCB signing certificate"):  # the signature is at the end, behind it padding
        data = calls[what]["data"]
        at = len(data.rstrip("0")) - 9
        refused_with(calls[what], data[:at] + f"{15 - int(data[at], 16):x}" + data[at + 1:], None)
        l1.transact(calls[what])
    l1.transact(calls["root CRL"])
    refused_with(calls["PCK CRL"], calls["PCK CRL"]["data"][:10] + f"{2:064x}" + calls["root CRL"]["data"][10:74]
                 .replace("20", "40", 1) + calls["root CRL"]["data"][74:], "Invalid_Issuer_Name()")
    l1.transact(calls["PCK CRL"])
    for what, member in (("QE identity", b'"miscselect"'), ("TCB info", b'"pceId"')):
        if member.hex() in calls[what]["data"]:
            again = edited(calls[what]["data"], member, member.swapcase())
            refused_with(calls[what], again, "TCBInfo_Invalid()" if what == "TCB info" else None)
        l1.transact(calls[what])
