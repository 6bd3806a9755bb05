"""The listener seen from outside: real processes, Python's sockets instead of our own client.

Needs the program tests/bench/bench_server of a build; BUILD_DIR names the build (default: the
first of build/release, build/debug, build/sanitize that has it).
"""
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ASK = b'{"InputRequest":{"commit_hash":"abc1234","prover_type":"TDX"}}'
PATIENCE = 90
# More than a socket's send and receive buffers grow to: a client that goes away leaves bytes unsent.
BEYOND_KERNEL_BUFFERS = 16 << 20


def program():
    if "BUILD_DIR" in os.environ:
        builds = [Path(os.environ["BUILD_DIR"])]
    else:
        builds = [ROOT / "build" / b for b in ("release", "debug", "sanitize")]
    for build in builds:
        path = build / "tests" / "bench" / "bench_server"
        if path.exists():
            return path
    pytest.skip("SKIPPED: bench_server is not built")


class Server:
    def __init__(self, *argv):
        self.p = subprocess.Popen([str(program()), *map(str, argv)], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        self.port = int(self.p.stdout.readline().split()[1])

    def connect(self, source="127.0.0.1"):
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE, (source, 0))

    def counters(self):
        self.p.send_signal(signal.SIGUSR1)
        words = self.p.stdout.readline().split()[1:]
        return {k: int(v) for k, v in (w.split("=") for w in words)}

    def until(self, **wanted):
        """Counters, each a number or a condition on one."""
        end = time.monotonic() + PATIENCE
        while True:
            seen = self.counters()
            if all(v(seen[k]) if callable(v) else seen[k] == v for k, v in wanted.items()):
                return seen
            assert time.monotonic() < end, f"{wanted} never came: {seen}"
            time.sleep(0.01)

    def stop(self):
        self.p.send_signal(signal.SIGTERM)
        out, err = self.p.communicate(timeout=PATIENCE)
        assert self.p.returncode == 0, err


@pytest.fixture
def server(request):
    s = Server(*getattr(request, "param", ("--echo",)))
    yield s
    s.stop()


def read_all(s):
    parts = []
    while part := s.recv(1 << 16):
        parts.append(part)
    s.close()
    return b"".join(parts)


def ask(server, message, half_close=True, source="127.0.0.1"):
    s = server.connect(source)
    s.sendall(message)
    if half_close:
        s.shutdown(socket.SHUT_WR)
    return read_all(s)


@pytest.mark.parametrize("half_close", [True, False])
@pytest.mark.parametrize("message", [ASK, b'"ProofSubmitACK"', b"{}", b' {"a":"\\"}"}\n'])
def test_one_message_a_connection(server, message, half_close):
    assert ask(server, message, half_close) == message


def test_byte_by_byte(server):
    s = server.connect()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for i in range(len(ASK)):
        s.sendall(ASK[i:i + 1])
        time.sleep(0.001)
    assert read_all(s) == ASK


@pytest.mark.parametrize("message,code", [
    (b"", "empty"), (b'{"a":', "truncated"), (b"{}{}", "json"), (b"[]", "json"),
    (b"\x16\x03\x01\x02\x00\x01\x00", "json"), (b"GET / HTTP/1.1\r\n\r\n", "json"),
])
def test_what_is_no_message_is_answered_with_the_reason(server, message, code):
    assert f'"code":"{code}"'.encode() in ask(server, message)
    assert server.until(connections=0)[f"bad_{code}"] == 1


@pytest.mark.parametrize("server", [("--max-message", 1000)], indirect=True)
def test_oversize_is_answered_even_to_a_writer_who_does_not_look(server):
    s = server.connect()
    s.sendall(b'"' + b"x" * (8 << 20))
    s.shutdown(socket.SHUT_WR)
    assert b'"code":"oversize"' in read_all(s)


@pytest.mark.parametrize("server", [("--read-timeout", 1500, "--echo")], indirect=True)
def test_idle_and_dribbling_clients_delay_nobody(server):
    idle = [server.connect() for _ in range(100)]
    assert ask(server, ASK) == ASK
    for s in idle:
        assert b'"code":"read_timeout"' in read_all(s)
    server.until(connections=0, bad_read_timeout=100)


@pytest.mark.parametrize("server", [("--per-source", 5, "--echo")], indirect=True)
def test_one_source_cannot_take_all_places(server):
    held = [server.connect("127.0.0.2") for _ in range(5)]
    assert b"refused" in read_all(server.connect("127.0.0.2"))
    assert ask(server, ASK, source="127.0.0.3") == ASK
    held.pop().close()
    server.until(connections=4)
    assert ask(server, ASK, source="127.0.0.2") == ASK
    for s in held:
        s.close()


def test_a_file_arrives_whole_at_fast_and_slow_readers(tmp_path):
    content = os.urandom(BEYOND_KERNEL_BUFFERS)
    (tmp_path / "input").write_bytes(content)
    server = Server("--file", tmp_path / "input")
    want = b'{"input":' + content + b"}"
    assert ask(server, ASK) == want
    slow = [server.connect() for _ in range(8)]
    for s in slow:
        s.sendall(ASK)
    assert ask(server, ASK, half_close=False) == want
    for s in slow:
        got = b""
        while len(got) < 100000:
            got += s.recv(4096)
        assert got + read_all(s) == want
    gone = server.connect()
    gone.sendall(ASK)
    gone.recv(10)
    gone.close()
    server.until(connections=0, buffered=0, resets=1)
    server.stop()


def test_termination_finishes_what_has_begun():
    server = Server("--echo")
    idle, begun = server.connect(), server.connect()
    begun.sendall(ASK[:20])
    server.until(connections=2, buffered=lambda n: n > 0)  # what has begun is what was read
    server.p.send_signal(signal.SIGTERM)
    assert read_all(idle) == b""
    begun.sendall(ASK[20:])
    assert read_all(begun) == ASK
    assert server.p.wait(PATIENCE) == 0
    with pytest.raises(ConnectionRefusedError):
        server.connect()
    server.p.stdout.close()
    server.p.stderr.close()
