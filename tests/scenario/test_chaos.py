"""The proxy that cuts, delays, truncates and duplicates, in front of the stand-in for ethrex's coordinator."""

import json
import random
import time

import pytest

from chaos import DOWN, UP, Chaos
from test_upstream import acked, asks, given, submits
from upstream import Upstream, exchange


@pytest.fixture
def pair(tmp_path):
    """(upstream with batches 1 to 9, proxy in front of it)"""
    u = Upstream(tmp_path)
    for number in range(1, 10):
        u.seal(number, b'{"blocks":[%d]}' % number)
    proxy = Chaos(u.start().port)
    yield u, proxy
    proxy.close()
    u.kill()


def say(proxy, message):
    """The answer's bytes, or "reset"."""
    try:
        return exchange(proxy.port, message)
    except ConnectionError:
        return "reset"


def text(message):
    return json.dumps(message, separators=(",", ":")).encode()


def test_without_a_fault_it_is_not_there(pair):
    u, proxy = pair
    proxy.fault("cut", UP, "ProofSubmit")
    proxy.fault("cut", DOWN, "ProofSubmitACK")
    assert say(proxy, asks("p7")) == text(given("p7", 1))
    assert say(proxy, b"") == say(proxy, b"garbage") == b""
    assert proxy.seen[:2] == [(UP, "InputRequest", len(text(asks("p7")))), (DOWN, "InputResponse", len(text(given("p7", 1))))]
    u.kill()
    assert say(proxy, asks("p7")) == "reset"  # nobody listens there
    u.start()
    assert say(proxy, asks("p7")) == text(given("p7", 1))


@pytest.mark.parametrize("action", ["cut", "truncate"])
def test_a_request_that_does_not_arrive_whole(pair, action):
    """It is given to nobody, and the next one is as if nothing had been."""
    u, proxy = pair
    fault = proxy.fault(action, UP, "InputRequest", at=20)
    assert say(proxy, asks("p7")) == ("reset" if action == "cut" else b"")
    assert fault.happened == 1 and not u.journal("gave")
    assert say(proxy, asks("p7")) == text(given("p7", 1))


@pytest.mark.parametrize("action", ["cut", "truncate"])
def test_an_answer_that_does_not_arrive_whole(pair, action):
    """The batch is assigned, and this client cannot have it before the timeout."""
    u, proxy = pair
    proxy.fault(action, DOWN, "InputResponse", at=20)
    got = say(proxy, asks("p7"))
    assert got == ("reset" if action == "cut" else text(given("p7", 1))[:20])
    assert say(proxy, asks("p7")) == text(given("p7", 2))
    assert [e["batch"] for e in u.journal("gave")] == [1, 2]


def test_a_proof_whose_acknowledgement_is_lost(pair):
    u, proxy = pair
    proxy.fault("cut", DOWN, "ProofSubmitACK")
    assert say(proxy, submits("p7", 1)) == "reset"
    assert say(proxy, submits("p7", 1)) == text(acked("p7", 1))
    assert [e["kept"] for e in u.journal("received")] == [True, False]


def test_duplicates(pair):
    """Of a request two batches are assigned, and one is known; of an answer there is more than one document."""
    u, proxy = pair
    proxy.fault("duplicate", UP, "InputRequest")
    assert say(proxy, asks("p7")) == text(given("p7", 2))
    proxy.fault("duplicate", DOWN)
    assert say(proxy, asks("p7")) == 2 * text(given("p7", 3))
    assert [e["batch"] for e in u.journal("gave")] == [1, 2, 3]


def test_delays(pair):
    _, proxy = pair
    proxy.fault("delay", UP, at=10, seconds=0.4)
    proxy.fault("delay", DOWN, at=10, seconds=0.4)
    began = time.monotonic()
    assert say(proxy, asks("p7")) == text(given("p7", 1))
    assert time.monotonic() - began >= 0.8


def test_a_storm_ends(pair):
    _, proxy = pair
    proxy.storm(random.Random(1), 0.5)
    answers = [say(proxy, submits("p7", 1)) for _ in range(40)]
    assert len([a for a in answers if a != text(acked("p7", 1))]) > 5
    proxy.storm(rate=0)
    assert {say(proxy, submits("p7", 1)) for _ in range(10)} == {text(acked("p7", 1))}
