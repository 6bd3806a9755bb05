"""A ProverSetup that cannot be is refused in words, before anything is stored or sent."""

from l1 import VECTORS
from world import Key


def quote():
    """A real one where there is one, else only the shape: version 4, TEE type TDX, 636 bytes and more."""
    path = VECTORS / "quote.example"
    if path.exists():
        return bytes.fromhex(path.read_text().strip().removeprefix("0x"))
    return bytes.fromhex("0400020081000000") + bytes(1000)


def refusal(c, payload):
    answer = c.setup(payload)
    assert answer is not True
    return answer["Error"]["code"], answer["Error"]["message"]


def test_on_a_dev_contract(world):
    c = world.coordinator().start()
    key = Key()
    c.enroll(key)
    for payload in (quote(), quote()[:700]):
        code, text = refusal(c, payload)
        assert code == "setup_refused" and "quote" in text and "dev" in text, text
    for payload in (b"", b"x" * 19, b"x" * 21, bytes(20)):
        code, text = refusal(c, payload)
        assert code == "setup_refused" and text, payload
    assert world.signer == key.address and len(c.provers()) == 1
    assert c.metric('setups_total{answer="refused"}') == 6
    # Setups of other types have nothing to register.
    assert c.ask({"ProverSetup": {"prover_type": "SP1", "payload": []}}) == "ProverSetupACK"


def test_dev_payload_without_the_setting(world):
    c = world.coordinator(ETHREX_TDX_DEV_MODE="false").start()
    c.saw("event=l1_read")
    code, text = refusal(c, Key().payload)
    assert code == "setup_refused" and "ETHREX_TDX_DEV_MODE" in text, text
    assert int(world.signer, 16) == 0


def test_on_a_production_contract(new_world):
    world = new_world("production")
    c = world.coordinator(ETHREX_TDX_DEV_MODE="true", COLLATERAL_SOURCES=f"dir:{world.dir}/nothing").start()
    c.saw("event=l1_read")
    code, text = refusal(c, Key().payload)
    assert code == "setup_refused" and "20" in text, text
    code, text = refusal(c, quote())
    real = (VECTORS / "quote.example").exists()  # the contract's own image: only collateral is wanting
    assert (code, "no collateral" in text) == (("try_again", True) if real else ("setup_refused", False)), text
    assert int(world.signer, 16) == 0 and c.provers() == {}


def test_while_l1_is_unknown(world):
    c = world.coordinator(ETHREX_ETH_RPC_URL="http://127.0.0.1:9").start()
    code, text = refusal(c, Key().payload)
    assert code == "try_again" and "L1 has not yet said" in text


def test_the_state_of_a_key(world):
    """Ours: a prover asks whether its key is still known, and registers again only when it is not."""
    c = world.coordinator().start()
    active, standby, stranger = Key(), Key(), Key()

    def state(key):
        return c.ask({"KeyState": {"key": key.address}})["KeyStateResponse"]["state"]

    assert state(active) == "unknown"
    c.enroll(active)
    assert c.setup(standby.payload) is True
    assert [state(key) for key in (active, standby, stranger)] == ["active", "standby", "unknown"]
    c.stop()
    c = world.coordinator().start()
    c.saw("event=l1_read")
    assert [state(key) for key in (active, standby, stranger)] == ["active", "standby", "unknown"]
    assert c.admin("POST", f"/api/v1/revocations/{standby.address}")[0] == 200
    assert state(standby) == "unknown"
    for wrong in ("", "0x12", active.address[2:], 7):
        assert c.ask({"KeyState": {"key": wrong}})["Error"]["code"] in ("bad_string", "too_long", "wrong_type")
