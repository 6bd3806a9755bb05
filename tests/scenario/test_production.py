"""A quote's way in production mode: verdict, collateral on chain, registration, proofs. The quotes are the
software enclave's, the chain and the contracts are real."""

import json
import os
import re
import shutil
import subprocess
import time

import pytest
from l1 import REPO, cast
from process import PATIENCE, program
from standins import make_pki, put_multicall3, upload_as_stranger
from world import Key, until

DAY = 86400


@pytest.fixture
def world(new_world):
    return new_world("dcap")


def production(world, pccs, **settings):
    options = {
        "ETHREX_TDX_DEV_MODE": "false", "COLLATERAL_SOURCES": f"pccs+{pccs.url}",
        "DCAP_ROOT_FILE": world.pki() / "root_ca.pem", **settings}
    return world.coordinator(**options)


@pytest.fixture
def pccs(world):
    return world.pccs()


@pytest.fixture
def qe(world):
    return world.software_qe()


def refused(c, quote, code="setup_refused", **options):
    answer = c.setup(quote, **options)
    assert answer is not True, "the quote was accepted"
    assert answer["Error"]["code"] == code, answer
    return answer["Error"]["message"]


def prove_until(world, c, key, last, seconds=60):
    end = time.monotonic() + seconds
    while world.verified < last:
        assert time.monotonic() < end, c.log()[-3000:]
        if world.prove(c, key) is None:
            time.sleep(0.05)


def test_a_quote_becomes_a_registered_key_and_batches_are_verified(world, pccs, qe):
    c = production(world, pccs, POLICY_FILE=REPO / "config" / "policy.example.json").start()
    prover = world.prover(c, qe=qe).start()
    c.saw(r"event=setup_acknowledged .*as=active", 90)
    text = c.verb("collateral").stdout
    assert "90c06f000000-platform" in text and "ok 4" in text, text
    uploads = [e["what"] for e in c.told("collateral_uploaded", 7)]
    assert len(uploads) == 7 and uploads[-2:] == ["TD_QE identity", "TCB info of FMSPC 90c06f000000"]
    world.feed(c, 3)
    world.until_verified(3)
    assert prover.processed(3) == [1, 2, 3]
    # A second coordinator's worth of knowledge: nothing is uploaded again.
    c.stop()
    c.start()
    c.saw("event=quote_fit")
    assert len(c.events("collateral_uploaded")) == 7
    text = c.verb("provers").stdout
    assert prover.address in text.lower() and "active" in text and "UpToDate" in text, text
    text = c.verb("tcb-status").stdout
    assert "DcapVerifier" in text or "not read yet" in text, text


def test_uploads_in_one_transaction(world, pccs, qe):
    put_multicall3(world.l1)
    c = production(world, pccs).start()
    c.saw("event=l1_read")
    key = Key()
    assert c.setup(qe.quote(key.payload)) is True and world.signer == key.address
    assert [e["what"] for e in c.told("collateral_uploaded")] == ["root CA certificate and 6 more"]
    assert gas_paid(world) == 2


def test_a_guest_that_starts_again_is_registered_sooner(world, pccs, qe):
    """Its new key comes with a good quote from where the active one came from: half the silence is enough. Another
    guest of that host, which is at work, is not mistaken for it."""
    silence = 20
    c = production(world, pccs, PROVER_SILENCE=1000 * silence).start()
    first, neighbour, again = Key(), Key(), Key()
    until("registered", lambda: c.setup(qe.quote(first.payload)) is True and world.signer == first.address, 60, 0.5)
    assert c.setup(qe.quote(neighbour.payload)) is True
    world.feed(c, 3)
    for number in (1, 2):
        assert c.submit(number, world.proof(first, number)) is True
    world.until_verified(2)
    began = time.monotonic()
    assert c.setup(qe.quote(again.payload)) is True
    # The neighbour shows nothing, and the one that died nothing more.
    until("the switch", lambda: c.submit(3, world.proof(again, 3)) is True and world.signer == again.address, 60, 0.5)
    assert silence / 2 - 2 < time.monotonic() - began < silence - 2
    world.until_verified(3)


def gas_paid(world):
    """What the sender of registrations has sent so far, in transactions."""
    sender = cast("wallet", "address", "--private-key", world.dir.joinpath("tdx.key").read_text().strip())
    return int(world.l1.rpc("eth_getTransactionCount", sender, "latest"), 16)


