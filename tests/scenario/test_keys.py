"""Where the key is: in a process of its own, in an encrypted file, at a remote signer; and what becomes of each
when something dies, hangs or lies."""

import json
import os
import pathlib
import random
import signal
import time

import pytest
from certificates import Party
from test_config import EXIT_CONFIG
from web3signer import ORDER, Web3Signer
from world import Background, Key, L1_KEY, P, TDX_KEY, cast, until

L1_ADDRESS = cast("wallet", "address", "--private-key", L1_KEY)


@pytest.fixture
def signer():
    made = Web3Signer(L1_KEY)
    yield made
    made.close()


def remote(signer, **more):
    return {"L1_PRIVATE_KEY_FILE": None, "TDX_PRIVATE_KEY_FILE": None, "REMOTE_SIGNER_URL": signer.url,
            "REMOTE_SIGNER_PUBLIC_KEY": signer.public_key, **more}


def work_through(world, c, key, last):
    """Feeds and proves up to this batch, and waits until it is verified."""
    world.feed(c, last)
    prove_all(world, c, key, last)
    world.until_verified(last)


def prove_all(world, c, key, last):
    proven = set()
    until(f"proofs up to {last}", lambda: (proven.add(world.prove(c, key)), last in proven or world.verified >= last)[1])


def sent_from(world, address):
    """The transactions of an account, oldest first."""
    found = []
    for n in range(int(world.l1.rpc("eth_blockNumber"), 16) + 1):
        block = world.l1.rpc("eth_getBlockByNumber", hex(n), True)
        found += [t for t in block["transactions"] if t["from"].lower() == address.lower()]
    return found


def processes_of(c):
    """(keeper, child) that hold the keys."""
    keeper = int(c.told("signer_started")[-1]["pid"])
    children = pathlib.Path(f"/proc/{keeper}/task/{keeper}/children")
    return keeper, int(until("a child of the keeper", lambda: children.read_text().split())[0])


# --- a remote signer ---


def test_a_remote_signer_signs_everything(world, signer):
    c = world.coordinator(**remote(signer)).start()
    c.saw("event=signer_ready .*keys=2")
    assert not c.events("signer_started")
    key = Key()
    c.enroll(key)
    assert world.signer == key.address
    work_through(world, c, key, 3)
    sent = sent_from(world, signer.address)
    registered, verified = sent[0], sent[1:]
    assert registered["to"].lower() == world.verifier.lower()
    assert {t["to"].lower() for t in verified} == {world.timelock.lower()}
    assert len(signer.signed) >= len(sent) >= 2
    ways = c.status()["l1"]["signers"]
    assert [(w["key"], w["way"], w["address"].lower(), w["trouble"]) for w in ways] == [
        ("verify", "remote", signer.address, ""), ("register", "remote", signer.address, "")]
    shown = c.verb("config")
    assert shown.returncode == 0 and f"L1_PRIVATE_KEY=(at the remote signer) address {L1_ADDRESS}" in shown.stdout
    assert c.stop() == 0


def test_a_remote_signer_signs_uploads(new_world, signer):
    world = new_world("dcap")
    pccs, qe = world.pccs(), world.software_qe()
    c = world.coordinator(**remote(signer, COLLATERAL_SOURCES=f"pccs+{pccs.url}",
                                   DCAP_ROOT_FILE=world.pki() / "root_ca.pem")).start()
    world.prover(c, qe=qe).start()
    c.saw(r"event=setup_acknowledged .*as=active")
    assert len(c.told("collateral_uploaded", 7)) == 7
    world.feed(c, 2)
    world.until_verified(2)
    assert len(sent_from(world, signer.address)) >= 9


