"""libtdxverify and the on-chain verifier over the same quotes and collateral: the same verdict, and
where both accept, the same bytes. The contract never accepts what the library refuses."""

import os
import pathlib

import pytest

from differential import ATTRIBUTES, NUMBERS, Chain, Tally, subjects
from l1 import L1, REPO, VECTORS, compile_contracts

BUILD = pathlib.Path(os.environ.get("BUILD_DIR") or REPO / "build" / "release")
PROGRAM = BUILD / "tests" / "differential" / "differential-cases"
# One of this many bytes of a quote and its collateral is changed; all with 1.
STRIDE = int(os.environ.get("DIFFERENTIAL_STRIDE") or 97)
RANDOM_CASES = int(os.environ.get("DIFFERENTIAL_CASES") or 500)
SEED = int(os.environ.get("DIFFERENTIAL_SEED") or 1)


@pytest.fixture(scope="module")
def chain():
    compile_contracts()
    # Simulated blocks have any time; the node's own is before all of them.
    node = L1("--enable-tx-gas-limit", "--timestamp", "1500000000", "--gas-limit", "1000000000")
    yield Chain(node)
    node.close()


def run(chain, title, capsys, *args):
    tally = Tally()
    for subject in subjects(PROGRAM, *args):
        tally.compare(subject, chain.ask(subject))
    with capsys.disabled():
        print(f"\n{title}: {tally}")
    assert not tally.disagreements, "\n".join(tally.disagreements[:20])
    return tally


def test_vectors(chain, capsys):
    directory = VECTORS / "dcap"
    if not (directory / "MANIFEST.json").exists():
        pytest.skip(f"SKIPPED: there are no vectors in {directory} (set VECTORS_DIR)")
    tally = run(chain, "vectors", capsys, "vectors", directory)
    # Where the contract is stricter it has still judged the rest of the pair.
    stricter = sum(tally.classes.get(name, 0) for name in (NUMBERS, ATTRIBUTES))
    assert tally.cases > 400 and tally.accepted >= 128 and tally.accepted + stricter >= 149


def test_forged(chain, capsys):
    tally = run(chain, "forged", capsys, "forged", STRIDE)
    assert tally.cases > 500 and tally.accepted > 100


def test_crls_that_come_last(chain):
    """What a CRL revokes is refused although it was uploaded, and was good, before."""
    n = 0
    for subject in subjects(PROGRAM, "forged", 1000):
        if any("revoked" in check for check in subject["library"]["failed"]):
            answers = chain.ask(subject, late_crls=True)
            assert not answers.refused, f"{subject['id']}: {answers}"
            assert "is revoked" in answers.reason["v1_1", "quote"], f"{subject['id']}: {answers}"
            n += 1
    assert n > 10


def test_random(chain, capsys):
    """Random structures, signed by whoever signs them."""
    tally = run(chain, f"random, seed {SEED}", capsys, "random", SEED, RANDOM_CASES)
    assert tally.cases == RANDOM_CASES and tally.accepted > RANDOM_CASES // 10