def test_a_verifier_that_goes_by_the_standard_number(new_world):
    """The list of numbers is fetched and goes up with the rest. Without one no gas is spent."""
    world = new_world("dcap-standard")
    pccs, qe = world.pccs(), world.software_qe()
    (world.pki() / "tcb_evaluation_numbers.json").unlink()
    c = production(world, pccs).start()
    c.saw("event=l1_read")
    key = Key()
    quote = qe.quote(key.payload)

    def no_list_anywhere():
        return "it is not on the PCCS, and no collateral source has given it" in refused(c, quote, "try_again")

    until("the list is missed", no_list_anywhere, 60, 1)
    assert "/tdx/certification/v4/tcbevaluationdatanumbers" in pccs.requests()
    assert gas_paid(world) == 0
    world.pki("--age", "60")
    assert c.verb("collateral", "refresh").returncode == 0
    until("registered", lambda: c.setup(quote) is True and world.signer == key.address, 60, 1)
    assert [e["what"] for e in c.told("collateral_uploaded", 8)] == [
        "root CA certificate", "root CA CRL", "PCK Platform CA certificate", "TCB signing certificate",
        "PCK CRL of the Platform CA", "list of TCB evaluation numbers", "TD_QE identity",
        "TCB info of FMSPC 90c06f000000"]
    shown = c.verb("tcb-status").stdout
    assert "by it number 17 counts" in shown, shown
    # A recovery a year ago becomes the standard one: its list, and what goes with it.
    world.pki("--evaluation", "18", "--age", "30")
    assert c.verb("collateral", "refresh").returncode == 0
    c.saw("event=collateral .*evaluation=18")
    other = Key()
    assert c.setup(qe.quote(other.payload)) is True
    assert c.verb("promote", other.address).returncode == 0
    until("the other is registered", lambda: world.signer == other.address, 60)
    assert int(world.l1.call(world.dcap, "evaluationNumber()"), 16) == 18
    until("what goes with it is up", lambda: [e["what"] for e in c.events("collateral_uploaded")[8:]][-3:] == [
        "list of TCB evaluation numbers", "TD_QE identity", "TCB info of FMSPC 90c06f000000"])


def test_a_verifier_that_goes_by_a_fixed_number(world):
    """It is asked at the start: the quote is judged with that number's collateral, not with the standard one, by which
    the platform is OutOfDate; and also where the chain lacks nothing."""
    fixed = make_pki(world.dir / "fixed", "--evaluation", "17", "--age", 40 * DAY)
    world.pki("--evaluation", "18", "--tcb-status", "OutOfDate", "--age", 10 * DAY)
    pccs, qe = world.pccs("--dir", world.pki(), "--dir", fixed), world.software_qe()
    source = world.pccs("--dir", fixed, name="fixed")
    world.upload_collateral(source)
    c = production(world, pccs).start()
    c.saw("event=evaluation_number_fixed number=17")
    key = Key()
    assert c.setup(qe.quote(key.payload)) is True and world.signer == key.address
    asked = [r for r in pccs.requests() if "/tdx/" in r and "tcbevaluation" not in r]
    assert asked and all("tcbEvaluationDataNumber=17" in r for r in asked if "update=early" not in r), asked
    assert not c.events("collateral_uploaded")


def test_a_verifier_that_goes_by_the_early_number(new_world):
    """The standard TCB info, which is fetched first, is none that this contract would look at."""
    world = new_world("dcap-early")
    early = make_pki(world.dir / "early", "--evaluation", "18", "--age", 2 * DAY)
    world.pki("--early", "18")
    pccs, qe = world.pccs("--dir", world.pki(), "--dir", early), world.software_qe()
    c = production(world, pccs).start()
    c.saw("event=l1_read")
    key = Key()
    quote = qe.quote(key.payload)
    until("registered", lambda: c.setup(quote) is True and world.signer == key.address, 60, 1)
    assert [r for r in pccs.requests() if "update=standard" in r] and [
        r for r in pccs.requests() if r.endswith("/tcb?fmspc=90c06f000000&tcbEvaluationDataNumber=18")]
    assert len(c.told("collateral_uploaded", 8)) == 8 and not c.events("collateral_failed")
    # After a restart it is known what the contract asks for.
    c.kill()
    before = len(pccs.requests())
    c.start()
    c.saw("event=quote_fit")
    assert c.verb("collateral", "refresh").returncode == 0
    until("it asks for 18", lambda: [r for r in pccs.requests()[before:] if "tcbEvaluationDataNumber=18" in r])


