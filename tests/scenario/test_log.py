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