@pytest.mark.parametrize("mood, words", [
    ("HTTP 500", r"answers with HTTP 500: \\\"the vault is sealed\\\""),
    ("HTTP 404", "does not know the public key"),
    ("HTTP 403", "lets this client in no further"),
    ("hung", "does not answer: .*timed out"),
    ("huge", "the reply is longer than 65536 bytes"),
    ("no signature", r"no signature of 65 bytes in hex: \\\"<html>welcome</html>\\\""),
    ("wrong key", f"the signature is of 0x[0-9a-fA-F]{{40}}, not of {L1_ADDRESS}"),
    ("other bytes", f"the signature is of 0x[0-9a-fA-F]{{40}}, not of {L1_ADDRESS}"),
    ("zero", "no key can have made this signature"),
    ("v 29", "last byte is 29"),
])
def test_a_signer_that_fails_or_lies(world, signer, mood, words):
    """It is said, nothing is sent and no nonce lost; provers are thanked meanwhile."""
    c = world.coordinator(**remote(signer, REMOTE_SIGNER_TIMEOUT=500)).start()
    key = Key()
    c.enroll(key)
    before = len(sent_from(world, signer.address))
    signer.mood = mood
    world.feed(c, 2)
    prove_all(world, c, key, 2)
    c.saw(f"event=not_signed .*{words}")
    until("a second try", lambda: len(signer.signed) > before + 1)
    assert c.status()["l1"]["signers"][0]["trouble"]
    assert world.verified == 0 and len(sent_from(world, signer.address)) == before
    signer.mood = None
    world.until_verified(2)
    nonces = [int(t["nonce"], 16) for t in sent_from(world, signer.address)]
    assert nonces == list(range(len(nonces)))
    assert not c.status()["l1"]["signers"][0]["trouble"]


def wanted_no_more(world, c, key, said):
    """The call for batch 1 is not signed (which is said), another sequencer verifies it, and batch 2 is next."""
    world.feed(c, 1)
    prove_all(world, c, key, 1)
    c.saw(said)
    world.l1.send(world.timelock, "verifyBatches(uint256,bytes[],bytes[],bytes[])", 1, "[0x]", "[0x]",
                  f"[0x{world.proof(key, 1).hex()}]", sender=world.l1.accounts[0])
    world.until_verified(1)
    world.feed(c, 2)
    prove_all(world, c, key, 2)


def test_a_call_that_was_never_signed_leaves_its_nonce_to_the_next(world, signer):
    c = world.coordinator(**remote(signer)).start()
    key = Key()
    c.enroll(key)
    signer.mood = "HTTP 500"
    wanted_no_more(world, c, key, "event=not_signed")
    signer.mood = None
    world.until_verified(2)
    assert "another call is signed at nonce" not in c.log()


@pytest.mark.parametrize("mood", ["high s", "JSON"])
def test_what_is_put_right(world, signer, mood):
    signer.mood = mood
    c = world.coordinator(**remote(signer)).start()
    key = Key()
    c.enroll(key)
    work_through(world, c, key, 1)
    for t in sent_from(world, signer.address):
        assert int(t["s"], 16) <= ORDER // 2


def test_a_signer_that_is_not_there_at_the_start(world):
    gone = Web3Signer(L1_KEY)
    gone.close()
    c = world.coordinator(**remote(gone, SETUP_TIMEOUT=1000)).start()
    c.saw(f"event=signer_trouble signer={gone.url} reason=\"it does not answer: ")
    c.saw("event=l1_read")
    key = Key()
    assert c.setup(key.payload) is not True
    world.feed(c, 1)
    until("the needed types", lambda: world.prove(c, key) == 1)
    c.saw("event=not_signed .*does not answer")
    back = Web3Signer(L1_KEY, port=gone.port)
    c.saw("event=signer_ready")
    until("the registration", lambda: world.signer == key.address)
    world.until_verified(1)
    back.mood = "other keys"
    c.stop()
    c.start()
    c.saw("event=signer_trouble .*it has 0 keys, and not the one of REMOTE_SIGNER_PUBLIC_KEY")
    back.close()


def test_a_signer_of_many_keys(world, signer):
    """Its list is longer than any other answer."""
    signer.mood = "many keys"
    c = world.coordinator(**remote(signer)).start()
    c.saw("event=signer_ready .*keys=1000")
    assert not c.events("signer_trouble")


def test_a_remote_signer_over_tls(world, tmp_path):
    authority = Party(tmp_path, "authority", authority=True)
    signer = Web3Signer(L1_KEY, party=Party(tmp_path, "signer", authority, subject_alt_name="IP:127.0.0.1"))
    c = world.coordinator(**remote(signer)).start()
    c.saw("event=signer_trouble .*it does not answer: .*certificate")
    c.stop()
    c.change(REMOTE_SIGNER_CA_FILE=authority.certificate)
    before = len(c.log())
    c.start()
    c.saw("event=signer_ready", start=before)
    key = Key()
    c.enroll(key)
    work_through(world, c, key, 1)
    signer.close()


