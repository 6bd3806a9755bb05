"""The operators' listener: inputs in, numbers out, and nobody else."""

import hashlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from world import COMMIT_HASH, Key, until


@pytest.fixture
def c(world):
    return world.coordinator().start()


def committed(world, c):
    """Batch 1 is, and so its input stays what it is."""
    world.commit(1, 1)
    until("committed", lambda: c.status()["l1"]["last_committed_batch"] == 1)


def test_put_same_other(world, c):
    body = world.batch(1)["input"]
    status, text = c.put(1, body)
    assert (status, json.loads(text)["code"]) == (201, "created")
    status, text = c.put(1, body)
    assert (status, json.loads(text)["code"]) == (200, "same")
    committed(world, c)
    status, text = c.put(1, world.batch(2)["input"])
    assert (status, json.loads(text)["code"]) == (409, "other_content")
    # The same batch for another version of the prover is another input.
    assert c.put(1, world.batch(2)["input"], commit_hash="abcdef1")[0] == 201
    c.stop()
    c.start()
    assert c.put(1, body)[0] == 200
    assert c.put(1, b"{}")[0] == 409


@pytest.mark.parametrize("body, complaint", [
    (b'{"a":1,}', "byte 7"),
    (b'{"a":1', "byte 6"),
    (b'{"a":"\xff"}', "byte 6"),
    (b"[1]", "starts with '['"),
    (b'{} {}', "byte 3"),
    (b"", "byte 0"),
    (b'{"a":' * 300 + b"1" + b"}" * 300, "deep"),
])
def test_bad_json_is_named_with_its_offset(c, body, complaint):
    status, text = c.put(1, body)
    answer = json.loads(text)
    assert (status, answer["code"]) == (422, "invalid_input")
    assert complaint in answer["message"], answer
    assert c.request(prover_type="TDX")[0] is None
    assert not [p for p in (c.data / "inputs").rglob("*") if p.is_file()]


@pytest.mark.parametrize("method, path, headers, status, code", [
    ("GET", "/api/v1/status", {"authorization": "Bearer wrong"}, 401, "bad_token"),
    ("GET", "/api/v1/status", {"authorization": "Basic x"}, 401, "bad_token"),
    ("GET", "/api/v1/provers", {"authorization": ""}, 401, "bad_token"),
    ("PUT", f"/api/v1/batches/1?commit_hash={COMMIT_HASH}", {"authorization": "Bearer wrong"}, 401, "bad_token"),
    ("GET", "/api/v1/status", {"host": "rebound.example"}, 403, "bad_host"),
    ("GET", "/healthz", {"host": "rebound.example:3902"}, 403, "bad_host"),
    ("GET", "/healthz", {"host": "127.0.0.1.rebound.example"}, 403, "bad_host"),
    ("PUT", f"/api/v1/batches/1?commit_hash={COMMIT_HASH}", {"host": "rebound.example"}, 403, "bad_host"),
    ("PUT", "/api/v1/batches/x?commit_hash=52e4b64", {}, 400, "bad_batch"),
    ("PUT", "/api/v1/batches/-1?commit_hash=52e4b64", {}, 400, "bad_batch"),
    ("PUT", "/api/v1/batches/99999999999999999999?commit_hash=52e4b64", {}, 400, "bad_batch"),
    ("PUT", "/api/v1/batches/0?commit_hash=52e4b64", {}, 400, "bad_request"),
    ("PUT", "/api/v1/batches/1", {}, 400, "no_commit_hash"),
    ("PUT", "/api/v1/batches/1?commit_hash=52E4B64", {}, 400, "bad_request"),
    ("PUT", "/api/v1/batches/1?commit_hash=../../etc", {}, 400, "bad_request"),
    ("PUT", "/api/v1/batches/1?commit_hash=52e4b6", {}, 400, "bad_request"),
    ("PUT", "/api/v1/batches/1?commit_hash=52e4b64%00", {}, 400, "malformed"),
    ("PUT", "/api/v1/batches/1%00?commit_hash=52e4b64", {}, 400, "malformed"),
    ("PUT", "/api/v1/batches/1?commit_hash=52e4b64&commit_hash=abcdef1", {}, 400, "malformed"),
    ("PUT", "/api/v1/batches/1?commit_hash=52e4b64", {"transfer-encoding": "chunked", "content-length": "2"}, 400,
     "malformed"),
    ("POST", "/api/v1/status", {}, 405, "bad_method"),
    ("GET", "/nothing", {}, 404, "not_found"),
    # What need not be UTF-8 is quoted in JSON, which must be.
    ("GET", "/%ff%fe", {}, 404, "not_found"),
    ("GET", "/api/v1/verdicts/%ff%fe", {}, 404, "no_verdict"),
    ("PUT", "/api/v1/batches/%ff?commit_hash=52e4b64", {}, 400, "bad_batch"),
    ("PUT", "/api/v1/batches/1?commit_hash=%ff%fe", {}, 400, "bad_request"),
])
def test_what_is_refused(c, method, path, headers, status, code):
    seen, text = c.admin(method, path, b"{}" if method != "GET" else None, **headers)
    assert (seen, json.loads(text)["code"]) == (status, code)
    assert c.metric("inputs") == 0


