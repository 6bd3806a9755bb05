"""The words of the command lines: help, columns, what is said where nobody answers, what makes no sense."""

import json
import os
import pty
import re
import shutil
import subprocess

import pytest

from process import clean_env, program, until
from world import COMMIT_HASH, Key

PROGRAMS = {"proof-coordinator": ("coordinator", "proof-coordinator"), "tdx-quote": ("verifier", "tdx-quote"),
            "quote-gen": ("quote-gen", "quote-gen")}
VERBS = {
    "proof-coordinator": ["run", "config", "put-input", "drop-input", "status", "provers", "explain", "tcb-status",
                          "collateral", "promote", "revoke", "unrevoke", "revocations", "resume", "checkpoints",
                          "store", "metrics", "healthcheck", "help"],
    "tdx-quote": ["inspect", "verify", "measurements", "report", "diff", "measure", "replay", "collateral"],
    "quote-gen": [],
}
EACH = [(name, verb) for name, verbs in VERBS.items() for verb in verbs if verb != "help"]


def say(name, *argv, cwd=None, **env):
    return subprocess.run([program(*PROGRAMS[name]), *argv], env=clean_env(**env), cwd=cwd, capture_output=True,
                          text=True, timeout=30, check=False)


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_names_every_verb(name):
    done = say(name, "--help")
    assert done.returncode == 0 and done.stderr == ""
    for verb in VERBS[name]:
        assert re.search(rf"^  {verb}\b", done.stdout, re.M), verb
    assert "exit status:\n" in done.stdout and re.search(r"^  64 ", done.stdout, re.M)
    version = say(name, "--version").stdout
    assert re.fullmatch(rf"{name} \d+\.\d+\.\d+([~+]\d+\.g\w+)?\n", version), version


@pytest.mark.parametrize("name, verb", EACH)
def test_each_verb_has_its_help(name, verb):
    for argv in ([verb, "--help"], ["--help", verb]):
        done = say(name, *argv)
        assert done.returncode == 0 and done.stdout.startswith(f"usage: {name} {verb}"), done
    # No daemon was asked, no setting was read.
    assert "SETTINGS" in done.stdout or name == "tdx-quote"


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_makes_no_sense_is_64_and_leads_on(name):
    for argv, words in [(["--helpp"], "(is --help meant?)"), (["--nonsense"], '"--nonsense" is not a flag'), (["-x"], '"-x" is not')]:
        done = say(name, *argv)
        assert done.returncode == 64 and words in done.stderr and f"see {name} --help" in done.stderr, done
        assert done.stdout == "" and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("argv, words", [
    ([], "a verb is missing; see proof-coordinator --help"),
    (["statu"], '"statu" is not a verb (is status meant?)'),
    (["put-input", "1"], "put-input needs BATCH COMMIT_HASH FILE; see proof-coordinator put-input --help"),
    (["status", "now"], 'status takes no arguments: "now" is too much'),
    (["resume", "--json"], "resume takes no --json"),
    (["promote", "0x12"], "0x12"),
    (["checkpoints", ".", "--json"], "a DIRECTORY or --json"),
    (["collateral", "drop"], "collateral can be refreshed or fetched"),
    (["collateral", "fetch"], "needs a QUOTE"),
    (["collateral", "refresh", "x"], "refresh takes no"),
    (["status", "--proof-coordinator.prot", "1"], "(is --proof-coordinator.port meant?)"),
])
def test_usage_of_the_coordinator(argv, words):
    done = say("proof-coordinator", *argv)
    assert done.returncode == 64 and words in done.stderr, done


def test_nothing_is_no_quote(tmp_path):
    (tmp_path / "nothing").write_bytes(b"")
    done = say("proof-coordinator", "explain", tmp_path / "nothing")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"proof-coordinator: {tmp_path}/nothing is empty\n")


def test_nobody_is_there(tmp_path):
    """The socket that was tried is named, and what would say where another is."""
    done = say("proof-coordinator", "status", cwd=tmp_path)
    assert done.returncode == 2 and "localhost" not in done.stderr and "port 80" not in done.stderr
    if not os.path.exists("/var/lib/proof-coordinator"):
        assert "there is no socket proof-coordinator-data/admin.sock nor /var/lib/proof-coordinator/admin.sock" in done.stderr
        assert "--env-file FILE or --proof-coordinator.data-dir DIR" in done.stderr
    for argv in (["--proof-coordinator.data-dir", "elsewhere", "status"], ["status", "--proof-coordinator.data-dir=elsewhere"]):
        done = say("proof-coordinator", *argv, cwd=tmp_path)
        assert done.returncode == 2 and "there is no socket elsewhere/admin.sock" in done.stderr and "nor" not in done.stderr
    done = say("proof-coordinator", "status", "--proof-coordinator.admin-listen=127.0.0.1:1")
    assert done.returncode == 2 and "no answer from 127.0.0.1:1: nobody listens there" in done.stderr


