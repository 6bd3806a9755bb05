"""PCK certificates that a DcapVerifier keeps: anyone may have one read, and what it is good for
afterwards is looked at with each quote."""

import base64
import re
import time

import pytest

from dcap import (  # noqa: F401 -- some are fixtures
    PIECES, Dcap, Platform, Vector, dcap, full, l1, leaf_only, node, refused, vector,
)
from differential import FIXED, with_bytes
from l1 import Reverted, cast

CACHE = "cachePckCertificate(bytes)"


def leaf_of(quote):
    return base64.b64decode(re.search(b"BEGIN CERTIFICATE-----(.*?)-----END", quote, re.S)[1])


def cache(d, leaf, sender=None):
    return d.transact(with_bytes(CACHE, leaf), sender)


def gas(d, quote):
    """Of a verification, by how much it takes as a transaction."""
    call = {"from": d.l1.accounts[0], "to": d.at, "data": "0x" + with_bytes("verifyAndAttestOnChain(bytes)", quote).hex()}
    return int(d.l1.rpc("eth_estimateGas", call), 16)


def key_of(d, leaf):
    return d.l1.call(d.at, "PCK_KEY(bytes32)", cast("keccak", "0x" + leaf.hex()))


def shown(d, leaf):
    window = d.l1.call(d.at, "getCollateralValidity(bytes32)", key_of(d, leaf))[2:]
    return int(window[:64], 16), int(window[64:], 16)


def test_it_means_the_same_and_costs_less(full, vector, l1):
    short, leaf = leaf_only(vector.quote), leaf_of(vector.quote)
    before, dear = full.verify(short), gas(full, short)
    assert before[0] and shown(full, leaf) == (0, 0)
    cache(full, leaf, sender=l1.accounts[8])
    assert full.verify(short) == full.verify(vector.quote) == before
    assert gas(full, short) < dear - 50_000
    start, end = shown(full, leaf)
    assert start < vector.now < end
    assert l1.call(full.at, "getCollateralHash(bytes32)", key_of(full, leaf)) == cast("keccak", "0x" + leaf.hex())
    with refused("Duplicate_Collateral()"):
        cache(full, leaf)


def test_only_what_a_quote_could_bring_is_kept(dcap, vector, full):
    leaf = leaf_of(vector.quote)
    for der, reason in (
        (leaf[:-1] + bytes([leaf[-1] ^ 1]), "the PCK certificate is not signed by the PCK CA"),
        (leaf + b"\0", "malformed DER: something follows"),
        (vector.ca, "the PCK certificate has no SGX extension"),
        (b"", "the certification data does not begin with a certificate in PEM"),
    ):
        with pytest.raises(Reverted) as problem:
            cache(full, der)
        assert problem.value.reason == reason
        assert shown(full, der) == (0, 0)


def test_its_chain_and_crl_must_be_there(dcap, vector):
    leaf = leaf_of(vector.quote)
    for piece, reason in (
        ("root", "the certificate of the CA that issued the PCK certificate is missing"),
        ("root_crl", None), ("ca", "the PCK CRL is missing"), ("pck_crl", None),
    ):
        dcap.upload(vector, piece)
        if reason:
            with pytest.raises(Reverted) as problem:
                cache(dcap, leaf)
            assert problem.value.reason == reason
    cache(dcap, leaf)


def test_another_certificate_is_not_taken_for_it(full, vector):
    """The key is the hash of every byte, signature included."""
    short, leaf = leaf_only(vector.quote), leaf_of(vector.quote)
    cache(full, leaf)
    for i in (4, len(leaf) // 2, len(leaf) - 1):
        other = short.replace(leaf, leaf[:i] + bytes([leaf[i] ^ 1]) + leaf[i + 1 :])
        assert other != short and full.verify(other)[0] is False


def test_expiry_counts_each_time(full, vector):
    short, leaf = leaf_only(vector.quote), leaf_of(vector.quote)
    cache(full, leaf)
    assert full.verify(short, time=vector.until)[0]
    ok, reason = full.verify(short, time=vector.until + 1)
    assert not ok and reason.endswith(" has expired")
    newer = Vector("pos0001")
    full.wind(newer.now)
    full.upload(newer, "root_crl")
    assert full.verify(short) == (False, "the PCK CRL has expired")
    with pytest.raises(Reverted) as problem:
        cache(full, leaf_of(Vector("pos0004").quote))
    assert problem.value.reason == "the PCK CRL has expired"


def test_it_is_bound_to_the_ca_s_key(full, vector, l1):
    """With another key of the CA in the store, what the former one signed is read and checked anew."""
    short, leaf = leaf_only(vector.quote), leaf_of(vector.quote)
    cache(full, leaf)
    # The CA's blob: the contract's fifth creation, after two parsers, the root and its CRL.
    blob = cast("compute-address", full.at, "--nonce", 5).split()[-1]
    code = l1.rpc("eth_getCode", blob, "latest")
    x = 2 + 2 * (1 + 32)  # STOP, hash, then the key
    assert code[x : x + 64] in vector.ca.hex()
    l1.rpc("anvil_setCode", blob, code[:x] + vector.root.hex()[-64:] + code[x + 64 :])
    assert full.verify(short) == (False, "the PCK certificate is not signed by the PCK CA")
    l1.rpc("anvil_setCode", blob, code)
    assert full.verify(short)[0]


@pytest.mark.parametrize(
    "revoked, piece, reason",
    [
        ("pck", "pck_crl", "the PCK certificate is revoked"),
        ("ca", "root_crl", "the PCK CA is revoked"),
        ("tcb-signing", "root_crl", "the TCB signing certificate is revoked"),
    ],
)
def test_both_crls_count_each_time(l1, tmp_path, revoked, piece, reason):
    platform = Platform(tmp_path / "pki")
    d = Dcap(l1, platform.root, (FIXED, 17))
    d.wind(int(time.time()))
    for name in PIECES:
        d.transact(platform.call(name))
    quote = platform.quote()
    cache(d, leaf_of(quote))
    ok, why = d.verify(leaf_only(quote))
    assert ok, why
    platform.renew("--age", "60", "--revoked", revoked)
    d.transact(platform.call(piece))
    assert d.verify(leaf_only(quote)) == d.verify(quote) == (False, reason)
    platform.renew("--age", "30")  # Intel takes it back
    d.transact(platform.call(piece))
    assert d.verify(leaf_only(quote))[0]
