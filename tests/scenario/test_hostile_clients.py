"""Whoever connects: garbage, dribblers, wrong proofs. The honest ones notice nothing."""

import json
import os
import socket
import threading
import time

import pytest

from world import Key, until

P7 = b'{"InputRequest":{"commit_hash":"52e4b64","prover_type":"TDX"}}'
P7_EMPTY = b'{"InputResponse":{"id":null,"input":null,"format":null}}'


@pytest.fixture
def c(world):
    return world.coordinator().start()


def code(reply):
    return json.loads(reply)["Error"]["code"]


@pytest.mark.parametrize("message, wanted", [
    (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "json"),
    (bytes(range(1, 256)), "json"),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "json"),
    (b'{"InputRequest":', "truncated"),
    (b'{"Hello":{}}', "unknown_variant"),
    (b'"Hello"', "unknown_variant"),
    (b"17", None),
    (b"[" * 100000, None),
    (b'{"InputRequest":{"commit_hash":"52e4b64","prover_type":"XXX"}}', "unknown_variant"),
    (b'{"InputRequest":{"commit_hash":7,"prover_type":"TDX"}}', "wrong_type"),
    (b'{"InputRequest":{"commit_hash":"HEAD","prover_type":"TDX"}}', "bad_commit_hash"),
    (b'{"InputRequest":{"commit_hash":"' + b"a" * 1000 + b'","prover_type":"TDX"}}', "too_long"),
    (b'{"ProofSubmit":{"id":1}}', "missing_field"),
    (b'{"ProofSubmit":{"id":1,"proof":{"Proof":{"prover_type":"TDX","proof":[256]}}}}', "out_of_range"),
    (b'{"ProofSubmit":{"id":-1,"proof":{"Proof":{"prover_type":"TDX","proof":[1]}}}}', None),
    (P7_EMPTY, "invalid_request"),
    (b'"ProverSetupACK"', "invalid_request"),
])
def test_what_is_no_message_is_answered_with_a_code(c, message, wanted):
    reply = c.say(message)
    assert reply.startswith(b'{"Error":{"code":"')
    assert wanted is None or code(reply) == wanted, reply
    assert json.loads(reply)["Error"]["message"]
    c.saw("event=message_refused|event=request_refused")
    assert c.request()[0] is None


@pytest.mark.parametrize("message", [b"garbage", b'{"Hello":{}}', P7_EMPTY,
                                     b'{"ProofSubmit":{"id":1,"proof":{"Proof":{"prover_type":"TDX","proof":[1]}}}}'])
def test_silent_close_where_errors_are_switched_off(world, message):
    c = world.coordinator(ERROR_REPLIES="false").start()
    c.saw("event=l1_read")
    assert c.say(message) == b""
    assert c.say(P7) == P7_EMPTY


def test_every_dialect_gets_its_own_words(new_world, world, c):
    c.saw("event=l1_read")
    old = b'{"BatchResponse":{"batch_number":null,"input":null}}'
    p4 = b'{"BatchResponse":{"batch_number":null,"input":null,"format":null}}'
    tokamak = b'{"BatchResponse":{"batch_number":null,"input":null,"format":null,"program_id":null}}'
    p3_ask, p6_ask = b'{"BatchRequest":{"commit_hash":"%s"}}', b'{"BatchRequest":{"commit_hash":"%s","prover_type":"%s"}}'
    tokamak_ask = b'{"BatchRequest":{"commit_hash":"52e4b64","prover_type":"TDX","supported_programs":["evm-l2"]}}'
    assert c.say(b'"BatchRequest"') == old
    assert c.say(p3_ask % b"52e4b64") == p4
    assert c.say(p6_ask % (b"52e4b64", b"TDX")) == p4
    assert c.say(tokamak_ask) == tokamak
    assert c.say(P7) == P7_EMPTY
    # An input for another version.
    assert c.put(1, b'{"a":1}', commit_hash="abcdef1")[0] == 201
    # Who names no version is served where there is one alone, and takes no lease.
    assert c.say(b'"BatchRequest"') == b'{"BatchResponse":{"batch_number":1,"input":{"a":1}}}'
    assert c.say(p3_ask % b"52e4b64") == b'{"NoBatchForVersion":{"commit_hash":"52e4b64"}}'
    assert c.say(p6_ask % (b"52e4b64", b"TDX")) == b'"VersionMismatch"'
    assert c.say(P7) == b'"VersionMismatch"'
    # A type that nobody needs.
    assert c.say(p6_ask % (b"abcdef1", b"SP1")) == b'{"ProverTypeNotNeeded":{"prover_type":"SP1"}}'
    assert c.say(P7.replace(b"TDX", b"RISC0")) == b'{"ProverTypeNotNeeded":{"prover_type":"RISC0"}}'
    # The input itself; p3..p5 names no type and takes no lease.
    for _ in range(2):
        assert c.say(p3_ask % b"abcdef1") == b'{"BatchResponse":{"batch_number":1,"input":{"a":1},"format":"Groth16"}}'
    assert c.say(P7.replace(b"52e4b64", b"abcdef1")) == b'{"InputResponse":{"id":1,"input":{"a":1},"format":"Groth16"}}'
    # And the ACKs; one proof a batch is what a stranger may send before the batch is committed.
    assert c.put(2, b'{"a":2}', commit_hash="abcdef1")[0] == 201
    for ask, ack in [
        (b'{"ProofSubmit":{"batch_number":1,"batch_proof":{"ProofCalldata":{"prover_type":"TDX","calldata":[{"Bytes":[1]}]}}}}',
         b'{"ProofSubmitACK":{"batch_number":1}}'),
        (b'{"ProofSubmit":{"id":2,"proof":{"Proof":{"prover_type":"TDX","proof":[2]}}}}', b'{"ProofSubmitACK":{"id":2}}'),
    ]:
        assert c.say(ask) == ack