REFUSALS = [
    # flags of the quote, what the sentence must say
    (["--rtmr1", "11" * 48], r"RTMR1 differs from the TDXVerifier's: quote 1111111111111111\.\.\., contract 53827a034d1e4c7f\.\.\."),
    (["--mrtd", "22" * 48], r"MRTD differs from the TDXVerifier's: quote 2222222222222222"),
    (["--mrtd", "22" * 48, "--rtmr2", "33" * 48], r"MRTD differs.*RTMR2 differs"),
    (["--debug-td"], r"can be debugged"),
    (["--version", "v5"], r"version 5"),
    (["--break", "signature"], r"quote is signed by the attestation key.*does not hold"),
    (["--break", "qe-signature"], r"QE report is signed by the PCK key.*does not hold"),
    (["--break", "binding"], r"QE report vouches for the attestation key"),
    (["--break", "chain"], r"PCK"),
    (["--break", "cut"], r"."),
    (["--tcb-svn", "1"], r"below every level.*TDX TCB component 4 is 1 and must be 5"),
]


def test_each_refusal_is_a_sentence_and_costs_no_gas(world, pccs, qe):
    c = production(world, pccs).start()
    c.saw("event=l1_read")
    for flags, words in REFUSALS:
        quote = qe.quote(Key().payload, *flags)
        source = f"127.0.1.{1 + REFUSALS.index((flags, words))}"  # nobody of them tries twice in a row
        text = refused(c, quote, source=source)
        assert re.search(words, text, re.S), (flags, text)
        again = refused(c, quote, source=source)
        assert again.startswith("refused before: "), again
    assert int(world.signer, 16) == 0 and c.provers() == {}
    assert gas_paid(world) == 0, "a refused quote cost gas"
    # Collateral was fetched for the last one alone: the others' own chains or images did not hold.
    assert len([r for r in pccs.requests() if "tcbEvaluationDataNumber=17" in r and "/tcb" in r]) == 1, pccs.requests()


def test_explain_says_what_was_wrong_also_after_a_restart(world, pccs, qe):
    c = production(world, pccs).start()
    c.saw("event=l1_read")
    quote = qe.quote(Key().payload, "--rtmr0", "44" * 48)
    refused(c, quote)
    path = world.dir / "quote.bin"
    path.write_bytes(quote)
    done = c.verb("explain", path)
    assert done.returncode == 0 and "RTMR0 differs" in done.stdout, done
    # Collateral was never fetched: of its checks none is told as failed.
    assert "not true" not in done.stdout and "none of Intel's failed" in done.stdout, done.stdout
    name = re.search(r"quote     ([0-9a-f]{64})", done.stdout)[1]
    c.saw(f"event=setup_refused .*quote_sha256={name}")
    log = world.dir / "guest.log"
    log.write_text(f"12:00 start\n12:01 Sending quote {quote.hex()}\n12:02 done\n")
    assert c.verb("explain", log).stdout == done.stdout
    time.sleep(1.5)  # verdicts are written lazily
    c.kill()
    c.start()
    hexfile = world.dir / "quote.hex"
    hexfile.write_text("0x" + quote.hex() + "\n")
    done = c.verb("explain", hexfile, "--json")
    verdict = json.loads(done.stdout)
    assert verdict["answer"] == "refused" and "RTMR0" in verdict["reason"]
    done = c.verb("explain", verdict["quote_sha256"][:12])
    assert done.returncode == 0 and "RTMR0" in done.stdout
    done = c.verb("explain", "deadbeef")
    assert done.returncode == 1 and "no verdict" in done.stderr
    done = c.verb("explain", world.dir / "nothing-there")
    assert done.returncode == 1 and "cannot read" in done.stderr