def test_methods(c):
    """HEAD is GET without the body; what a URL takes is said where something else was asked."""
    def ask(method, path):
        link = http.client.HTTPConnection("127.0.0.1", c.admin_port, timeout=30)
        link.request(method, path, headers={"authorization": f"Bearer {c.token}"})
        reply = link.getresponse()
        body = reply.read()
        link.close()
        return reply.status, reply.headers, body
    for path in ("/", "/healthz", "/readyz", "/metrics", "/api/v1/provers", "/api/v1/checkpoints"):
        status, headers, body = ask("HEAD", path)
        assert (status, body) == (200, b"") and int(headers["content-length"]) == len(ask("GET", path)[2]) > 0, path
    assert ask("HEAD", "/nothing")[::2] == (404, b"")
    for method, path, allowed in (("DELETE", "/readyz", "GET, HEAD"), ("HEAD", "/api/v1/events", "GET"),
                                  ("GET", "/api/v1/batches/1", "PUT, DELETE"), ("GET", "/api/v1/sender/resume", "POST")):
        status, headers, body = ask(method, path)
        assert (status, headers["allow"]) == (405, allowed), path
        assert method == "HEAD" or json.loads(body)["message"].endswith(f"is not served, but with {allowed}")


def test_open_pages(c):
    for path, text in (("/healthz", "ok\n"), ("/readyz", "ready\n")):
        assert c.admin("GET", path, authorization="") == (200, text)
    status, text = c.admin("GET", "/metrics", authorization="")
    assert status == 200
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names)) > 30
    assert all(n.startswith(("proof_coordinator_", "process_")) for n in names)
    assert not re.search(r'="[^"]* [^"]*"', text), "a label's value with a space"
    assert all(n.endswith("_total") for line in text.splitlines() if line.startswith("# TYPE") and line.endswith(" counter")
               for n in [line.split()[2]])


def test_too_big_and_quota(world):
    c = world.coordinator(MAX_INPUT_BYTES=10000, INPUT_QUOTA_BYTES=25000).start()
    status, text = c.put(1, b'{"a":"' + b"x" * 10000 + b'"}')
    assert (status, json.loads(text)["code"]) == (413, "too_big")
    for n in (1, 2, 3):
        status, text = c.put(n, b'{"a":"' + b"x" * 9000 + str(n).encode() + b'"}')
        assert status == (201 if n < 3 else 507), text
    assert "quota" in json.loads(text)["message"]
    # What failed is not counted for ever.
    for _ in range(5):
        assert c.put(3, b'{"a":"' + b"x" * 9000 + b'3"}')[0] == 507
    assert c.put(3, b'{"a":"small"}')[0] == 201
    assert c.metric("input_bytes") < 25000
    assert sum(p.stat().st_size for p in (c.data / "inputs").rglob("*") if p.is_file()) == c.metric("input_bytes")


def test_an_upload_that_breaks_off_leaves_nothing(c):
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", c.admin_port)) as s:
            s.sendall(f"PUT /api/v1/batches/1?commit_hash={COMMIT_HASH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: "
                      f"Bearer {c.token}\r\nContent-Length: 100000\r\n\r\n".encode() + b'{"a":"' + b"x" * 5000)
            time.sleep(0.2)
    until("the bytes given back", lambda: c.metric("input_bytes") == 0)
    assert not [p for p in (c.data / "inputs").rglob("*") if p.is_file()]
    assert c.put(1, b'{"a":1}')[0] == 201


def begin_put(c, number, *headers):
    s = socket.create_connection(("127.0.0.1", c.admin_port), timeout=30)
    s.sendall("\r\n".join([f"PUT /api/v1/batches/{number}?commit_hash={COMMIT_HASH} HTTP/1.1", "Host: localhost",
                           f"Authorization: Bearer {c.token}", *headers, "", ""]).encode())
    return s


def test_streamed_puts(c):
    """Chunked, so that libmicrohttpd holds more of the body than it has handed over."""
    for number in range(1, 31):
        body = b'{"a":"' + os.urandom(40 << 10).hex().encode() + b'"}'
        chunk = (1000, 20000, 65524)[number % 3]
        with begin_put(c, number, "Transfer-Encoding: chunked") as s:
            s.sendall(b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in
                               (body[i:i + chunk] for i in range(0, len(body), chunk))) + b"0\r\n\r\n")
            answer = http.client.HTTPResponse(s)
            answer.begin()
            assert (answer.status, json.loads(answer.read())["code"]) == (201, "created")
        files = [p.read_bytes() for p in (c.data / "inputs").rglob("*") if p.is_file()]
        assert body in files and len(files) == number


