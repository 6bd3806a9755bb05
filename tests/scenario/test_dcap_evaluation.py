"""Which of Intel's evaluation numbers a DcapVerifier counts: Intel's own lists, and forged ones."""

import datetime
import os
import subprocess

import pytest

from dcap import (  # noqa: F401 -- some are fixtures
    PIECES, Dcap, Vector, dcap, forged, full, l1, need_vectors, node, refused, signed, software_qe_signs, vector,
)
from differential import FIXED, own_number, selector, uploads, with_signed
from l1 import CONTRACTS, Reverted

STANDARD, EARLY = (0, 0), (1, 0)
UPSERT = "upsertTcbEvaluationData((string,bytes))"
NO_LIST = "the list of TCB evaluation numbers is missing"
DAY, YEAR = 86400, 365 * 86400


def at(text):
    return int(datetime.datetime.fromisoformat(text + "+00:00").timestamp())


def intel_list(name):
    return with_signed(UPSERT, *signed(f"evaluation/tdx_tcb_evaluation_{name}.json"))


JUNE, OCTOBER = "0625", "1025"  # 19 18 17, and 20 to 13; issued 2025-06-05 and 2025-10-13


def counting(d, time=None):
    """evaluationNumber(), now or at another time."""
    call = {"from": d.l1.accounts[0], "to": d.at, "data": "0x" + selector("evaluationNumber()").hex()}
    overrides = [{}, {"time": hex(time)}] if time else []
    return int(d.l1.rpc("eth_call", call, "latest", *overrides), 16)


@pytest.fixture
def chosen(l1, vector):
    """Makes a contract of some choice, with the vector's pieces but the list and the documents."""

    def make(choice):
        d = Dcap(l1, choice=choice)
        if int(l1.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16) < vector.now:
            d.wind(vector.now)
        d.upload(vector, *[piece for piece in PIECES if piece not in ("identity", "tcb_info")])
        return d

    return make


# --- Intel's lists ---------------------------------------------------------------------------


@pytest.mark.parametrize("choice", [STANDARD, EARLY])
def test_without_a_list_nothing_registers(chosen, vector, choice):
    d = chosen(choice)
    assert d.verify(vector.quote) == (False, NO_LIST)
    assert counting(d) == 0
    # Nor is gas taken for documents of which nobody could say whether they count.
    for piece in ("identity", "tcb_info"):
        with pytest.raises(Reverted) as problem:
            d.upload(vector, piece)
        assert problem.value.reason == NO_LIST
    d.transact(intel_list(JUNE))
    d.upload(vector, "identity", "tcb_info")
    assert d.verify(vector.quote)[0] == (choice == STANDARD)  # the standard number was 17 then


def test_the_default_is_standard_and_others_are_early_and_one_number(l1, tmp_path):
    for setting, wanted in ((None, [0, 0]), ("standard", [0, 0]), ("early", [1, 0]), ("19", [2, 19])):
        env = {"ETHREX_DEPLOYER_TDX_DEPLOY_VERIFIER": "true"}
        if setting:
            env["ETHREX_DEPLOYER_DCAP_EVALUATION"] = setting
        where = tmp_path / f"env-{setting}"
        done = deploy(l1, where, env)
        assert done.returncode == 0, done.stderr
        made = dict(line.split("=", 1) for line in where.read_text().splitlines())
        at_ = l1.address(made["ETHREX_DEPLOYER_TDX_VERIFIER_ADDRESS"], "quoteVerifier()")
        words = l1.call(at_, "evaluationChoice()")[2:]
        assert [int(words[i : i + 64], 16) for i in (0, 64)] == wanted
    done = deploy(l1, tmp_path / "none", env | {"ETHREX_DEPLOYER_DCAP_EVALUATION": "newest"})
    assert done.returncode == 1 and '"newest" is neither standard nor early nor a TCB evaluation number' in done.stderr


def deploy(l1, env_file, env):
    command = ["node", CONTRACTS / "deploy.mjs", "--rpc", l1.url, "--env", env_file]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=os.environ | env)


def test_a_number_is_for_the_fixed_choice_only(l1):
    for choice in ((0, 17), (1, 17)):
        with pytest.raises(Reverted) as problem:
            Dcap(l1, choice=choice)
        assert problem.value.reason == "a number is for FIXED only"


def test_the_june_list_over_the_years(chosen):
    d = chosen(STANDARD)
    d.transact(intel_list(JUNE))
    # nextUpdate was on 2025-07-05: dates of the past stay true. 18 is of 2024-11-12, 19 of 2025-05-13.
    for time, number in (
        ("2025-07-04T12:00:00", 17), ("2025-11-11T23:59:59", 17), ("2025-11-12T00:00:00", 18),
        ("2026-05-12T23:59:59", 18), ("2026-05-13T00:00:00", 19), ("2031-01-01T00:00:00", 19),
    ):
        assert counting(d, at(time)) == number, time
    early = chosen(EARLY)
    early.transact(intel_list(JUNE))
    assert counting(early) == counting(early, at("2031-01-01T00:00:00")) == 19


