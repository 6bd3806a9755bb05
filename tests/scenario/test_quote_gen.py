"""quote-gen against a coordinator that is scripted here: what it prints, sends, retries and signs."""

import json
import os
import queue
import re
import shutil
import signal
import stat
import subprocess
import threading

import pytest

from l1 import BIN, REPO, VECTORS, cast, free_port
from listener import Listener

BUILD = os.environ.get("BUILD_DIR") or REPO / "build" / "release"
PROGRAM = os.path.join(BUILD, "quote-gen", "quote-gen")
PATIENCE = 60  # seconds until something that must happen counts as missing
ACK = b'"ProverSetupACK"'
EMPTY = b'{"InputResponse":{"id":null,"input":null,"format":null}}'
SETUP_FAILED = "Error sending quote: Failed to get ProverSetupAck: "


def batch(number, text=b'{"x":[1,2,3]}'):
    return b'{"InputResponse":{"id":%d,"input":%s,"format":"Groth16"}}' % (number, text)


def kind_of(message):
    return message if isinstance(message, str) else next(iter(message))


class Coordinator:
    """Answers each kind of message with the next reply of its script; the last one is repeated. A
    reply is bytes, a function of the message, or None: never answers."""

    def __init__(self, port=0, **script):
        self.script = {"ProverSetup": [ACK], "InputRequest": [EMPTY], "ProofSubmit": [self.ack],
                       "KeyState": [b""]}  # as ethrex, which does not know the question
        self.script.update(script)
        self.seen = queue.Queue()
        self.lock = threading.Lock()
        self.open = []
        self.listener = Listener(self.serve, port)
        self.port = self.listener.port

    @staticmethod
    def ack(message):
        return b'{"ProofSubmitACK":{"id":%d}}' % message["ProofSubmit"]["id"]

    def serve(self, s):
        raw = b""
        self.open.append(s)
        while piece := s.recv(65536):  # ends with the client's half-close, as ethrex's does
            raw += piece
        if not raw:
            return  # it was killed before it spoke
        message = json.loads(raw)
        with self.lock:
            replies = self.script[kind_of(message)]
            reply = replies[0] if len(replies) == 1 else replies.pop(0)
        if callable(reply):
            reply = reply(message)
        self.seen.put((message, raw))
        if reply is not None:
            try:
                s.sendall(reply)
            except OSError:
                pass  # the client had enough
            s.close()

    def next(self, kind):
        """The next message of this kind, and its bytes; others before it are passed over."""
        while True:
            message, raw = self.seen.get(timeout=PATIENCE)
            if kind_of(message) == kind:
                return message, raw

    def close(self):
        self.listener.close()
        for s in self.open:
            s.close()