def test_a_client_that_does_not_half_close_is_served(c):
    assert c.say(P7, half_close=False) == P7_EMPTY


def test_oversized_message(world):
    c = world.coordinator(MAX_MESSAGE_BYTES=100000).start()
    reply = b""
    with c.connect() as s:
        try:
            s.sendall(b'{"ProofSubmit":{"proof":{"Proof":{"proof":[' + b"1," * 100000)
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        try:
            while piece := s.recv(65536):
                reply += piece
        except ConnectionResetError:
            pass
    assert reply == b"" or code(reply) == "oversize"
    assert c.metric('bad_messages_total{reason="oversize"}') == 1
    assert c.say(P7) == P7_EMPTY


def test_dribblers_and_idlers_delay_nobody(world):
    c = world.coordinator(READ_TIMEOUT=1500, TOTAL_TIMEOUT=4000).start()
    key = Key()
    c.enroll(key)
    dribblers = [c.connect() for _ in range(50)]
    idlers = [c.connect() for _ in range(200)]
    stop = threading.Event()

    def dribble():
        for byte in P7[:-1] * 100:
            for s in dribblers:
                try:
                    s.send(bytes([byte]))
                except OSError:
                    pass
            if stop.wait(0.5):
                return
    thread = threading.Thread(target=dribble)
    thread.start()
    world.feed(c, 5)
    waits = []
    end = time.monotonic() + 30
    while world.verified < 5 and time.monotonic() < end:
        start = time.monotonic()
        if world.prove(c, key) is None:
            time.sleep(0.02)
        waits.append(time.monotonic() - start)
    assert world.verified == 5
    assert sorted(waits)[len(waits) // 2] < 1
    # All of them are let go in time.
    until("the idle and the slow are gone", lambda: c.metric("connections") == 0, 15)
    stop.set()
    thread.join()
    for s in dribblers + idlers:
        s.close()


def test_too_many_connections_of_one_source(world):
    c = world.coordinator(MAX_CONNECTIONS_PER_SOURCE=5).start()
    held = [c.connect() for _ in range(5)]
    until("five connections", lambda: c.metric("connections") == 5)
    refused = b""
    try:
        refused = c.say(P7)
    except OSError:
        pass
    assert refused == b"" or code(refused) == "busy"
    assert c.say(P7, source="127.0.0.2") == P7_EMPTY
    for s in held:
        s.close()
    until("room again", lambda: c.metric("connections") == 0)
    assert c.say(P7) == P7_EMPTY


def test_whoever_fills_the_receive_buffers_fills_his_own(world):
    """250 connections of one address, then large messages of many: others' setups are taken."""
    c = world.coordinator(MAX_CONNECTIONS_PER_SOURCE=500).start()
    c.saw("event=l1_read")
    setup = {"ProverSetup": {"prover_type": "TDX", "payload": [200] * 23000}}
    start = b'{"ProofSubmit":{"proof":{"Proof":{"proof":['  # tells nothing for which it could be refused
    held = []

    def hold(source, size):
        s = c.connect(source)
        s.settimeout(0.2)
        held.append(s)
        try:
            s.sendall(start + b"1," * (size // 2))
        except OSError:
            pass

    for _ in range(250):
        hold("127.0.0.2", 240_000)
    until("what came is read", lambda: c.metric('bad_messages_total{reason="busy"}') > 0)
    assert c.metric("buffered_bytes") <= 20 << 20
    assert code(c.say(setup)) == "setup_refused"  # and not "busy"
    for n in range(3, 12):
        hold(f"127.0.0.{n}", 15 << 20)
    until("the memory is full", lambda: c.metric("buffered_bytes") > 40 << 20)
    assert code(c.say(setup)) == "setup_refused"
    assert c.metric("buffered_bytes") <= 64 << 20
    for s in held:
        s.close()
    until("room again", lambda: c.metric("buffered_bytes") == 0)


def test_a_long_proof_that_nobody_wants_is_refused_by_its_beginning(world, c):
    c.saw("event=l1_read")
    many = b"200," * 3_000_000 + b"7"
    start = b'{"ProofSubmit":{"id":%d,"proof":{"Proof":{"prover_type":"%s","proof":['
    before = c.metric("messages_total")
    assert code(c.say(start % (1, b"TDX") + many + b"]}}}}")) == "unknown_batch"
    world.put(c, 1, 1)
    assert code(c.say(start % (1, b"SP1") + many + b"]}}}}")) == "type_not_needed"
    # No signature has so many bytes: refused long before all of them are there.
    assert code(c.say(start % (1, b"TDX") + many + b"]}}}}")) == "too_big"
    assert c.metric("messages_total") == before
    # Where the beginning does not tell, the pool's decoder does.
    late = b'{"ProofSubmit":{"proof":{"Proof":{"proof":[%s],"prover_type":"TDX"}},"id":%d}}'
    assert code(c.say(late % (many, 4))) == "unknown_batch"
    assert code(c.say(late % (many, 1))) == "too_big"
    assert code(c.say(late % (many + b",300", 1))) == "out_of_range"
    assert c.metric("messages_total") == before + 3


def test_wrong_proofs_are_kept_then_set_aside_and_the_batch_proven(world):
    c = world.coordinator(PROVER_TIMEOUT=1000).start()
    honest, key_of_a_stranger = Key(), Key()
    c.enroll(honest)
    assert code_of(c.submit(1, b"x" * 65)) == "unknown_batch"
    world.put(c, 1, 3)
    assert code_of(c.submit(4, b"x" * 65)) == "unknown_batch"
    assert code_of(c.submit(1, b"x" * 65, prover_type="SP1")) == "type_not_needed"
    assert c.submit(1, b"too short") is True
    world.commit(1, 3)
    world.fed = 3
    aside = c.saw(r"event=proof_set_aside batch=1 .*")[0]
    assert "a signature of 65 bytes; this one has 9" in aside
    # By a key that no prover here has: the contract decides.
    number, _ = c.request(source="127.0.0.2")
    assert number == 1
    assert c.submit(1, world.proof(key_of_a_stranger, 1), source="127.0.0.2") is True
    assert c.saw(r"event=proof_set_aside batch=1 .*InvalidTdxProof.*")
    end = time.monotonic() + 60
    while world.verified < 3:
        assert time.monotonic() < end, c.status()
        if world.prove(c, honest, source="127.0.0.3") is None:
            time.sleep(0.05)
    bad = c.metric('judged_total{verdict="bad"}')
    assert bad >= 2
    # Late, twice, for a batch that is done: thanked, not kept.
    for _ in range(2):
        assert c.submit(3, world.proof(honest, 3)) is True
    assert world.verified == 3


def code_of(answer):
    assert answer is not True
    return answer["Error"]["code"]


def test_the_same_proof_again_is_acknowledged_and_kept_once(world, c):
    key = Key()
    c.enroll(key)
    world.put(c, 1, 1)
    proof = world.proof(key, 1)
    assert [c.submit(1, proof) for _ in range(3)] == [True] * 3
    c.stop()
    assert c.stored_proofs() == {(1, proof)}
    c.start()
    assert c.submit(1, proof) is True
    world.commit(1, 1)
    world.until_verified(1)


def test_quotas(world):
    c = world.coordinator(CANDIDATES_PER_BATCH=4, CANDIDATES_PER_SOURCE=6, PROVER_TIMEOUT=1000).start()
    key = Key()
    c.enroll(key)
    world.put(c, 1, 4)
    kept, codes = 0, set()
    for n in (1, 2, 3, 4):
        for _ in range(6):
            answer = c.submit(n, os.urandom(65), source="127.0.0.66")
            if answer is True:
                kept += 1
            else:
                codes.add(answer["Error"]["code"])
    assert kept <= 6 and codes <= {"source_quota", "no_room"} and codes
    # Nobody else suffers: each batch still takes the honest one.
    world.commit(1, 4)
    world.fed = 4
    end = time.monotonic() + 60
    while world.verified < 4:
        assert time.monotonic() < end, c.status()
        if world.prove(c, key) is None:
            time.sleep(0.05)


def test_a_prover_that_vanishes(world):
    c = world.coordinator(PROVER_TIMEOUT=3000).start()
    key = Key()
    c.enroll(key)
    world.feed(c, 1)
    assert c.request(source="127.0.0.2")[0] == 1
    assert c.request()[0] is None
    assert until("the batch handed out again", lambda: world.prove(c, key)) == 1
    world.until_verified(1)


def test_a_prover_that_hangs_up_in_the_middle_of_its_input(world):
    c = world.coordinator(PROVER_TIMEOUT=3600000).start()
    key = Key()
    c.enroll(key)
    assert c.put(1, b'{"a":"' + b"x" * (30 << 20) + b'"}')[0] == 201
    with c.connect() as s:
        s.sendall(P7)
        assert s.recv(1000)
    c.saw("event=input_not_delivered batch=1")
    assert c.request()[0] == 1