# --- a process of its own ---


def test_the_key_is_nowhere_else(world):
    """Given by the environment, which is the worst of the ways: it is in no other process's command line or
    environment, and once the daemon serves not in its memory either."""
    c = world.coordinator(L1_PRIVATE_KEY=L1_KEY, TDX_PRIVATE_KEY=TDX_KEY, L1_PRIVATE_KEY_FILE=None, TDX_PRIVATE_KEY_FILE=None)
    c.start()
    key = Key()
    c.enroll(key)
    work_through(world, c, key, 1)
    forms = [form for k in (L1_KEY, TDX_KEY) for form in (bytes.fromhex(k[2:]), k[2:].encode(), k[2:].upper().encode())]
    pids = [c.process.pid, *processes_of(c)]
    for pid in pids:
        proc = pathlib.Path(f"/proc/{pid}")
        for name in ("cmdline", "environ"):
            assert not [f for f in forms if f in (proc / name).read_bytes()], f"{name} of {pid}"
        limits = (proc / "limits").read_text()
        assert "Max core file size" in limits and limits.split("Max core file size")[1].split()[0] == "0"
    assert not [f for f in forms if f in c.log().encode()]
    if os.geteuid() == 0:
        assert not held_by(c.process.pid, forms)
        assert held_by(pids[1], forms) and held_by(pids[2], forms)  # the search finds it where it is


def held_by(pid, forms):
    """Which of them its memory has, in all that it may write to."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            low, high = (int(x, 16) for x in span.split("-"))
            if rights.startswith("rw"):
                try:
                    memory.seek(low)
                    region = memory.read(high - low)
                except OSError:
                    continue  # the kernel's own
                if found := [f for f in forms if f in region]:
                    return found
    return []


def test_its_child_is_killed_again_and_again(world):
    c = world.coordinator().start()
    key = Key()
    c.enroll(key)
    rng = random.Random(7)

    def kill():
        os.kill(processes_of(c)[1], signal.SIGKILL)
        time.sleep(rng.random())

    kills = Background(kill)
    for last in range(1, 9):
        work_through(world, c, key, last)
    kills.stop()
    assert c.told("signer_anew")
    nonces = [int(t["nonce"], 16) for t in sent_from(world, L1_ADDRESS)]
    assert nonces == list(range(len(nonces)))
    assert c.alive and c.stop() == 0


def test_its_child_hangs(world):
    """What it signs too late is nobody's call, and keeps no nonce from the next."""
    c = world.coordinator().start()
    key = Key()
    c.enroll(key)
    child = processes_of(c)[1]
    os.kill(child, signal.SIGSTOP)
    wanted_no_more(world, c, key, "event=not_signed .*(does not answer|reads nothing)")
    os.kill(child, signal.SIGCONT)
    world.until_verified(2)
    assert "another call is signed at nonce" not in c.log() and not c.events("signer_anew")


def test_the_keeper_is_killed(world):
    """The keys are gone with it: the daemon ends, says why, and is whole when it is started again."""
    c = world.coordinator().start()
    key = Key()
    c.enroll(key)
    world.feed(c, 2)
    prove_all(world, c, key, 1)
    os.kill(processes_of(c)[0], signal.SIGKILL)
    assert c.process.wait(30) == 1
    assert "event=signer_lost" in c.log() and "was ended by signal 9" in c.log()
    c.start()
    prove_all(world, c, key, 2)
    world.until_verified(2)
    assert c.stop() == 0


def test_they_die_with_the_daemon(world):
    for end in (lambda c: c.kill(), lambda c: c.stop()):
        c = world.coordinator().start()
        pids = processes_of(c)
        os.kill(pids[0], signal.SIGTERM)  # a service manager tells all of them: that is the daemon's affair
        os.kill(pids[1], signal.SIGTERM)
        time.sleep(0.2)
        assert processes_of(c) == pids
        end(c)
        until("their end", lambda: not [p for p in pids if pathlib.Path(f"/proc/{p}").exists()])