def test_a_later_list_replaces_an_earlier_one_and_never_the_other_way(chosen):
    d, early = chosen(STANDARD), chosen(EARLY)
    for c in (d, early):
        with refused("TCB_Eval_Expired()"):  # not issued yet
            c.transact(intel_list(OCTOBER))
        c.transact(intel_list(JUNE))
        with refused("Duplicate_Collateral()"):
            c.transact(intel_list(JUNE))
    d.wind(at("2025-11-01T00:00:00"))
    for c in (d, early):
        c.transact(intel_list(OCTOBER))
        with refused("TCB_Eval_Out_Of_Date()"):
            c.transact(intel_list(JUNE))
    assert (counting(d), counting(early)) == (17, 20)
    assert counting(d, at("2026-08-11T23:59:59")) == 19 and counting(d, at("2026-08-12T00:00:00")) == 20


def test_a_list_counts_though_it_comes_after_its_next_update(chosen):
    d = chosen(STANDARD)
    d.wind(at("2026-02-01T00:00:00"))
    d.transact(intel_list(JUNE))
    assert counting(d) == 18


def test_the_day_on_which_a_number_becomes_standard(chosen, vector):
    """A quote of 2026 with Intel's collateral of 2026-08-11: the last day of 19."""
    august = Vector("pos0014")
    assert august.number == 19
    d = chosen(STANDARD)
    d.wind(at("2026-08-11T12:00:00"))
    d.transact(intel_list(OCTOBER))
    d.upload(august, "root_crl", "pck_crl", "identity", "tcb_info")
    ok, report = d.verify(august.quote)
    assert ok and report[6] == 0
    assert d.verify(august.quote, time=at("2026-08-11T23:59:59"))[0]
    assert d.verify(august.quote, time=at("2026-08-12T00:00:00")) == (
        False, "the QE identity of evaluation number 20 is missing",
    )
    # The same when blocks pass, and 20's is what is asked for.
    d.wind(at("2026-08-12T00:00:00"))
    assert counting(d) == 20 and not d.verify(august.quote)[0]
    tcb_info_20 = with_signed(
        "upsertFmspcTcb((string,bytes))", *signed("collateral/tcb_info/tdx_b0c06f000000_20260813_e20_620d9908.json")
    )
    d.wind(at("2026-08-14T00:00:00"))
    d.transact(tcb_info_20)
    key = d.l1.call(d.at, "FMSPC_TCB_KEY(uint8,bytes6,uint32)", 1, "0xb0c06f000000", 3)
    shown = lambda k: int(d.l1.call(d.at, "getCollateralValidity(bytes32)", k)[2:66], 16)
    numbered = lambda n: d.l1.call(d.at, "numberedKey(bytes32,uint256)", key, n)
    # The key of Automata's v1.0 shows what counts now; with a number, each of them.
    assert shown(key) == shown(numbered(20)) > shown(numbered(19)) > 0 == shown(numbered(21))


def test_early_collateral_of_a_stranger_freezes_nothing(chosen, vector, l1):
    """What happened: anybody uploaded Intel's early TCB info, and the standard one was refused."""
    six, three = Vector("pos0004"), Vector("pos0003")
    assert (six.number, three.number) == (21, 19) and six.now < three.now
    by_choice = {19: Dcap(l1, choice=(FIXED, 19)), 21: Dcap(l1, choice=(FIXED, 21))}
    for d in by_choice.values():
        if d is by_choice[19]:
            d.wind(six.now)
        d.upload(six, "root", "root_crl", "ca", "signing", "pck_crl")
        for piece in ("identity", "tcb_info"):
            d.transact(six.calls[piece], sender=l1.accounts[9])
    by_choice[19].wind(three.now)
    for d in by_choice.values():
        d.upload(three, "pck_crl", "identity", "tcb_info")
    assert by_choice[19].verify(three.quote)[0]
    answers = {n: d.verify(three.quote) for n, d in by_choice.items()}
    assert answers[19][1] != answers[21][1], "each is judged with its own number's collateral"


# --- forged lists ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def subject(forged):
    """A good quote of another Intel, whose key for JSON software-qe has."""
    s = forged["Processor CA"]
    assert s["library"]["authentic"]
    return s


