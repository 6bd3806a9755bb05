"""Batches from a sequencer through provers to L1, and what happens when a part goes away."""

import signal
import time

from world import Key, until


def test_one_tdx_prover(world):
    c = world.coordinator().start()
    prover = world.prover(c).start()
    sequencer = world.sequencer(c, "--batches", "5").start()
    until("five batches verified", lambda: world.verified == 5)
    assert sequencer.process.wait(30) == 0
    assert world.signer == prover.address
    assert prover.processed(5) == [1, 2, 3, 4, 5]
    assert c.provers()[prover.address]["state"].startswith("active")
    assert c.stop() == 0
    assert prover.stop() == 0


def test_one_exec_prover_where_nothing_is_required(new_world):
    world = new_world("exec")
    c = world.coordinator().start()
    prover = world.prover(c, prover_type="Exec").start()
    world.feed(c, 4)
    world.until_verified(4)
    assert prover.processed(4) == [1, 2, 3, 4]
    # Another type is told so.
    assert c.request(prover_type="TDX") == (None, {"ProverTypeNotNeeded": {"prover_type": "TDX"}})


def test_dev_mode_setting_sends_empty_proofs(new_world):
    world = new_world("exec")
    c = world.coordinator(DEV_MODE="true").start()
    world.prover(c, prover_type="Exec").start()
    world.feed(c, 2)
    world.until_verified(2)


def test_three_provers_one_active_no_batch_lost(world):
    c = world.coordinator(PROVER_SILENCE=3600000, PROVER_TIMEOUT=1000).start()
    provers = [world.prover(c, f"prover{i}").start() for i in range(3)]
    addresses = [p.address for p in provers]
    until("three keys known", lambda: len(c.provers()) == 3)
    until("one of them registered", lambda: world.signer in addresses)
    active = world.signer
    roles = {e["signer"].lower(): e["as"] for e in c.told("setup_acknowledged", 3)}
    assert roles == {a: "active" if a == active else "standby" for a in addresses}
    world.feed(c, 2)
    world.until_verified(2)
    # A key without a proof yields to one that has shown one: from here on the active has.
    active, registrations = world.signer, len(c.events("registered"))
    assert registrations <= 2
    for last in (4, 6):
        world.feed(c, last)
        world.until_verified(last)
    assert world.signer == active, "a live active was displaced by a newcomer"
    assert len(c.events("registered")) == registrations
    states = {a: p["state"] for a, p in c.provers().items()}
    assert states[active].startswith("active")
    assert all(s.startswith("standby") for a, s in states.items() if a != active), states


def test_a_standby_takes_over_when_the_active_dies(world):
    c = world.coordinator(PROVER_SILENCE=2000, PROVER_TIMEOUT=1000).start()
    first, second = Key(), Key()
    c.enroll(first)
    assert world.signer == first.address
    c.enroll(second)
    world.feed(c, 6)
    assert world.prove(c, first) == 1
    world.until_verified(1)
    # The first is never heard of again; the second proves what it is given.
    end = time.monotonic() + 60
    while world.verified < 6:
        assert time.monotonic() < end, c.status()
        if world.prove(c, second) is None:
            time.sleep(0.1)
    assert world.signer == second.address
    assert [e["signer"].lower() for e in c.told("registered", 2)] == [first.address, second.address]
    states = {a: p["state"] for a, p in c.provers().items()}
    assert states[second.address].startswith("active") and states[first.address].startswith("standby")


def test_killing_the_active_of_two_quote_gens(world):
    c = world.coordinator(PROVER_SILENCE=2000, PROVER_TIMEOUT=1000).start()
    a = world.prover(c, "a").start()
    until("a registered", lambda: world.signer == a.address)
    b = world.prover(c, "b").start()
    until("b known", lambda: b.address in c.provers())
    world.feed(c, 3)
    world.until_verified(3)
    a.kill()
    world.feed(c, 8)
    world.until_verified(8)
    assert world.signer == b.address


def test_every_part_restarts_in_the_middle(world):
    # A prover that starts again comes with a new key, which has to take over from the old one.
    c = world.coordinator(PROVER_SILENCE=1000, PROVER_TIMEOUT=1000).start()
    prover = world.prover(c).start()
    sequencer = world.sequencer(c, "--batches", "24", interval=0.3).start()

    def progress():
        seen = world.verified
        until(f"more than {seen} verified", lambda: world.verified > min(seen, 23))

    progress()
    assert c.stop() == 0
    assert "event=draining" in c.log()
    c.start()
    progress()
    prover.stop()
    prover.start()
    progress()
    sequencer.kill()
    sequencer.start()
    progress()
    world.l1.close()
    c.saw("event=l1_unreadable")
    assert c.admin("GET", "/readyz")[0] == 200
    world.l1.start()
    progress()
    prover.signal(signal.SIGKILL)
    prover.start()
    until("24 batches verified", lambda: world.verified == 24, 90)
    assert c.stop() == 0


def test_drain_finishes_what_is_in_flight(world):
    c = world.coordinator(DRAIN_TIMEOUT=10000).start()
    key = Key()
    c.enroll(key)
    world.feed(c, 1)
    number, _ = c.request()
    with c.connect() as s:
        s.sendall(b'{"ProofSubmit":{"id":%d,"proof":{"Proof":{"prover_type":"TDX","proof":%s}}}' %
                  (number, str(list(world.proof(key, number))).encode()))
        until("what has begun is read", lambda: c.metric("buffered_bytes") > 0)
        c.signal(signal.SIGTERM)
        c.saw("event=draining")
        s.sendall(b"}")
        assert s.recv(1000) == b'{"ProofSubmitACK":{"id":1}}'
    assert c.process.wait(15) == 0
    c.start()
    world.until_verified(1)


def test_a_backlog_goes_in_one_transaction(world):
    """As many batches as the gas of one transaction allows, without a setting."""
    c = world.coordinator(PROVER_TIMEOUT=60000).start()
    key, last = Key(), 48
    c.enroll(key)
    world.feed(c, last)
    assert [c.request()[0] for _ in range(last)] == list(range(1, last + 1))
    for n in range(last, 1, -1):
        assert c.submit(n, world.proof(key, n)) is True
    until("all but the first are judged", lambda: sum(b["types"]["TDX"]["good"] for b in c.status()["batches"]) == last - 1)
    assert c.submit(1, world.proof(key, 1)) is True
    world.until_verified(last)
    run, = c.told("batches_verified")
    assert (run["first"], run["last"]) == ("1", str(last))
    assert int(run["gas"]) < 60000 + 48 * 40000, "more gas a batch than the first run reckons with"