def test_a_quotes_collateral_as_one_file(world, pccs, qe):
    """Without a daemon, by either program; from the cache where the daemon left one."""
    c = production(world, pccs)
    quote = world.dir / "guest.log"
    quote.write_text(f"12:01 Sending quote {qe.quote(Key().payload).hex()}\n")
    done = c.verb("collateral", "fetch", quote)
    assert done.returncode == 0, done.stderr
    asked = len(pccs.requests())
    assert asked >= 4
    bundle = json.loads(done.stdout)
    assert set(bundle) == {"tcb_info", "qe_identity", "tcb_signing_chain", "qe_identity_signing_chain", "pck_crl",
                           "pck_crl_issuer_chain", "root_ca_crl"}
    one = world.dir / "bundle.json"
    one.write_text(done.stdout)
    verify = [program("verifier", "tdx-quote"), "verify", quote, "--collateral", one, "--root", world.pki() / "root_ca.pem"]
    judged = subprocess.run(verify, capture_output=True, text=True)
    assert judged.returncode == 0 and "genuine; image not compared" in judged.stdout, judged.stdout
    # The other program asks this one.
    env = {**c.env(), "PATH": f"{program('coordinator', 'proof-coordinator').parent}:{os.environ['PATH']}"}
    again = subprocess.run([program("verifier", "tdx-quote"), "collateral", "fetch", quote], env=env, capture_output=True, text=True)
    assert again.returncode == 0 and json.loads(again.stdout) == bundle, again.stderr
    c.start()
    c.saw("event=l1_read")
    c.setup(qe.quote(Key().payload))
    c.kill()
    asked = len(pccs.requests())
    assert json.loads(c.verb("collateral", "fetch", quote).stdout) == bundle
    assert len(pccs.requests()) == asked, "the cache was not used"
    for bad in (world.dir / "nothing-there", one):
        done = c.verb("collateral", "fetch", bad)
        assert done.returncode == 1 and done.stderr.startswith("proof-coordinator: "), done


def test_the_policy_comes_on_top(world, pccs, qe):
    policy = world.dir / "policy.json"
    policy.write_text(json.dumps({"images": [{"name": "other", "rtmr3": "55" * 48}]}))
    c = production(world, pccs, POLICY_FILE=policy).start()
    c.saw("event=l1_read")
    text = refused(c, qe.quote(Key().payload))
    assert "RTMR3" in text or "image" in text, text
    good = Key()
    assert c.setup(qe.quote(good.payload, "--rtmr3", "55" * 48)) is True
    assert world.signer == good.address


def test_a_bad_policy_file_stops_the_start(world, pccs):
    policy = world.dir / "policy.json"
    policy.write_text('{"accepted_tcb_statuses": ["Revoked"]}')
    c = production(world, pccs, POLICY_FILE=policy).start(ready=False)
    assert c.process.wait(PATIENCE) == 78
    assert re.search(r'POLICY_FILE: ".*": policy, byte 36: Revoked cannot be accepted', c.log()), c.log()


TROUBLES = [
    ({"mode": "status", "status": 429, "retry_after": 60}, "429|patience|requests"),
    ({"mode": "status", "status": 404}, "404|no TCB info|not found|does not have"),
    ({"mode": "status", "status": 500}, "500"),
    ({"mode": "garbage"}, "."),
    ({"mode": "bad-signature", "match": "tcb"}, "sign"),
    ({"mode": "no-chain"}, "chain"),
    ({"mode": "redirect", "location": "http://127.0.0.1:9/"}, "302|redirect"),
]


def test_collateral_trouble_is_named_and_then_over(world, pccs, qe):
    """Each failure of the source is a sentence of its own; the quote can come again."""
    sentences = set()
    for number, (mode, words) in enumerate(TROUBLES):
        pccs.mode(mode)
        c = production(world, pccs, name=f"trouble{number}").start()
        c.saw("event=l1_read")
        text = refused(c, qe.quote(Key().payload), "try_again")
        assert re.search(words, text), (mode, text)
        sentences.add(re.sub(r"[0-9]+", "N", text))
        c.kill()
        world.parts.remove(c)
    assert len(sentences) == len(TROUBLES), sentences
    pccs.mode("ok")
    c = production(world, pccs).start()
    good = Key()
    c.saw("event=l1_read")
    assert c.setup(qe.quote(good.payload)) is True
    assert world.signer == good.address


def test_a_dead_source_does_not_matter_while_another_lives(world, pccs, qe):
    c = production(world, pccs, COLLATERAL_SOURCES=f"pccs+http://127.0.0.1:9,pccs+{pccs.url}").start()
    c.saw("event=l1_read")
    key = Key()
    assert c.setup(qe.quote(key.payload)) is True
    text = c.verb("collateral").stdout
    assert "unreachable" in text, text
    # And none at all, once what is on disk is fresh.
    pccs.kill()
    c.kill()
    c.start()
    c.saw("event=quote_fit")
    c.saw("event=l1_read")
    assert c.setup(qe.quote(Key().payload)) is True


