"""The numbers, by Prometheus' conventions, and the listener that shows them to machines."""

import http.client
import re
import shutil
import socket
import subprocess

import pytest

from world import PATIENCE, free_port, until

needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="SKIPPED: promtool is missing (Debian's prometheus)")


def get(port, path, method="GET"):
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        link.request(method, path)
        reply = link.getresponse()
        return reply.status, reply.read().decode()
    finally:
        link.close()


@pytest.fixture
def c(world):
    c = world.coordinator(METRICS_ADDRESS="127.0.0.1", METRICS_PORT=0, UPSTREAM=f"tcp://127.0.0.1:{free_port()}").start()
    c.metrics_port = int(c.saw(r"event=ready .* metrics=127\.0\.0\.1:(\d+) ")[1])
    return c


@needs_promtool
def test_promtool_finds_nothing_to_say(c):
    c.saw("event=l1_read")
    until("balances", lambda: "account_balance_wei{" in get(c.metrics_port, "/metrics")[1])
    done = subprocess.run(["promtool", "check", "metrics"], input=get(c.metrics_port, "/metrics")[1], capture_output=True,
                          text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_listener_of_its_own(c):
    assert get(c.metrics_port, "/livez") == (200, "ok\n") == get(c.metrics_port, "/healthz")
    assert get(c.metrics_port, "/readyz") == (200, "ready\n")
    status, text = get(c.metrics_port, "/metrics")
    assert status == 200 and "\nproof_coordinator_up 1\n" in text
    build = re.search(r'^proof_coordinator_build_info\{version="([^" ]+)"\} 1$', text, re.M)
    assert c.verb("--version").stdout.strip().endswith(build[1])
    usage = {name: float(value) for name, value in re.findall(r"^(process_\w+) (\S+)$", text, re.M)}
    assert 0 < usage["process_open_fds"] < usage["process_max_fds"] and usage["process_start_time_seconds"] > 1.5e9
    assert 1 << 20 < usage["process_resident_memory_bytes"] < usage["process_virtual_memory_bytes"]
    assert usage["process_cpu_seconds_total"] > 0
    for method, path, wanted in (("GET", "/", 404), ("GET", "/api/v1/status", 404), ("POST", "/metrics", 405),
                                 ("PUT", "/api/v1/batches/1", 405), ("GET", "/metricsx", 404)):
        assert get(c.metrics_port, path, method)[0] == wanted, path
    names = re.findall(r"^# TYPE (\S+)", text, re.M)
    assert len(names) == len(set(names))
    # What the verb and the admin listener show has the same names.
    assert re.findall(r"^# TYPE (\S+)", c.admin("GET", "/metrics")[1], re.M) == names


def test_its_places_are_its_own(c):
    """Silent clients, more than there are places for: it answers, and so does the operators' listener."""
    silent = [socket.create_connection(("127.0.0.1", c.metrics_port), PATIENCE) for _ in range(100)]
    assert get(c.metrics_port, "/livez")[0] == 200
    assert c.verb("healthcheck").returncode == 0
    assert c.metric("metrics_connections_ended_total") >= 100 - 32
    assert c.metric("admin_connections_ended_total") == 0
    for s in silent:
        s.close()
    for _ in range(40):
        assert get(c.metrics_port, "/readyz")[0] == 200


def test_a_stop_is_seen(c):
    with c.connect() as s:
        s.sendall(b'{"InputRequest":')
        until("the message has begun", lambda: c.metric("buffered_bytes") > 0)
        c.signal(15)
        until("draining", lambda: get(c.metrics_port, "/readyz") == (503, "draining\n"))
        assert "\nproof_coordinator_up 0\n" in get(c.metrics_port, "/metrics")[1]
        assert get(c.metrics_port, "/livez")[0] == 200
    assert c.process.wait(PATIENCE) == 0


@pytest.mark.parametrize("settings, complaint", [
    ({"METRICS_ADDRESS": "localhost"}, "METRICS_ADDRESS: \"localhost\": it is not a numeric IPv4 or IPv6 address"),
    ({"METRICS_ADDRESS": "0.0.0.0", "METRICS_PORT": "LISTEN"}, "METRICS_PORT and LISTEN_ADDRESS with LISTEN_PORT are the same"),
    ({"METRICS_ADDRESS": "0.0.0.0", "METRICS_PORT": "ADMIN"}, "METRICS_PORT and ADMIN_LISTEN are the same"),
])
def test_settings_that_cannot_be(world, settings, complaint):
    c = world.coordinator()
    ports = {"LISTEN": c.port, "ADMIN": c.admin_port}
    c.change(**{name: ports.get(value, value) for name, value in settings.items()})
    done = c.verb("config")
    assert done.returncode == 78 and complaint in done.stderr


def test_a_port_that_is_taken(world):
    with socket.create_server(("127.0.0.1", 0)) as other:
        c = world.coordinator(METRICS_ADDRESS="127.0.0.1", METRICS_PORT=other.getsockname()[1]).start(ready=False)
        c.saw(r"cannot listen on 127\.0\.0\.1 port \d+ for metrics: Address already in use")
        assert c.process.wait(PATIENCE) == 1


def test_none_without_a_setting(world):
    assert world.coordinator().start().saw(r"event=ready .*metrics=none")
