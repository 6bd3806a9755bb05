"""Two guests at one coordinator for what would be an hour: nobody registers who is known."""

from process import until
from test_quote_gen import Prover

ANSWERS = ("active", "standby", "waiting", "refused", "retry")
AN_HOUR = 12  # questions whether the key is known, one in five minutes


def asked(c):
    return c.log().count("kind=KeyState ")


def setups(c):
    """How many came, whatever they were answered."""
    return sum(int(c.metric(f'setups_total{{answer="{word}"}}')) for word in ANSWERS)


def test_two_guests_register_once_each(world):
    c = world.coordinator(LOG_LEVEL="debug").start()
    c.saw("event=l1_read")
    guests = [Prover(c.port, "--key-ask-interval", 30) for _ in range(2)]
    try:
        until("both are known", lambda: len(c.provers()) == 2 and setups(c) >= 2, 30)
        first, came = world.signer, setups(c)
        until("an hour's questions", lambda: asked(c) >= 2 * AN_HOUR, 60)
        assert setups(c) == came and world.signer == first
        # One of them starts again, with a fresh key: it registers by itself, once.
        guests[1].p.kill()
        guests.append(Prover(c.port, "--key-ask-interval", 30))
        until("the new key is known", lambda: len(c.provers()) == 3 and setups(c) > came, 30)
        assert setups(c) == came + 1
        # The coordinator starts again, and nobody is forgotten.
        c.stop()
        c = world.coordinator(LOG_LEVEL="debug").start()
        until("an hour's questions more", lambda: asked(c) >= 2 * AN_HOUR, 60)
        assert setups(c) == 0 and len(c.provers()) == 3
    finally:
        for guest in guests:
            guest.p.kill()