def test_a_socket_whose_daemon_has_gone(world):
    c = world.coordinator(ADMIN_LISTEN=None)
    c.spawn([program("coordinator", "proof-coordinator"), "run"], env=c.env())
    until("socket", lambda: (c.data / "admin.sock").exists())
    # Found where `run` puts it, as root or as its user, from the directory it was started in.
    done = say("proof-coordinator", "healthcheck", cwd=c.data.parent, ETHREX_PROOF_COORDINATOR_DATA_DIR=c.data.name)
    assert done.returncode in (0, 1), done
    c.kill()
    done = c.verb("status")
    assert done.returncode == 2 and f"{c.data}/admin.sock: nobody listens there" in done.stderr


def test_a_person_reads_what_goes_on(world):
    c = world.coordinator(PROVER_TIMEOUT=60000).start()
    key = Key()
    c.enroll(key)
    world.feed(c, 2)
    until("committed 2 seen", lambda: c.status()["l1"]["last_committed_batch"] == 2)
    c.request()
    text = c.verb("status").stdout
    for words in ("coordinator  ready, version ", "L1           readable, chain ", "batches      2 committed, 0 verified on L1",
                  "needs        TDX; the key on chain is 0x", "1 leased to provers", "waiting      batch 1",
                  "sender       ", "next         "):
        assert words in text, text
    assert re.search(r"^BATCH +STATE +INPUT +PROOFS\n1 +committed +[\d.]+ \w+ +TDX leased to 127\.0\.0\.1\n2 +committed ", text, re.M), text
    assert re.search(r"^balances     .* has [\d.]+ ETH$", text, re.M), text
    for argv in (["status", "--json"], ["--json", "status"]):
        assert json.loads(c.verb(*argv).stdout)["ready"] is True
    for verb in ("config", "revocations", "provers", "tcb-status", "collateral", "explain", "cluster", "checkpoints"):
        assert isinstance(json.loads(c.verb(verb, "--json").stdout), dict), verb
    table = c.verb("provers").stdout.splitlines()
    assert re.split(r" {2,}", table[0]) == ["KEY", "TCB", "EVIDENCE UNTIL", "SETUP", "LAST PROOF", "PROOFS", "FROM", "STATE"]
    assert table[1].lower().startswith(key.address) and table[1].endswith("  active, no proof shown")
    assert "no verdict on a quote is kept" in c.verb("explain").stdout
    assert re.search(r"^L1 +readable, chain \d+ \(L2 \d+\), head \d+ s old$", text, re.M), text
    assert "the answer of the admin API" not in c.verb("config", "--help").stdout
    assert "\033" not in text


def on_a_terminal(argv, env):
    master, slave = pty.openpty()
    process = subprocess.Popen(argv, stdout=slave, env=env)
    os.close(slave)
    text = b""
    while True:
        try:
            block = os.read(master, 65536)
        except OSError:
            break
        text += block
        if not block:
            break
    os.close(master)
    process.wait(30)
    return text.decode()


def test_colours_are_for_terminals(world):
    c = world.coordinator().start()
    argv = [program("coordinator", "proof-coordinator"), "status"]
    assert "\033[32mready" in on_a_terminal(argv, {**c.env(), "TERM": "xterm"})
    for quiet in ({"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": "1"}):
        assert "\033" not in on_a_terminal(argv, {**c.env(), **quiet})