@pytest.mark.parametrize("wait", [0, 0.002, 0.3])
def test_a_stop_while_inputs_come_in(c, wait):
    """Some are being written, some wait for more bytes: the daemon still ends in order."""
    uploads = []
    for number in range(1, 9):
        uploads.append(begin_put(c, number, "Content-Length: 900000"))
        uploads[-1].sendall(b'{"a":"' + b"x" * (100000 * (number % 3) + 10))
    time.sleep(wait)
    assert c.stop() == 0
    for s in uploads:
        s.close()
    c.start()
    assert c.metric("input_bytes") == 0
    assert not [p for p in (c.data / "inputs").rglob("*") if p.is_file()]
    assert c.put(1, b'{"a":1}')[0] == 201


def test_input_is_spliced_verbatim(world, c):
    """White space, escapes, key order and numbers reach the prover as they were put."""
    odd = b' {"z" : 1.50e+0,\n\t"a":"\\u00e9\\/ \xc3\xa9", "n":123456789012345678901234567890, "z":[ ] } \n'
    assert c.put(1, odd)[0] == 201
    world.commit(1, 1)
    c.saw("event=l1_read")
    ask = b'{"InputRequest":{"commit_hash":"52e4b64","prover_type":"TDX"}}'
    assert c.say(ask) == b'{"InputResponse":{"id":1,"input":' + odd + b',"format":"Groth16"}}'
    until("the lease is over", lambda: c.say(b'{"BatchRequest":{"commit_hash":"52e4b64","prover_type":"TDX"}}') ==
          b'{"BatchResponse":{"batch_number":1,"input":' + odd + b',"format":"Groth16"}}')


def test_a_listener_whose_clients_all_timed_out(world):
    """Both listeners, filled to their last place by clients without a word and without a token."""
    c = world.coordinator(READ_TIMEOUT=500, MAX_CONNECTIONS=16).start()
    for port, room in ((c.admin_port, 64), (c.port, 16)):
        silent = [socket.create_connection(("127.0.0.1", port), 30) for _ in range(room)]
        if port == c.admin_port:
            assert c.verb("healthcheck").returncode == 0
        for s in silent:
            assert s.recv(1000) is not None  # the end of the stream
            s.close()
        assert c.verb("healthcheck").returncode == 0
        assert c.request()[0] is None


def test_a_daemon_that_hangs_is_not_healthy(c):
    c.signal(signal.SIGSTOP)
    begin = time.monotonic()
    done = c.verb("healthcheck")
    assert done.returncode == 2 and time.monotonic() - begin < 6 and "timed out" in done.stderr
    c.signal(signal.SIGCONT)
    assert c.verb("healthcheck").returncode == 0


def test_put_input_verb(world, c):
    file = world.dir / "input.json"
    file.write_bytes(world.batch(1)["input"])
    done = c.verb("put-input", "1", COMMIT_HASH, file)
    assert (done.returncode, done.stdout) == (0, "ready for provers\n"), done.stderr
    done = c.verb("put-input", "--json", "1", COMMIT_HASH, file)
    assert done.returncode == 0 and json.loads(done.stdout)["code"] == "same"
    committed(world, c)
    file.write_bytes(b'{"other":1}')
    done = c.verb("put-input", "1", COMMIT_HASH, file)
    assert done.returncode == 1 and "{" not in done.stderr and "another input" in done.stderr and done.stdout == "", done
    done = c.verb("put-input", "--json", "1", COMMIT_HASH, file)
    assert done.returncode == 1 and json.loads(done.stderr)["code"] == "other_content"
    for argv, code, complaint in [
            (("1", COMMIT_HASH, "/nonexistent"), 1, 'cannot read the file "/nonexistent": No such file or directory'),
            (("1", COMMIT_HASH, world.dir), 1, "Is a directory"),
            (("one", COMMIT_HASH, file), 64, '"one" is not a batch number'), (("", COMMIT_HASH, file), 64, '"" is not a batch number'),
            (("1", "a" * 65, file), 64, "a commit hash has 1 to 64 characters, not 65")]:
        done = c.verb("put-input", *argv)
        assert done.returncode == code and complaint in done.stderr, done
    assert c.verb("drop-input", "one", COMMIT_HASH).returncode == 64
    assert c.verb("put-input", "1").returncode == 64
    done = c.verb("put-input", "2", COMMIT_HASH, file, ETHREX_PROOF_COORDINATOR_ADMIN_TOKEN="wrong")
    assert done.returncode == 1 and "no Authorization: Bearer TOKEN, or a wrong one" in done.stderr
    c.stop()
    done = c.verb("put-input", "2", COMMIT_HASH, file)
    assert done.returncode == 2 and "no answer" in done.stderr