class Prover:
    def __init__(self, port, *argv, executor="none", by=()):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("QUOTE_GEN", "ETHREX", "VERGEN"))}
        self.p = subprocess.Popen(
            [*by, PROGRAM, "--coordinator", f"127.0.0.1:{port}", "--interval", "20", "--executor", str(executor),
             *map(str, argv)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
        self.lines = queue.Queue()
        self.printed = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.p.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def says(self, start):
        """The next line that starts so."""
        while True:
            line = self.lines.get(timeout=PATIENCE)
            assert line is not None, f"it ended without {start!r}: {self.printed}"
            self.printed.append(line)
            if line.startswith(start):
                return line

    def stop(self):
        self.p.send_signal(signal.SIGTERM)
        return self.p.wait(timeout=PATIENCE)


@pytest.fixture
def running():
    things = []

    def keep(thing):
        things.append(thing)
        return thing

    assert os.path.exists(PROGRAM), f"{PROGRAM} is not built"
    yield keep
    for thing in things:
        if isinstance(thing, Prover):
            thing.p.kill()
            thing.p.wait()
        else:
            thing.close()


@pytest.fixture
def script(tmp_path):
    """Makes an executor of a few lines of shell."""

    def make(body):
        path = tmp_path / "executor"
        path.write_text("#!/bin/sh\n" + body + "\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return make


# ---- registering ----


def test_without_a_coordinator_it_keeps_trying(running):
    port = free_port()
    prover = running(Prover(port))
    first = prover.says("Sending quote ")
    assert re.fullmatch(r"Sending quote [0-9a-f]+", first)
    for _ in range(3):
        assert prover.says(SETUP_FAILED) == SETUP_FAILED + "Connection refused (os error 111)"
    coordinator = running(Coordinator(port))
    message, raw = coordinator.next("ProverSetup")
    assert message["ProverSetup"]["prover_type"] == "TDX"
    payload = bytes(message["ProverSetup"]["payload"])
    assert raw == json.dumps(message, separators=(",", ":")).encode()
    if not os.path.exists("/sys/kernel/config/tsm/report"):
        assert any(line.startswith("Error creating quote: ") for line in prover.printed)
        assert len(payload) == 20
        assert first == "Sending quote " + payload.hex()
    coordinator.next("InputRequest")
    assert prover.stop() == 0


def test_replies_that_are_no_ack(running):
    replies = [b"", b"{", b'"VersionMismatch"', b'{"Error":{"code":"refused","message":"the quote is old"}}',
               b"x" * (2 << 20), ACK]
    coordinator = running(Coordinator(ProverSetup=replies))
    prover = running(Prover(coordinator.port))
    assert prover.says(SETUP_FAILED) == SETUP_FAILED + "EOF while parsing a value at line 1 column 0"
    assert len(prover.says(SETUP_FAILED)) > len(SETUP_FAILED) + 5
    assert "VersionMismatch" in prover.says(SETUP_FAILED)
    assert "the quote is old (refused)" in prover.says(SETUP_FAILED)
    assert "longer than 1048576 bytes" in prover.says(SETUP_FAILED)
    assert prover.says("Error: ") == "Error: No blocks to prove."
    payloads = {bytes(coordinator.next("ProverSetup")[0]["ProverSetup"]["payload"]) for _ in range(6)}
    if not os.path.exists("/sys/kernel/config/tsm/report"):
        assert len(payloads) == 1  # one key a process
    assert prover.stop() == 0


def test_each_process_has_a_key_of_its_own(running):
    coordinator = running(Coordinator())
    for _ in range(2):
        prover = running(Prover(coordinator.port))
        prover.says("Error: No blocks")
        prover.stop()
    one, two = (coordinator.next("ProverSetup")[0]["ProverSetup"]["payload"] for _ in range(2))
    assert one != two


def test_it_registers_again_when_nothing_works(running):
    coordinator = running(Coordinator(InputRequest=[b""] * 5 + [EMPTY]))
    prover = running(Prover(coordinator.port))
    for _ in range(5):
        assert "EOF while parsing" in prover.says("Error: ")
    first, _ = coordinator.next("ProverSetup")
    again, _ = coordinator.next("ProverSetup")
    if not os.path.exists("/sys/kernel/config/tsm/report"):
        assert first == again
    prover.says("Error: No blocks")
    assert prover.stop() == 0


def state(word):
    return b'{"KeyStateResponse":{"state":"%s"}}' % word.encode()


def registrations(coordinator, questions):
    """How many ProverSetups came until so many questions for the key's state had come."""
    seen = {"ProverSetup": 0, "KeyState": 0}
    while seen["KeyState"] < questions:
        message, _ = coordinator.seen.get(timeout=60)
        if kind_of(message) in seen:
            seen[kind_of(message)] += 1
    return seen["ProverSetup"]


@pytest.mark.parametrize("word", ["active", "standby"])
def test_a_key_that_is_known_is_not_registered_again(running, word):
    """However often exchanges fail, and however long it waits."""
    coordinator = running(Coordinator(InputRequest=[b""], KeyState=[state(word)]))
    running(Prover(coordinator.port, "--key-ask-interval", 20, "--register-again-interval", 20))
    assert registrations(coordinator, 30) == 1


def test_a_key_that_is_forgotten_is_registered_again_once_in_a_while(running):
    """An hour of answers that it is unknown: one more registration, the next one only after the interval."""
    coordinator = running(Coordinator(KeyState=[state("unknown")]))
    prover = running(Prover(coordinator.port, "--key-ask-interval", 20, "--register-again-interval", 600000))
    assert registrations(coordinator, 30) == 2
    key, _ = coordinator.next("KeyState")
    assert re.fullmatch("0x[0-9a-f]{40}", key["KeyState"]["key"])
    assert prover.stop() == 0
    coordinator = running(Coordinator(KeyState=[state("unknown")] * 3 + [state("standby")]))
    running(Prover(coordinator.port, "--key-ask-interval", 20, "--register-again-interval", 10))
    assert registrations(coordinator, 20) == 4


# ---- proving ----


def test_a_whole_cycle(running, script, tmp_path):
    text = b'{"z":1,"a":[1.50,"\\u00e9",{"b":null}]}'
    output = bytes(range(256))
    (tmp_path / "output").write_bytes(output)
    executor = script(f"cat >{tmp_path}/input; cat {tmp_path}/output")
    coordinator = running(Coordinator(InputRequest=[EMPTY, batch(7, text), batch(2**64 - 1, text), EMPTY]))
    prover = running(Prover(coordinator.port, "--commit-hash", "abc1234", "--batches", 2, executor=executor))
    payload = bytes(coordinator.next("ProverSetup")[0]["ProverSetup"]["payload"])
    assert coordinator.next("InputRequest")[1] == b'{"InputRequest":{"commit_hash":"abc1234","prover_type":"TDX"}}'
    assert prover.says("Error: ") == "Error: No blocks to prove."
    assert prover.says("Processed") == "Processed batch 7"
    assert prover.says("Processed") == "Processed batch 18446744073709551615"
    assert prover.p.wait(timeout=PATIENCE) == 0
    assert (tmp_path / "input").read_bytes() == text  # verbatim
    for number in (7, 2**64 - 1):
        message, raw = coordinator.next("ProofSubmit")
        signature = message["ProofSubmit"]["proof"]["Proof"]["proof"]
        numbers = ",".join(map(str, signature))
        assert raw.decode() == ('{"ProofSubmit":{"id":%d,"proof":{"Proof":{"prover_type":"TDX","proof":[%s]}}}}'
                                % (number, numbers))
        assert len(signature) == 65 and signature[64] in (27, 28)
    if len(payload) != 20:
        return  # a real quote: its signer is in the report data
    if not (BIN / "cast").exists():
        pytest.skip("SKIPPED: cast is not installed (npm ci in contracts/): the signature was not verified")
    said = cast("wallet", "verify", "--address", "0x" + payload.hex(), "0x" + output.hex(),
                "0x" + bytes(signature).hex())
    assert "succeeded" in said.lower(), said


def test_answers_without_work(running):
    replies = [b'"VersionMismatch"', b'{"ProverTypeNotNeeded":{"prover_type":"TDX"}}', b"[]", ACK, EMPTY]
    coordinator = running(Coordinator(InputRequest=replies))
    prover = running(Prover(coordinator.port, "--commit-hash", "abc1234"))
    assert "abc1234" in prover.says("Error: ")
    assert "needs no TDX proofs" in prover.says("Error: ")
    prover.says("Error: ")
    assert "ProverSetupACK" in prover.says("Error: ")
    assert prover.says("Error: ") == "Error: No blocks to prove."
    assert prover.stop() == 0


# An executor that writes what could be a batch's public inputs.
EXECUTES = "cat >/dev/null; head -c 256 /dev/zero"


def test_acks_that_are_none(running, script):
    acks = [b"", b'{"ProofSubmitACK":{"id":8}}', EMPTY, b'{"ProofSubmitACK":{"id":7}}']
    coordinator = running(Coordinator(InputRequest=[batch(7)], ProofSubmit=acks))
    prover = running(Prover(coordinator.port, executor=script(EXECUTES)))
    assert "EOF while parsing" in prover.says("Error: ")
    assert "batch 7" in prover.says("Error: ")
    assert "InputResponse" in prover.says("Error: ")
    assert prover.says("Processed") == "Processed batch 7"
    assert not [line for line in prover.printed[:-1] if line.startswith("Processed")]
    assert prover.stop() == 0


@pytest.mark.parametrize("body, argv, words", [
    (EXECUTES + "; exit 3", (), "exit status 3"),
    ("kill -9 $$", (), "killed by signal 9"),
    ("cat >/dev/null", (), "wrote no program output"),
    ("exec yes", ("--output-max", 1000), "more than 1000 bytes"),
    ("exec sleep 1000", ("--executor-timeout", 200), "longer than allowed"),
    ("cat >/dev/null; echo output", (), "batch 7: the executor wrote 7 bytes, which are no batch's public inputs"),
    ("cat >/dev/null; echo output", ("--prover-type", "Exec"), "batch 7: the executor wrote 7 bytes, which"),
    ("cat >/dev/null; head -c 255 /dev/zero", (), "wrote 255 bytes, which"),
    ("cat >/dev/null; head -c 288 /dev/zero", (), "wrote 288 bytes, which"),
])
def test_an_executor_that_does_not_execute(running, script, body, argv, words):
    coordinator = running(Coordinator(InputRequest=[batch(7), batch(7), EMPTY]))
    prover = running(Prover(coordinator.port, *argv, executor=script(body)))
    assert words in prover.says("Error: ")
    assert words in prover.says("Error: ")
    prover.says("Error: No blocks")
    assert prover.stop() == 0
    kinds = []
    while not coordinator.seen.empty():
        kinds.append(kind_of(coordinator.seen.get()[0]))
    assert "ProofSubmit" not in kinds


def test_an_executor_that_is_not_there(running):
    coordinator = running(Coordinator(InputRequest=[batch(7)]))
    prover = running(Prover(coordinator.port, executor="/nonexistent/prover"))
    said = prover.says("WARNING: the executor ")
    assert said == "WARNING: the executor /nonexistent/prover: No such file or directory: while it is so, no batch is executed."
    assert "/nonexistent/prover: No such file" in prover.says("Error: ")


def test_an_executor_that_is_no_program(running, tmp_path):
    coordinator = running(Coordinator(InputRequest=[batch(7)]))
    prover = running(Prover(coordinator.port, executor=tmp_path))
    assert prover.says("WARNING: the executor ").startswith(f"WARNING: the executor {tmp_path} is no file: ")
    assert f"cannot start the executor {tmp_path}: Permission denied" in prover.says("Error: ")
    text = tmp_path / "text"
    text.write_text("no program\n")
    text.chmod(0o755)  # what only a shell would take
    prover = running(Prover(coordinator.port, executor=text))
    assert f"cannot start the executor {text}: Exec format error" in prover.says("Error: ")


def test_whoever_starts_it_may_ignore_the_end_of_children(running, script):
    coordinator = running(Coordinator(InputRequest=[batch(7)]))
    wrapper = ["/usr/bin/python3", "-c", "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); "
               "os.execv(sys.argv[1], sys.argv[1:])"]
    prover = running(Prover(coordinator.port, "--batches", 1, executor=script(EXECUTES), by=wrapper))
    assert prover.says("Processed") == "Processed batch 7"
    assert prover.p.wait(timeout=PATIENCE) == 0


def test_an_input_over_the_limit(running):
    coordinator = running(Coordinator(InputRequest=[batch(7, b'"' + b"x" * 100000 + b'"'), EMPTY]))
    prover = running(Prover(coordinator.port, "--input-max", 2000))
    assert prover.says("Error: ") == "Error: the reply is longer than 2000 bytes"
    prover.says("Error: No blocks")


def test_an_exec_prover_sends_the_sentinel(running):
    coordinator = running(Coordinator(InputRequest=[batch(7)]))
    prover = running(Prover(coordinator.port, "--prover-type", "Exec", "--batches", 1, executor=""))
    _, raw = coordinator.next("InputRequest")
    assert b'"prover_type":"Exec"' in raw
    _, raw = coordinator.next("ProofSubmit")
    expected = VECTORS / "wire" / "p7_ProofSubmit_Exec_sentinel.json"
    if expected.exists():
        assert raw == expected.read_bytes().strip()
    assert raw == b'{"ProofSubmit":{"id":7,"proof":{"Proof":{"prover_type":"Exec","proof":[0]}}}}'
    assert prover.p.wait(timeout=PATIENCE) == 0
    prover.says("Processed batch 7")
    assert not [line for line in prover.printed if "quote" in line]


def real_input():
    path = VECTORS / "batch" / "hoodi-1265656.input.json"
    if not path.exists():
        pytest.skip(f"SKIPPED: {path} is absent (VECTORS_DIR)")
    return path.read_bytes()


def test_the_devnet_executor_on_a_real_block(running):
    text = real_input()
    coordinator = running(Coordinator(InputRequest=[batch(1, text)]))
    prover = running(Prover(coordinator.port, "--batches", 1))
    assert "executes NOTHING" in prover.says("WARNING")
    said = prover.says("NOT EXECUTED")
    assert re.search(r"blocks 1265656 to 1265656, 11 transactions, last block hash 0xac77c202[0-9a-f]{52}e6db", said)
    payload = bytes(coordinator.next("ProverSetup")[0]["ProverSetup"]["payload"])
    message, _ = coordinator.next("ProofSubmit")
    prover.says("Processed batch 1")
    if len(payload) != 20 or not (BIN / "cast").exists():
        pytest.skip("SKIPPED: cast is not installed (npm ci in contracts/): the signature was not verified")
    # The eight words, put together here.
    block = json.loads(text)["blocks"][0]["header"]
    parent = bytes(json.loads(text)["execution_witness"]["block_headers_bytes"][-1])
    # RLP of a header: list prefix of 3 bytes, then 33 (parent), 33 (ommers), 21 (beneficiary), state root
    initial = parent[3 + 33 + 33 + 21 + 1:][:32]
    zero = bytes(32)
    words = [initial, bytes.fromhex(block["stateRoot"][2:]), zero, zero, zero,
             bytes.fromhex(re.search(r"hash 0x([0-9a-f]{64})", said)[1]),
             (560048).to_bytes(32, "big"), (11).to_bytes(32, "big")]
    said = cast("wallet", "verify", "--address", "0x" + payload.hex(), "0x" + b"".join(words).hex(),
                "0x" + bytes(message["ProofSubmit"]["proof"]["Proof"]["proof"]).hex())
    assert "succeeded" in said.lower(), said


def test_the_devnet_executor_refuses_a_tampered_block(running):
    whole = json.loads(real_input())
    whole["blocks"][0]["header"]["parentHash"] = "0x" + "2e" * 32
    coordinator = running(Coordinator(InputRequest=[batch(1, json.dumps(whole).encode()), batch(1), EMPTY]))
    prover = running(Prover(coordinator.port))
    assert "block 1265656 names 0x2e2e2e" in prover.says("Error: ")
    assert "no blocks" in prover.says("Error: ")
    prover.says("Error: No blocks")
    assert "Processed" not in " ".join(prover.printed)


# ---- stopping, and the command line ----


@pytest.mark.parametrize("kind", ["ProverSetup", "InputRequest", "ProofSubmit"])
def test_it_stops_while_the_coordinator_does_not_answer(running, script, kind):
    coordinator = running(Coordinator(**({"InputRequest": [batch(7)]} | {kind: [None]})))
    prover = running(Prover(coordinator.port, executor=script(EXECUTES)))
    coordinator.next(kind)
    assert prover.stop() == 0


def test_it_stops_while_it_executes(running, script, tmp_path):
    coordinator = running(Coordinator(InputRequest=[batch(7)]))
    fifo = tmp_path / "started"
    os.mkfifo(fifo)
    prover = running(Prover(coordinator.port, executor=script(f"echo $$ >{fifo}; exec sleep 1000")))
    child = int(fifo.read_text())
    assert prover.stop() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)  # reaped, not left behind


def test_a_coordinator_that_hangs_is_given_up(running):
    coordinator = running(Coordinator(InputRequest=[None, EMPTY]))
    prover = running(Prover(coordinator.port, "--io-timeout", 200))
    assert prover.says("Error: ") == "Error: Connection timed out (os error 110)"
    prover.says("Error: No blocks")


def test_the_command_line():
    def run(*argv):
        done = subprocess.run([PROGRAM, *argv], capture_output=True, text=True, timeout=PATIENCE)
        return done.returncode, done.stdout, done.stderr

    assert os.path.exists(PROGRAM), f"{PROGRAM} is not built"
    code, out, _ = run("--help")
    assert code == 0 and "--coordinator" in out and "--executor" in out
    code, out, _ = run("--version")
    assert code == 0 and re.fullmatch(r"quote-gen \d+\.\d+\.\d+([~+]\d+\.g\w+)?\n", out)
    code, out, err = run("--frobnicate", "1")
    assert code == 64 and "--frobnicate" in err and out == ""


# ---- ethrex-executor ----


def executor():
    path = os.path.join(os.path.dirname(PROGRAM), "ethrex-executor")
    if not os.path.exists(path):
        pytest.skip(f"SKIPPED: {path} is not built (scripts/build-rust)")
    return path


def l2_input():
    path = VECTORS / "batch" / "ethrex-l2-two-blocks.input.json"
    if not path.exists():
        pytest.skip(f"SKIPPED: {path} is absent (VECTORS_DIR)")
    return path.read_bytes()


class DefaultProver(Prover):
    """With the executor that it finds by itself."""

    def __init__(self, port, *argv):
        super().__init__(port, *argv, executor="")


def test_a_batch_is_executed_by_default(running):
    executor()
    coordinator = running(Coordinator(InputRequest=[batch(3, l2_input())]))
    prover = running(DefaultProver(coordinator.port, "--batches", 1))
    said = prover.says("Executor: ")
    assert re.search(r"executed blocks 1 to 2, 4 transactions, 160639 gas, "
                     r"state root 0x49c82834[0-9a-f]{51}be446 to 0x579a71a3[0-9a-f]{52}2366$", said)
    assert prover.says("Processed") == "Processed batch 3"
    assert not [line for line in prover.printed if "NOTHING" in line or "NOT EXECUTED" in line]
    message, _ = coordinator.next("ProofSubmit")
    assert len(message["ProofSubmit"]["proof"]["Proof"]["proof"]) == 65


def test_a_batch_that_is_wrong_is_not_submitted(running):
    executor()
    whole = json.loads(l2_input())
    whole["blocks"][1]["header"]["stateRoot"] = "0x" + "11" * 32
    wrong = batch(3, json.dumps(whole).encode())
    coordinator = running(Coordinator(InputRequest=[wrong] * 6 + [batch(4, b"{}"), EMPTY]))
    prover = running(DefaultProver(coordinator.port))
    for _ in range(6):  # more often than failures of the coordinator lead to a new registration
        said = prover.says("Error: ")
        assert said.startswith("Error: batch 3: the executor refuses the input (exit status 92): block 2: state root")
        assert "0x1111" in said and "579a71a3" in said
    assert "batch 4: the executor refuses the input (exit status 65)" in prover.says("Error: ")
    prover.says("Error: No blocks")
    kinds = []
    while not coordinator.seen.empty():
        kinds.append(kind_of(coordinator.seen.get()[0]))
    assert "ProofSubmit" not in kinds and kinds.count("ProverSetup") == 1


def test_an_executor_without_memory_is_named(running):
    executor()
    coordinator = running(Coordinator(InputRequest=[batch(3, l2_input()), EMPTY]))
    prover = running(DefaultProver(coordinator.port, "--executor-memory", 20 << 20))
    assert "limits 20971520 bytes of memory" in prover.says("Error: "), prover.printed
    prover.says("Error: No blocks")


def test_an_input_for_which_memory_does_not_suffice(running):
    """Its stack fits the limit, the input (a list that has to grow to 64 MiB) does not; the next batch is proved."""
    executor()
    whole = json.loads(l2_input())
    whole["execution_witness"]["codes"] = [[0] * (34 << 20)]
    large = batch(3, json.dumps(whole, separators=(",", ":")).encode())
    coordinator = running(Coordinator(InputRequest=[large, batch(4, l2_input())]))
    limit = 100 << 20
    prover = running(DefaultProver(coordinator.port, "--executor-memory", limit, "--batches", 1))
    said = prover.says("Error: batch")
    assert re.match(rf"Error: batch 3: the executor was killed by signal 6 \(Aborted\), limits {limit} bytes of memory "
                    r"and \d+ ms: memory allocation of \d+ bytes failed$", said), said
    assert prover.says("Processed") == "Processed batch 4"


def test_a_large_input_lives_once(running):
    """It goes to the executor as it came, without a copy."""
    executor()
    size = 128 << 20
    padded = b"{" + b" " * size + l2_input().strip()[1:]
    coordinator = running(Coordinator(InputRequest=[batch(3, padded), EMPTY]))
    prover = running(DefaultProver(coordinator.port))
    assert prover.says("Processed") == "Processed batch 3"
    with open(f"/proc/{prover.p.pid}/status") as status:
        peak = int(re.search(r"VmHWM:\s+(\d+) kB", status.read())[1]) * 1024
    assert size < peak < 1.3 * size, f"{peak} bytes at most, for an input of {size}"


def test_without_an_executor_it_does_not_start(tmp_path):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("QUOTE_GEN", "ETHREX", "VERGEN"))}
    alone = tmp_path / "quote-gen"
    shutil.copy(PROGRAM, alone)
    done = subprocess.run([alone], env=env | {"PATH": str(tmp_path)}, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 64
    assert "ethrex-executor, which executes batches, is neither beside this program nor on PATH" in done.stderr
    assert "--executor none" in done.stderr