def test_an_answer_that_cannot_be_written(world, tmp_path):
    """A full disk, or nothing to write to: no script takes half an answer for a whole one."""
    c = world.coordinator().start()
    quote = tmp_path / "quote"
    quote.write_bytes(bytes(5000))
    verbs = [["status"], ["status", "--json"], ["provers"], ["metrics"], ["config"], ["explain"], ["checkpoints"], ["resume"],
             ["cluster", "--json"], ["help"], ["status", "--help"], ["--version"], ["--man"], ["--bash-completion"]]
    for argv in verbs:
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([program(*PROGRAMS["proof-coordinator"]), *argv], env=c.env(), stdout=full, stderr=subprocess.PIPE,
                                  text=True, timeout=30, check=False)
        assert done.returncode == 1 and "the answer cannot be written: No space left on device" in done.stderr, (argv, done)
    for redirect in (">&-", "> /dev/full"):
        done = subprocess.run(["sh", "-c", f'"$0" status {redirect}', program(*PROGRAMS["proof-coordinator"])], env=c.env(),
                              capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 1 and "cannot be written" in done.stderr, done
    # Who reads only the beginning is no failure of ours to speak of.
    done = subprocess.run(["bash", "-c", '"$0" metrics | head -1; echo ${PIPESTATUS[0]}', program(*PROGRAMS["proof-coordinator"])],
                          env=c.env(), capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == "" and done.stdout.splitlines()[-1] in ("0", "141"), done


def test_what_is_wrong_with_a_path(world):
    """The path as it was given, in quotes: also an empty one, and before anything is asked."""
    c = world.coordinator().start()
    for argv, words in [(["explain", ""], 'cannot read "": No such file'), (["explain", "abc"], 'cannot read "abc": No such file'),
                        (["collateral", "fetch", "/nope"], 'cannot read "/nope": No such file'), (["explain", "/"], 'cannot read "/"'),
                        (["checkpoints", "/nope"], 'cannot read the directory "/nope": No such file'),
                        (["checkpoints", "/etc/passwd"], 'the directory "/etc/passwd": Not a directory')]:
        done = c.verb(*argv)
        assert done.returncode == 1 and words in done.stderr and done.stdout == "", done


def test_json_is_what_the_api_says(world):
    """Of what changes something too."""
    c = world.coordinator().start()
    c.saw("event=l1_read")
    assert json.loads(c.verb("collateral", "refresh", "--json").stdout)["code"]
    batch = world.dir / "batch.json"
    batch.write_bytes(world.batch(1)["input"])
    assert json.loads(c.verb("put-input", "1", COMMIT_HASH, batch, "--json").stdout)["code"] == "created"
    done = c.verb("put-input", "1", COMMIT_HASH, batch)
    assert done.returncode == 0 and done.stdout == "this input is there already, byte for byte\n"


def test_the_token_is_not_the_daemons(world):
    c = world.coordinator().start()
    for settings, words in [({"ADMIN_TOKEN": "another-token"}, "ETHREX_PROOF_COORDINATOR_ADMIN_TOKEN was sent, and the daemon has another"),
                            ({"DATA_DIR": "/nope"}, 'no token was sent: cannot read "/nope/admin.token": No such file')]:
        done = c.verb("status", **c.named(settings))
        assert done.returncode == 1 and words in done.stderr and "another-token" not in done.stderr, done


def test_an_answer_that_does_not_come(world):
    """Each verb has a deadline: a daemon that is stopped does not hold its operator."""
    c = world.coordinator().start()
    c.signal(19)
    try:
        done = c.verb("put-input", "1", COMMIT_HASH, "/dev/zero")
        assert done.returncode == 1 and "cannot read the file" in done.stderr
        done = c.verb("healthcheck")
        assert done.returncode == 2 and "timed out" in done.stderr
    finally:
        c.signal(18)


@pytest.mark.skipif(not shutil.which("bash"), reason="SKIPPED: bash completes nothing: there is no bash")
@pytest.mark.parametrize("name, words, wanted", [
    ("proof-coordinator", ["sta"], ["status"]),
    ("proof-coordinator", ["status", "--js"], ["--json"]),
    ("proof-coordinator", ["--proof-coordinator.tls-l"], []),
    ("proof-coordinator", ["run", "--proof-coordinator.tls-l"], ["--proof-coordinator.tls-listen"]),
    ("proof-coordinator", ["collateral", "f"], ["fetch"]),
    ("tdx-quote", ["report", "--layout", ""], ["1.0", "1.1"]),
    ("tdx-quote", ["ver"], ["verify"]),
    ("quote-gen", ["--tls-c"], ["--tls-ca"]),
    ("quote-gen", ["--prover-type", ""], ["Exec", "TDX"]),
])
def test_bash_completes(name, words, wanted, tmp_path):
    script = tmp_path / "completion"
    script.write_text(say(name, "--bash-completion").stdout)
    line = " ".join(f"'{w}'" for w in [name, *words])
    done = subprocess.run(["bash", "--norc", "-uc", f". {script}; COMP_WORDS=({line}); COMP_CWORD={len(words)}; "
                           f"_{name.replace('-', '_')}; printf '%s\\n' \"${{COMPREPLY[@]}}\""],
                          cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert done.stderr == "" and sorted(done.stdout.split()) == wanted


@pytest.mark.skipif(not shutil.which("scdoc"), reason="SKIPPED: no man page is made: scdoc is missing")
@pytest.mark.parametrize("name", PROGRAMS)
def test_man_pages_say_what_help_says(name):
    page = say(name, "--man").stdout
    done = subprocess.run(["scdoc"], input=page, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    shown = re.sub(r"\\(.)", r"\1", page)
    for verb in VERBS[name]:
        assert f"\n## {verb}\n" in shown
        usage = say(name, verb, "--help").stdout.split("\n")[2].rstrip(".")
        assert usage in shown, usage
    for flag in set(re.findall(r"^  (--[a-z.-]+)", say(name, "--help").stdout, re.M)) - {"--help"}:
        assert f"*{flag}*" in shown
