"""Port 3900 has no identity: strangers cost time, never progress; an address is not a prover."""

import os
import time

from process import until
from world import Background, Key

DEFAULT = {"PROVER_TIMEOUT": 600000, "PROVER_SILENCE": 600000}


def test_two_provers_behind_one_address(world):
    """With the default times: the standby may have any batch first, and nothing waits for it."""
    c = world.coordinator(**DEFAULT).start()
    provers = [world.prover(c, name=f"prover{i}").start() for i in range(2)]
    for prover in provers:
        prover.saw("Sending quote")
    until("two keys", lambda: len(c.provers()) == 2)
    for last in range(2, 17, 2):
        world.feed(c, last)
        time.sleep(0.2)
    world.until_verified(16, 90)
    assert c.stop() == 0


def test_a_switch_does_not_wait_for_proofs_behind_a_gap(world):
    """The active proved batch 2 and died; batch 1 is another's."""
    c = world.coordinator(PROVER_TIMEOUT=600000, PROVER_SILENCE=3000).start()
    active, standby = Key(), Key()
    c.enroll(active)
    c.enroll(standby)
    world.feed(c, 2)
    assert c.submit(2, world.proof(active, 2), source="127.0.0.2") is True
    c.saw(r"event=proof_judged batch=2 .*verdict=good")
    assert c.submit(1, world.proof(standby, 1)) is True
    until("the switch", lambda: world.signer == standby.address.lower(), 60)
    until("batch 2 again", lambda: world.prove(c, standby) == 2 or world.verified == 2, 60)
    world.until_verified(2)
    assert c.stop() == 0


def test_a_standby_that_proves_the_same_batch_again_is_alive(world):
    """Its duplicates are all that it can show, for the head batch is all that there is."""
    c = world.coordinator(PROVER_TIMEOUT=600000, PROVER_SILENCE=3000).start()
    active, standby = Key(), Key()
    c.enroll(active)
    c.enroll(standby)
    world.feed(c, 3)
    # The active works, the standby shows one proof, and the active the last: it is the newer.
    for number, key in ((2, active), (1, standby), (3, active)):
        assert c.submit(number, world.proof(key, number)) is True
        c.saw(rf"event=proof_judged batch={number} .*verdict=good")
    shown = c.provers()[standby.address.lower()]["proofs"]
    until("the switch", lambda: c.submit(1, world.proof(standby, 1)) is True and world.signer == standby.address.lower(),
          60, 0.5)
    assert c.provers()[standby.address.lower()]["proofs"] > shown
    assert c.stop() == 0


def test_a_stranger_who_polls_delays_no_switch(world):
    """Requests and setups prove nothing: from the active's own address they break no silence, and take no turn."""
    silence = 3
    c = world.coordinator(PROVER_TIMEOUT=2000, PROVER_SILENCE=1000 * silence).start()
    active, standby = Key(), Key()
    c.enroll(active)
    c.enroll(standby)
    world.feed(c, 1)
    assert world.prove(c, active) == 1
    world.until_verified(1)

    def polls():
        c.request()  # as the one that died would, and never a proof for it
        c.setup(active.payload)

    stranger = Background(polls, pause=0.05)
    world.feed(c, 4)
    # The standby shows that it works, with a batch that the stranger may well hold.
    began = time.monotonic()
    until("the switch", lambda: c.submit(2, world.proof(standby, 2)) is True and world.signer == standby.address.lower(),
          60, 0.3)
    took = time.monotonic() - began
    for number in (3, 4):
        assert c.submit(number, world.proof(standby, number)) is True
    world.until_verified(4)
    stranger.stop()
    assert took < 5 * silence, f"{took:.1f} s"
    assert c.stop() == 0


def test_hostile_addresses_withhold_nothing(world):
    """Thirty addresses take every lease as soon as there is one; half keep still, half send junk."""
    c = world.coordinator(**DEFAULT, SEND_INTERVAL=500).start()
    key = Key()
    c.enroll(key)
    world.feed(c, 1)
    assert world.prove(c, key) == 1
    world.until_verified(1)

    def attack():
        for n in range(30):
            source = f"127.0.1.{n + 1}"
            number, _ = c.request(source=source)
            if n % 2:
                c.submit(number or world.verified + 1, os.urandom(64) + b"\x1b", source=source)

    hostile = [Background(attack) for _ in range(2)]
    time.sleep(1)
    began = time.monotonic()
    for last in range(4, 20, 4):
        world.feed(c, last)
        while world.verified < last:
            assert time.monotonic() < began + 120, c.status()
            number, _ = c.request()
            if number is None:
                time.sleep(0.1)
                continue
            assert c.submit(number, world.proof(key, number)) is True, "no granted honest proof is refused"
    for h in hostile:
        h.stop()
    judged = len([e for e in c.events("proof_set_aside")])
    print(f"16 batches in {time.monotonic() - began:.1f} s, {judged} junk proofs judged")
    assert c.stop() == 0