def test_collateral_from_a_directory(world, qe):
    c = world.coordinator(ETHREX_TDX_DEV_MODE="false", COLLATERAL_SOURCES=f"dir:{world.pki()}",
                          DCAP_ROOT_FILE=world.pki() / "root_ca.pem").start()
    c.saw("event=l1_read")
    key = Key()
    assert c.setup(qe.quote(key.payload)) is True
    assert world.signer == key.address


def test_killed_at_every_step_and_still_registered(world, pccs, qe):
    """kill -9 after each line of the way; in the end the key is registered and its batch verified."""
    c = production(world, pccs)
    key = Key()
    quote = qe.quote(key.payload)
    steps = ["event=state_loaded", "event=ready", "event=l1_read", "event=registration_preparing",
             "event=collateral_upload_started", "event=collateral_uploaded",
             "number=4 of=", "event=collateral_on_chain", "event=registration_started", "event=registered"]
    for step in steps:
        c.start(ready=False)
        if step not in ("event=state_loaded", "event=ready"):
            c.saw("event=ready")
            c.saw("event=l1_read")
            offer(c, quote)
        until(step, lambda: step in c.log()[c.begun:] or int(world.signer, 16), 60)
        c.kill()
    c.start()
    c.saw("event=l1_read")
    assert c.setup(quote) is True
    assert world.signer == key.address
    world.feed(c, 2)
    prove_until(world, c, key, 2)
    # However often it was killed, no piece went up twice.
    names = [e["what"] for e in c.events("collateral_uploaded")]
    assert len(names) == len(set(names)), names


def offer(c, quote):
    """Sends a setup and does not wait for its answer."""
    link = c.connect()
    link.sendall(json.dumps({"ProverSetup": {"prover_type": "TDX", "payload": list(quote)}}).encode())
    return link


def test_gas_that_is_not_there_is_named(world, pccs, qe):
    for name, setting, words in (("budget", "REGISTER_GAS_PER_DAY", "today's gas budget for registrations is exhausted"),
                                 ("cap", "TX_GAS_CAP", "exceeds the cap of 100000")):
        c = production(world, pccs, name=name, **{setting: 100000}).start()
        c.saw("event=l1_read")
        assert words in refused(c, qe.quote(Key().payload), "try_again")
        assert not c.events("collateral_uploaded")
        c.kill()


def test_failover_among_three(world, pccs, qe):
    c = production(world, pccs, PROVER_SILENCE=2000).start()
    c.saw("event=l1_read")
    keys = [Key() for _ in range(3)]
    for key in keys:
        assert c.setup(qe.quote(key.payload)) is True
    assert world.signer == keys[0].address
    states = [p["state"] for p in c.provers().values()]
    assert sum("active" in s for s in states) == 1 and sum("standby" in s for s in states) == 2
    world.feed(c, 2)
    prove_until(world, c, keys[0], 2)
    # The first falls silent; the second works on.
    world.feed(c, 4)
    prove_until(world, c, keys[1], 4, 90)
    assert world.signer == keys[1].address
    # At the operator's word the third takes over, without having shown anything.
    done = c.verb("promote", keys[2].address)
    assert done.returncode == 0 and "next" in done.stdout, done
    until("the third is registered", lambda: world.signer == keys[2].address, 60)
    done = c.verb("revoke", keys[2].address)
    assert done.returncode == 0 and "revoked" in done.stdout, done
    until("another is registered", lambda: world.signer in (keys[0].address, keys[1].address), 60)
    assert "revoked" in refused(c, qe.quote(keys[2].payload))
    assert "not registered here" in c.verb("promote", Key().address).stderr
    assert c.verb("promote", "0x12").returncode == 64
    # A revocation outlives a crash.
    c.kill()
    c.start()
    c.saw("event=l1_read")
    assert "revoked" in refused(c, qe.quote(keys[2].payload))