def test_verbs_tell_what_goes_on(world):
    c = world.coordinator(PROVER_TIMEOUT=60000).start()  # the lease is looked at below
    key = Key()
    c.enroll(key)
    world.feed(c, 2)
    until("committed 2 seen", lambda: c.status()["l1"]["last_committed_batch"] == 2)
    c.request()
    status = json.loads(c.verb("status", "--json").stdout)
    assert status["ready"] and status["l1"]["readable"] and status["l1"]["needs"] == ["TDX"]
    assert status["l1"]["signer"].lower() == key.address
    assert [b["batch"] for b in status["batches"]] == [1, 2]
    assert status["batches"][0]["types"]["TDX"]["leased_to"] == "127.0.0.1"
    assert "batch 1" in status["work"]["oldest_waiting"]
    provers = json.loads(c.verb("provers", "--json").stdout)["provers"]
    assert [p["state"] for p in provers] == ["active, no proof shown"]
    assert 'proof_coordinator_requests_total{answer="granted"} 1' in c.verb("metrics").stdout
    assert c.verb("healthcheck").returncode == 0
    assert c.verb("nonsense").returncode == 64


def test_a_huge_upload_while_provers_are_served(world, c):
    key = Key()
    c.enroll(key)
    world.feed(c, 4)
    size = 50 << 20
    huge = b'{"a":"' + os.urandom(size // 2).hex().encode() + b'"}'
    digest, answers, waits = hashlib.sha256(huge).hexdigest(), [], []

    def upload():
        answers.append(c.put(60, huge, commit_hash="abcdef1"))
    thread = threading.Thread(target=upload)
    thread.start()
    while thread.is_alive():
        start = time.monotonic()
        world.prove(c, key)
        waits.append(time.monotonic() - start)
    assert answers[0][0] == 201

    def all_verified():
        world.prove(c, key)  # the upload may have been the quicker
        return world.verified == 4
    until("all four verified", all_verified)
    assert digest in {hashlib.sha256(p.read_bytes()).hexdigest() for p in (c.data / "inputs").rglob("*") if p.is_file()}
    assert len(waits) > 1, "no prover was served during the upload"
    peak = int((open(f"/proc/{c.process.pid}/status", encoding="ascii").read().split("VmHWM:")[1]).split()[0]) << 10
    if "sanit" not in os.environ.get("BUILD_DIR", ""):
        assert peak < size, f"{peak} bytes of memory for an input of {size}"


def test_disk_full(world):
    c = world.coordinator(DISK_FLOOR_BYTES=1 << 39).start()
    status, text = c.put(1, world.batch(1)["input"])
    assert (status, json.loads(text)["code"]) == (507, "no_space"), text
    assert c.request()[0] is None and c.admin("GET", "/readyz")[0] == 200
    c.stop()
    c.change(DISK_FLOOR_BYTES=0)
    c.start()
    assert c.put(1, world.batch(1)["input"])[0] == 201


@pytest.fixture
def small_disk(tmp_path):
    where = tmp_path / "disk"
    where.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", where], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"SKIPPED: no tmpfs can be mounted here: {done.stderr}")
    yield where
    subprocess.run(["umount", "-l", where], check=True)


def test_disk_really_full(world, small_disk):
    c = world.coordinator(DATA_DIR=small_disk / "data", CANDIDATES_PER_BATCH=64).start()
    key = Key()
    c.enroll(key)
    world.feed(c, 2)
    with open(small_disk / "ballast", "wb", buffering=0) as f:
        try:
            while True:
                f.write(bytes(4096))
        except OSError:
            pass
    status, text = c.put(3, world.batch(3)["input"])
    assert (status, json.loads(text)["code"]) == (507, "no_space"), text
    # What cannot be stored is not acknowledged.
    acked, refused = set(), 0
    for _ in range(8):
        proof = os.urandom(65)
        answer = c.submit(1, proof)
        if answer is True:
            acked.add((1, proof))
        else:
            refused += 1
            assert answer["Error"]["code"] == "try_again", answer
    assert c.admin("GET", "/readyz")[0] == 200
    (small_disk / "ballast").unlink()
    world.fed = 2
    world.feed(c, 3)
    proven = set()
    end = time.monotonic() + 60
    while world.verified < 3:
        assert time.monotonic() < end, c.status()
        proven.add(world.prove(c, key))
    c.stop()
    print(f"full disk: {len(acked)} kept, {refused} refused")