def text_time(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def entry(number, recovery, **more):
    return {"tcbEvaluationDataNumber": number, "tcbRecoveryEventDate": text_time(recovery),
            "tcbDate": text_time(recovery), **more}


def a_list(issued, *entries, **more):
    return {"id": "TDX", "version": 1, "issueDate": text_time(issued), "nextUpdate": text_time(issued + 30 * DAY),
            "tcbEvalNumbers": list(entries), **more}


class Forged(Dcap):
    """A contract under the forged root, with everything of the subject but the list and documents."""

    def __init__(self, l1, subject, choice):
        super().__init__(l1, ("0x" + subject["root_key"][:64], "0x" + subject["root_key"][64:]), choice)
        self.now, self.quote, self.number = subject["now"], bytes.fromhex(subject["quote"]), own_number(subject)
        self.calls = dict(uploads(subject))
        self.wind(self.now)
        for name, data in self.calls.items():
            if name not in ("tcb_info", "qe_identity"):
                self.transact(data)

    def put_list(self, body):
        self.transact(with_signed(UPSERT, *software_qe_signs(body)))


def test_forged_standard_and_early(l1, subject):
    n = own_number(subject)
    d = Forged(l1, subject, STANDARD)
    now = d.now
    d.put_list(a_list(now - 2 * DAY, entry(n + 1, now - YEAR + 600), entry(n, now - 2 * YEAR), entry(n - 1, now - 3 * YEAR)))
    for name in ("tcb_info", "qe_identity"):
        d.transact(d.calls[name])
    assert counting(d) == n and d.verify(d.quote)[0]
    # Order in the list does not matter, nor how near the day is.
    d.put_list(a_list(now - DAY, entry(n - 1, now - 3 * YEAR), entry(n, now - 2 * YEAR), entry(n + 1, now - YEAR + 600)))
    assert d.verify(d.quote, time=now + 599)[0]
    assert d.verify(d.quote, time=now + 600) == (False, f"the QE identity of evaluation number {n + 1} is missing")
    d.wind(now + 600)
    assert counting(d) == n + 1
    d.put_list(a_list(now, entry(n, now - 2 * YEAR), entry(n + 1, now + 600)))  # Intel puts the day off
    assert counting(d) == n and d.verify(d.quote)[0]
    d.put_list(a_list(now + 300, entry(n, now - YEAR + 1200)))
    assert d.verify(d.quote) == (False, "no TCB evaluation number of the list is a year old")
    assert d.verify(d.quote, time=now + 1200)[0]


def test_forged_early_is_the_highest_number(l1, subject):
    n = own_number(subject)
    d = Forged(l1, subject, EARLY)
    d.put_list(a_list(d.now - DAY, entry(n - 1, d.now - YEAR), entry(n, d.now + 99 * DAY), entry(n - 2, 0)))
    for name in ("tcb_info", "qe_identity"):
        d.transact(d.calls[name])
    assert counting(d) == n and d.verify(d.quote)[0]


@pytest.mark.parametrize(
    "change, reason",
    [
        (lambda b, n: b.update(id="SGX"), "no list for TDX of version 1, or incomplete"),
        (lambda b, n: b.update(version=2), "no list for TDX of version 1, or incomplete"),
        (lambda b, n: b.pop("nextUpdate"), "no list for TDX of version 1, or incomplete"),
        (lambda b, n: b.pop("issueDate"), "no list for TDX of version 1, or incomplete"),
        (lambda b, n: b.pop("tcbEvalNumbers"), "no list for TDX of version 1, or incomplete"),
        (lambda b, n: b.update(tcbEvalNumbers=[]), "none, or more than 64"),
        (lambda b, n: b.update(tcbEvalNumbers=[entry(i + 1, 0) for i in range(65)]), "none, or more than 64"),
        (lambda b, n: b["tcbEvalNumbers"][0].pop("tcbRecoveryEventDate"), "an entry lacks number or dates"),
        (lambda b, n: b["tcbEvalNumbers"][0].pop("tcbDate"), "an entry lacks number or dates"),
        (lambda b, n: b["tcbEvalNumbers"][0].update(tcbEvaluationDataNumber=0), "an entry lacks number or dates"),
        (lambda b, n: b["tcbEvalNumbers"][0].update(tcbEvaluationDataNumber=1 << 32), "JSON: "),
        (lambda b, n: b["tcbEvalNumbers"][0].update(tcbRecoveryEventDate="2025-05-13"), "JSON: a time like"),
    ],
)
def test_lists_that_are_none(l1, subject, change, reason):
    d = Forged(l1, subject, STANDARD)
    body = a_list(d.now - DAY, entry(17, d.now - 2 * YEAR))
    d.put_list(a_list(d.now - 2 * DAY, entry(17, d.now - 2 * YEAR)))
    change(body, 17)
    with pytest.raises(Reverted) as problem:
        d.put_list(body)
    assert reason in problem.value.reason, problem.value


def test_who_signed_a_list(l1, subject):
    d = Forged(l1, subject, STANDARD)
    body, signature = software_qe_signs(a_list(d.now - DAY, entry(17, d.now - 2 * YEAR)))
    with refused("Invalid_TCB_Cert_Signature()"):
        d.transact(with_signed(UPSERT, body.replace(b":17,", b":16,"), signature))
    with refused("Invalid_TCB_Cert_Signature()"):
        d.transact(with_signed(UPSERT, body, signature[:-1] + bytes([signature[-1] ^ 1])))
    need_vectors()
    with refused("Invalid_TCB_Cert_Signature()"):  # Intel's own, under another root
        d.transact(intel_list(JUNE))
    assert counting(d) == 0 and d.verify(d.quote) == (False, NO_LIST)