def test_what_the_chain_s_newer_crl_revokes_costs_nothing(world, qe):
    """A source that is behind: by its CRL the platform is good, by the chain's it is not."""
    behind = world.pki().parent / "behind"
    shutil.copytree(world.pki(), behind)
    make_pki(world.pki(), "--age", "60", "--revoked", "pck")
    ahead, pccs = world.pccs(), world.pccs("--dir", behind, name="behind")
    upload_as_stranger(world.l1, ahead, lambda _: world.dcap, ("QE identity", "TCB info"))
    c = production(world, pccs).start()
    c.saw("event=l1_read")
    key = Key()
    quote = qe.quote(key.payload)
    assert "the PCK certificate is revoked" in refused(c, quote, "try_again")
    assert gas_paid(world) == 0 and not c.events("collateral_uploaded")
    # Intel takes it back: a newer CRL goes up, and the rest.
    make_pki(behind, "--age", "10")
    assert c.verb("collateral", "refresh").returncode == 0
    until("registered", lambda: c.setup(quote) is True and world.signer == key.address, 90, 1)
    c.saw('event=collateral_uploaded .*what="PCK CRL of the Platform CA"')


def test_a_platform_is_revoked_and_taken_back(world, pccs, qe):
    c = production(world, pccs).start()
    c.saw("event=l1_read")
    active, other = Key(), Key()
    assert c.setup(qe.quote(active.payload)) is True
    ppid = next(n for n in c.provers()[active.address]["names"] if n.startswith("ppid:"))
    assert f"platform {ppid}, fmspc:" in c.verb("provers").stdout
    done = c.verb("revoke", ppid)
    assert done.returncode == 0 and "no other key here can take its place" in done.stdout, done
    assert "promote" in done.stdout
    assert "but still on chain" in c.provers()[active.address]["state"]
    # All of that machine's keys, known or not, and after a crash.
    c.kill()
    c.start()
    c.saw("event=l1_read")
    assert f"the operator revoked {ppid}, and the quote of" in refused(c, qe.quote(other.payload))
    (verdict,) = [v for v in json.loads(c.admin("GET", "/api/v1/verdicts")[1])["verdicts"] if v["answer"] == "refused"]
    assert f"the operator revoked {ppid}" in c.verb("explain", verdict["quote_sha256"]).stdout
    assert f"{ppid}  " in c.verb("revocations").stdout
    done = c.verb("unrevoke", ppid)
    assert done.returncode == 0 and "revoked no more" in done.stdout, done
    assert c.verb("unrevoke", ppid).returncode == 1 and c.verb("revoke", "ppid:12").returncode == 64
    assert c.setup(qe.quote(other.payload)) is True
    assert "nothing is revoked" in c.verb("revocations").stdout


def test_a_tcb_recovery_makes_a_registered_key_unfit(new_world):
    world = new_world("dcap-standard")  # a fixed number knows no recovery
    pccs, qe = world.pccs(), world.software_qe()
    c = production(world, pccs, MAX_CLOCK_SKEW=0).start()
    c.saw("event=l1_read")
    key = Key()
    assert c.setup(qe.quote(key.payload)) is True
    world.pki("--tcb-status", "OutOfDate", "--evaluation", "18", "--age", "10")
    assert c.verb("collateral", "refresh").returncode == 0
    c.saw(r"event=quote_unfit .*OutOfDate")
    assert "OutOfDate" in c.verb("provers").stdout
    assert c.metric("quotes_unfit_total") == 1
    other = Key()
    quote = qe.quote(other.payload)
    assert "OutOfDate" in refused(c, quote)
    assert "refused before" in refused(c, quote)
    # What the contract holds is still good for proofs, and nothing better is there.
    world.feed(c, 1)
    prove_until(world, c, key, 1)
    assert world.signer == key.address
    # With better collateral both pass again, the one that was refused too.
    world.pki("--evaluation", "19", "--age", "5")
    assert c.verb("collateral", "refresh").returncode == 0
    c.saw("event=quote_fit", start=c.log().rfind("event=quote_unfit"))
    assert c.setup(quote) is True


def test_an_early_tcb_info_warns_ahead(world, qe):
    """The standard TCB info is content with the platform, the early one asks for more."""
    early = make_pki(world.dir / "early", "--tcb-status", "OutOfDate", "--evaluation", "18")
    pccs = world.pccs("--dir", world.pki(), "--dir", early)
    c = production(world, pccs).start()
    c.saw("event=l1_read")
    key = Key()
    assert c.setup(qe.quote(key.payload)) is True
    c.kill()  # a start verifies what is kept
    c.start()
    c.saw(r"event=tcb_recovery_ahead .*OutOfDate.* is \d+ and must be \d+")
    shown = c.verb("provers").stdout
    assert "at the next TCB recovery: " in shown and "must be" in shown, shown
    # It is only a warning.
    assert "UpToDate" in shown and world.signer == key.address
    assert c.metric("quotes_unfit_total") == 0


