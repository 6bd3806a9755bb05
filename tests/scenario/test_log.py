"""The log: nobody has to read it, and no stranger makes it long."""

import os
import re
import subprocess
import threading

from world import Key, PATIENCE, program, until


def read_all(fd, into):
    while piece := os.read(fd, 1 << 16):
        into.append(piece)


def test_a_log_that_nobody_reads(world):
    """stderr is a pipe, and full: provers, /healthz and SIGTERM do not notice."""
    c = world.coordinator()
    reader, writer = os.pipe()
    c.process = subprocess.Popen([program("coordinator", "proof-coordinator"), "run"], env=c.env(), stderr=writer,
                                 start_new_session=True)
    os.close(writer)
    until("the listener", lambda: c.verb("healthcheck").returncode == 0)
    key = Key()
    c.enroll(key)
    # More than the pipe and the daemon keep: each is two lines at LOG_LEVEL=debug.
    while not c.metric("log_lines_dropped_total"):
        for _ in range(200):
            assert c.request()[0] is None
    world.feed(c, 1)
    until("a proof", lambda: world.prove(c, key))
    world.until_verified(1)
    dropped = c.metric("log_lines_dropped_total")
    assert dropped > 0 and c.admin("GET", "/healthz") == (200, "ok\n")
    pieces = []
    thread = threading.Thread(target=read_all, args=(reader, pieces))
    thread.start()
    until("the log flows again", lambda: b"event=log_dropped" in b"".join(pieces))
    assert c.stop() == 0
    thread.join(PATIENCE)
    text = b"".join(pieces).decode()
    assert sum(int(n) for n in re.findall(r"event=log_dropped lines=(\d+)", text)) >= dropped
    assert text.count("event=log_dropped") == 1 and "event=stopped exit_code=0" in text.splitlines()[-1]
    os.close(reader)


def test_a_stop_while_nobody_reads(world):
    c = world.coordinator()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(writer, True)
    c.process = subprocess.Popen([program("coordinator", "proof-coordinator"), "run"], env=c.env(), stderr=writer,
                                 start_new_session=True)
    until("the listener", lambda: c.verb("healthcheck").returncode == 0)
    assert c.stop() == 0
    os.close(reader)
    os.close(writer)


def test_refusals_make_no_log(world):
    """The first of a kind, then how many: whatever a stranger says, and however often."""
    c = world.coordinator(LOG_LEVEL="info", CANDIDATES_PER_SOURCE=1).start()
    c.saw("event=l1_read")
    world.put(c, 1, 1)
    before = len(c.log())
    bad_hash = {"InputRequest": {"commit_hash": "NOT A HASH", "prover_type": "TDX"}}
    rounds = 100
    for i in range(rounds):
        c.say(b"{nonsense %d" % i)
        c.say(b'{"InputRequest":{"commit_hash":' + str(i).encode() + b"}}")
        c.say(b'"ProverSetupACK"')
        c.say(b'{"cut')
        c.say(bad_hash)
        c.submit(99, bytes([i]))
        c.setup(bytes([i]) * 30)
        assert c.admin("GET", "/api/v1/status", authorization=f"Bearer {i}")[0] == 401
        assert c.admin("GET", "/healthz", host=f"host{i}.example")[0] == 403
        assert c.admin("GET", f"/healthz?a%00={i}")[0] == 400
    assert c.metric("log_lines_left_out_total") > 8 * rounds
    assert c.metric('admin_refused_total{reason="bad_token"}') == rounds
    assert c.stop() == 0
    lines = c.log()[before:].splitlines()
    assert len(lines) < 60, "\n".join(lines)
    more = {}
    for line in lines:
        if found := re.search(r"event=repeated of=(\w+) kind=(\S+) .*more=(\d+)", line):
            more[found[1]] = more.get(found[1], 0) + int(found[3])
    assert more["admin_refused"] == 3 * (rounds - 1)
    assert more["message_refused"] >= 3 * rounds and more["request_refused"] == rounds - 1
    assert more["proof_refused"] >= rounds - 2 and more["setup_refused"] >= rounds - 2, more
