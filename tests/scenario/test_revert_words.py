"""Every custom error of DcapVerifier, and of Automata's contracts, is in the coordinator's table, in words."""

import json
import re

from l1 import CONTRACTS, REPO, cast, compile_contracts

TABLE = (REPO / "ethereum" / "revert_table.c").read_text()


def errors_of_abi(name):
    abi = json.loads((CONTRACTS / "out" / f"{name}.json").read_text())["abi"]
    return {f"{e['name']}({','.join(i['type'] for i in e['inputs'])})" for e in abi if e["type"] == "error"}


def errors_of_sources(pattern):
    found = set()
    for path in sorted(CONTRACTS.glob(pattern)):
        for name, args in re.findall(r"^\s*error (\w+)\(([^)]*)\);", path.read_text(), re.M):
            found.add(f"{name}({','.join(a.split()[0] for a in args.split(',') if a.strip())})")
    return found


def test_each_custom_error_has_words():
    compile_contracts()
    known = dict(re.findall(r'{(0x[0-9a-f]{8}), "(\w+\([\w,]*\))"', TABLE))
    of_ours = errors_of_abi("DcapVerifier")
    assert len(of_ours) > 20
    wanted = of_ours | errors_of_sources("src/dcap/*.sol") | errors_of_sources("test-src/Automata*.sol")
    missing = wanted - set(known.values())
    assert not missing, f"revert_table.c lacks {sorted(missing)}"
    for selector, signature in known.items():
        if signature in of_ours:
            assert cast("sig", signature) == selector


def test_the_reasons_of_dcap_verifier_are_words_already():
    """They are shown as they are, so none may be a code."""
    for path in [CONTRACTS / "src" / "DcapVerifier.sol", *sorted((CONTRACTS / "src" / "dcap").glob("*.sol"))]:
        for reason in re.findall(r'revert\("([^"]+)"', path.read_text()):
            assert " " in reason and len(reason) > 12, f"{path.name}: {reason}"


def test_the_table_has_no_error_twice():
    signatures = re.findall(r'{0x[0-9a-f]{8}, "(\w+\([\w,]*\))"', TABLE)
    assert len(signatures) == len(set(signatures)) > 100