def test_expiry_in_the_middle(world, pccs, qe):
    c = production(world, pccs, MAX_CLOCK_SKEW=0, SEND_INTERVAL=200).start()
    c.saw("event=l1_read")
    key = Key()
    assert c.setup(qe.quote(key.payload)) is True
    # A month passes on L1, and the source has nothing newer.
    world.l1.rpc("evm_increaseTime", 27 * DAY)
    world.l1.rpc("evm_mine")
    c.saw(r"event=evidence_expires .*days=[0-6]")
    world.l1.rpc("evm_increaseTime", 8 * DAY)
    world.l1.rpc("evm_mine")
    other = Key()

    def stale():
        answer = c.setup(qe.quote(Key().payload))
        return answer is not True and answer["Error"]["message"]

    text = until("stale collateral is refused", stale)
    assert re.search("expired|ended|no longer|old|until", text), text
    assert world.signer == key.address and other.address != key.address


def test_a_reorg_that_drops_the_registration(world, pccs, qe):
    c = production(world, pccs, CONFIRMATIONS=1).start()
    c.saw("event=l1_read")
    key = Key()
    world.upload_collateral(pccs)
    snapshot = world.l1.rpc("evm_snapshot")
    assert c.setup(qe.quote(key.payload)) is True
    assert world.signer == key.address
    assert world.l1.rpc("evm_revert", snapshot) is True
    assert int(world.signer, 16) == 0
    until("registered again", lambda: world.signer == key.address, 90)


def test_two_hostile_clients_flood_setups(world, pccs, qe):
    c = production(world, pccs, MAX_VERIFICATIONS=4).start()
    c.saw("event=l1_read")
    bad = [qe.quote(Key().payload, "--break", "signature") for _ in range(12)]
    bad += [qe.quote(Key().payload, "--rtmr1", f"{n:02x}" * 48) for n in range(12)]
    answers = []
    for n in range(72):
        answer = c.setup(bad[n % len(bad)], source=f"127.0.0.{2 + n % 2}")
        answers.append(answer["Error"]["message"])
    assert any("one after the other" in a for a in answers), answers[-1]
    assert any(a.startswith("refused before") for a in answers)
    # An honest prover from elsewhere is served at once, and no gas went to the others.
    key = Key()
    assert c.setup(qe.quote(key.payload), source="127.0.0.9") is True
    assert world.signer == key.address
    assert c.metric('quotes_total{verdict="refused"}') <= len(bad)
    assert c.metric("quotes_penalised_total") > 0


def test_a_registration_for_governance(world, pccs, qe):
    c = production(world, pccs, REGISTER_ROUTE="file").start()
    c.saw("event=l1_read")
    key = Key()
    assert c.setup(qe.quote(key.payload)) is True  # as standby: it may work meanwhile
    path = c.data / "proposals" / f"{cast('to-check-sum-address', key.address)}.json"
    until("the proposal is written", path.exists, 60)
    call = json.loads(path.read_text())
    assert int(world.signer, 16) == 0 and call["to"].lower() == world.verifier.lower()
    # Governance does it in its own time, and the registrar sees that it is done.
    world.l1.transact({"from": world.l1.accounts[2], "to": call["to"], "data": call["data"]})
    c.saw(f"event=signer_changed .*to {cast('to-check-sum-address', key.address)}")
    world.feed(c, 1)
    prove_until(world, c, key, 1)


def test_no_onchain_pccs_leaves_the_uploads_to_others(world, pccs, qe):
    c = production(world, pccs, NO_ONCHAIN_PCCS="true").start()
    c.saw("event=l1_read")
    quote = qe.quote(Key().payload)
    text = refused(c, quote, "try_again")
    assert not c.events("collateral_upload_started"), text
    world.upload_collateral(pccs)
    key = Key()
    quote = qe.quote(key.payload)
    until("registered", lambda: c.setup(quote) is True or world.signer == key.address, 60, 1)