def test_killed_in_the_middle_of_what_it_signs(world):
    c = world.coordinator().start()
    key = Key()
    c.enroll(key)
    rng = random.Random(11)
    for last in range(1, 7):
        world.feed(c, last)
        prove_all(world, c, key, last)
        time.sleep(rng.random() / 3)
        c.kill()
        c.start()
    world.until_verified(6)
    nonces = [int(t["nonce"], 16) for t in sent_from(world, L1_ADDRESS)]
    assert nonces == list(range(len(nonces)))


def test_a_reload_needs_no_key(world):
    """They were given at the start, and their files may be gone."""
    file = world.dir / "settings.env"
    file.write_text(f"{P}L1_PRIVATE_KEY={L1_KEY}\n")
    file.chmod(0o600)
    c = world.coordinator(L1_PRIVATE_KEY_FILE=None).start("--env-file", str(file))
    (world.dir / "tdx.key").unlink()
    file.write_text("ETHREX_MAXIMUM_ALLOWED_MAX_FEE_PER_GAS=9000000000\n")
    c.signal(signal.SIGHUP)
    c.saw('event=reload changed=1 result="taken over"')
    key = Key()
    c.enroll(key)
    work_through(world, c, key, 1)


def test_started_by_hand(world):
    done = world.coordinator().verb("signer")
    assert done.returncode == 64 and "started by proof-coordinator run, not by hand" in done.stderr


# --- an encrypted file ---


def test_a_keystore_of_cast(world):
    password = world.secret("password", "correct horse")
    cast("wallet", "import", "sender", "--keystore-dir", world.dir, "--private-key", L1_KEY, "--unsafe-password",
         "correct horse")
    c = world.coordinator(L1_PRIVATE_KEY_FILE=None, TDX_PRIVATE_KEY_FILE=None, KEYSTORE_FILE=world.dir / "sender",
                          KEYSTORE_PASSWORD_FILE=password)
    shown = json.loads(c.verb("config", "--json").stdout)
    assert shown[P + "L1_PRIVATE_KEY"] == f"(in the keystore) address {L1_ADDRESS}"
    assert shown[P + "KEYSTORE_PASSWORD"] == "(set, hidden)"
    c.start()
    key = Key()
    c.enroll(key)
    work_through(world, c, key, 1)
    assert {w["way"] for w in c.status()["l1"]["signers"]} == {"process"}
    c.stop()
    password.write_text("incorrect horse\n")
    for verb in ("config", "run"):
        done = c.verb(verb)
        assert done.returncode == EXIT_CONFIG and "KEYSTORE_FILE: the password is wrong" in done.stderr
        assert "horse" not in done.stderr + done.stdout


@pytest.mark.parametrize("settings, words", [
    ({"KEYSTORE_FILE": "/dev/null", "KEYSTORE_PASSWORD": "x"}, "there are 2 ways to the key"),
    ({"REMOTE_SIGNER_URL": "http://127.0.0.1:9000", "REMOTE_SIGNER_PUBLIC_KEY": "04" + "22" * 64}, "there are 2 ways"),
    ({"L1_PRIVATE_KEY_FILE": None}, "is needed: the key that sends verifyBatches"),
    ({"L1_PRIVATE_KEY_FILE": None, "REMOTE_SIGNER_URL": "http://127.0.0.1:9000"}, "belong together"),
    ({"L1_PRIVATE_KEY_FILE": None, "REMOTE_SIGNER_PUBLIC_KEY": "04" + "22" * 64}, "belong together"),
    ({"L1_PRIVATE_KEY_FILE": None, "REMOTE_SIGNER_URL": "http://127.0.0.1:9000", "REMOTE_SIGNER_PUBLIC_KEY": "04" + "22" * 64},
     "no point of secp256k1"),
    ({"L1_PRIVATE_KEY_FILE": None, "KEYSTORE_FILE": "/dev/null", "KEYSTORE_PASSWORD": "x"}, "no keystore"),
    ({"L1_PRIVATE_KEY_FILE": None, "KEYSTORE_FILE": "/dev/null"}, "KEYSTORE_PASSWORD or"),
])
def test_one_way_to_the_key(world, settings, words):
    c = world.coordinator(**settings)
    ran, checked = c.verb("run"), c.verb("config")
    assert (ran.returncode, checked.returncode) == (EXIT_CONFIG, EXIT_CONFIG)
    assert ran.stderr == checked.stderr and words in ran.stderr
