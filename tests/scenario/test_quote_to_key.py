"""A quote of the stand-in on its way to a registered key, by hand: collateral to the chain, register,
and what stops it. No coordinator takes part."""

import pytest

from l1 import Reverted, free_port
from world import Key

EVERYTHING = {"root certificate", "root CRL", "PCK CA certificate", "TCB signing certificate", "PCK CRL", "QE identity",
              "TCB info"}
RENEWED = {"root CRL", "PCK CRL", "QE identity", "TCB info"}


@pytest.fixture
def world(new_world):
    made = new_world("dcap")
    made.qe, made.collateral = made.software_qe(), made.pccs()
    return made


def register(world, quote):
    """As the coordinator's registrar sends it."""
    return world.l1.send(world.verifier, "register(bytes)", "0x" + quote.hex(), sender=world.l1.accounts[2])


def test_a_quote_becomes_a_registered_key(world):
    first, second = Key(), Key()
    assert set(world.upload_collateral(world.collateral)) == EVERYTHING
    assert world.upload_collateral(world.collateral) == {}
    register(world, world.qe.quote(first.payload))
    assert world.signer == first.address
    register(world, world.qe.quote(second.payload))
    assert world.signer == second.address


def test_what_quote_gen_sends_registers_its_key(world):
    class Nobody:
        port = free_port()

    world.upload_collateral(world.collateral)
    prover = world.prover(Nobody, qe=world.qe).start()
    register(world, bytes.fromhex(prover.saw(r"^Sending quote ([0-9a-f]{41,})$")[1]))
    assert world.signer == prover.address


def test_without_collateral_nothing_is_registered(world):
    with pytest.raises(Reverted):
        register(world, world.qe.quote(Key().payload))


@pytest.mark.parametrize("flags, words", [
    (("--break", "signature"), "quote verification failed"),
    (("--break", "qe-signature"), "quote verification failed"),
    (("--break", "binding"), "quote verification failed"),
    (("--break", "chain"), "quote verification failed"),
    (("--break", "cut"), "quote verification failed"),
    (("--tcb-svn", "3"), "TCB_STATUS != OK"),
    (("--debug-td",), "debug attributes are set"),
    (("--mrtd", "11" * 48), "MRTD mismatch"),
    (("--rtmr0", "11" * 48), "RTMR0 mismatch"),
    (("--rtmr1", "11" * 48), "RTMR1 mismatch"),
    (("--rtmr2", "11" * 48), "RTMR2 mismatch"),
], ids=lambda v: v if isinstance(v, str) else "-".join(v)[:24])
def test_what_the_contract_refuses(world, flags, words):
    world.upload_collateral(world.collateral)
    with pytest.raises(Reverted) as refused:
        register(world, world.qe.quote(Key().payload, *flags))
    assert words in refused.value.reason


def test_a_tcb_recovery(world):
    world.upload_collateral(world.collateral)
    quote = world.qe.quote(Key().payload)
    register(world, quote)
    world.pki("--tcb-status", "OutOfDate", "--evaluation", "18", "--age", "3600")
    assert set(world.upload_collateral(world.collateral)) == RENEWED
    register(world, quote)  # the contract counts with 17
    world.pki("--tcb-status", "OutOfDate", "--age", "1800")
    assert set(world.upload_collateral(world.collateral)) == RENEWED
    with pytest.raises(Reverted) as refused:
        register(world, quote)
    assert refused.value.reason == "TDXVerifier: TCB_STATUS != OK"


def test_collateral_that_ends(world):
    world.upload_collateral(world.collateral)
    quote = world.qe.quote(Key().payload)
    world.l1.rpc("evm_increaseTime", 31 * 86400)
    world.l1.rpc("evm_mine")
    with pytest.raises(Reverted) as refused:
        register(world, quote)
    assert refused.value.reason == "TDXVerifier: quote verification failed"
