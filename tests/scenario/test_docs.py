"""The documents say what the programs do: the settings' table, the tour, the two commands."""

import os
import pathlib
import re
import subprocess

REPO = pathlib.Path(__file__).resolve().parents[2]


def test_settings_table_is_the_programs():
    done = subprocess.run([REPO / "scripts" / "settings-table", "--check"], capture_output=True, text=True,
                          env={**os.environ, "BUILD_DIR": os.environ.get("BUILD_DIR", "build/release")})
    assert done.returncode == 0, "run scripts/settings-table --write\n" + done.stdout


def test_every_stop_of_the_tour_exists():
    stops = re.findall(r"^\| (\d+) \| `([^`]+)`", (REPO / "docs" / "TOUR.md").read_text(), re.M)
    assert [int(n) for n, _ in stops] == list(range(1, len(stops) + 1)) and 5 <= len(stops) <= 10
    for number, name in stops:
        assert f"~ Stop {number} of the tour" in (REPO / name).read_text(), f"stop {number}: {name}"


def test_every_error_code_is_in_the_protocol_page():
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| [^|]+ \|$", (REPO / "docs" / "PROTOCOL.md").read_text(), re.M)
    listed = [code for row in rows for code in re.findall(r"`(\w+)`", row)]
    assert len(listed) == len(set(listed)) > 20
    source = {name: (REPO / name).read_text() for name in ("protocol/proofdata.h", "coordinator/server/server.c",
                                                           "coordinator/server/session.c", "coordinator/proofs/proofs.c")}
    of_messages = set(re.findall(r'X\(PROTO_\w+, "(\w+)"\)', source["protocol/proofdata.h"]))
    of_connections = set(re.findall(r'\[SERVER_BAD_\w+\] = "(\w+)"', source["coordinator/server/server.c"]))
    assert len(of_messages) > 5 and len(of_connections) > 5
    unlisted = (of_messages | of_connections) - set(listed)
    # Not errors of a message that came in; and who says nothing is told nothing.
    assert unlisted == {"ok", "not_in_dialect", "empty"}, unlisted
    for code in set(listed) - of_messages - of_connections:
        assert any(f'"{code}"' in text for text in source.values()), f"{code} is no answer of the program"


def test_what_nodes_say_is_the_programs_table():
    source = (REPO / "coordinator" / "l1" / "node_error.c").read_text()
    header = (REPO / "coordinator" / "l1" / "node_error.h").read_text()
    meanings = dict(re.findall(r'X\((NODE_\w+), "([^"]+)"\)', header))
    known = {(words, meanings[kind]) for words, kind in re.findall(r'\{"([^"]+)", (NODE_\w+)\}', source)}
    listed = re.findall(r"^\| `([^`]+)` \| [^|]+ \| ([^|]+) \| [^|]+ \|$", (REPO / "docs" / "NODES.md").read_text(), re.M)
    assert len(listed) == len(set(listed)) == len(known) > 80
    assert set(listed) == known


def test_the_runbook_quotes_the_program():
    text = (REPO / "docs" / "RUNBOOK.md").read_text()
    program = "".join(p.read_text() for p in sorted((REPO / "coordinator").rglob("*.[ch]")))
    said = [words for row in re.findall(r"^\| (.*?) \|", text, re.M) for words in re.findall(r"`([^`]+)`", row)]
    events = re.findall(r"^\*\*`(\w+)`", text, re.M)
    assert len(said) >= 7 and len(events) >= 4
    for words in [*said, *(f'"{name}"' for name in events)]:
        assert words in program, f"the coordinator never says {words}"


def test_the_table_of_symptoms_is_the_tests():
    done = subprocess.run([REPO / "scripts" / "symptoms-table", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def literals(text):
    """The strings of a C or Solidity source, joined where the compiler joins them, a NUL for what varies."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    text = re.sub(r'%"\s*PRI\w+\s*"', "\0", text)
    text = re.sub(r'(?<!\\)"\s*"', "", text)
    strings = re.findall(r'"((?:[^"\\\n]|\\.)*)"', text)
    return [re.sub(r"%[-0-9.]*(hh|h|ll|l|z)?[a-zA-Z]", "\0", s).replace('\\"', '"') for s in strings]


def refusals():
    """(sentence, its fixed words) of each row of the table of refusals."""
    page = (REPO / "docs" / "REFUSALS.md").read_text()
    for sentence in re.findall(r"^\| (?:`\w+`|waits) \| `([^`]+)` \|", page, re.M):
        pieces = re.split(r"‹[^›]*›|[:;,] |not so that ", sentence)
        yield sentence, [p.strip(' ".:()') for p in pieces if len(p.strip(' ".:()')) > 2]


def test_the_table_of_refusals_quotes_the_program():
    files = [p for part in ("coordinator", "verifier", "ethereum") for p in sorted((REPO / part).rglob("*.[ch]"))]
    files += [REPO / "contracts" / "src" / "DcapVerifier.sol", *(REPO / "contracts" / "src" / "dcap").glob("*.sol")]
    said = "\n".join(s for p in files for s in literals(p.read_text()))
    rows = list(refusals())
    assert len(rows) > 60 and len({sentence for sentence, _ in rows}) == len(rows)
    for sentence, words in rows:
        for piece in words:
            assert piece in said, f"the program never says {piece!r}, of: {sentence}"


def test_the_table_of_refusals_is_whole():
    """What these files say to a prover is in the table."""
    page = re.sub(r"‹[^›]*›", "\0", (REPO / "docs" / "REFUSALS.md").read_text())
    for name in ("dcap/contract_fit.c", "dcap/rehearsal.c", "dcap/pccs_judge.c"):
        text = (REPO / "coordinator" / name).read_text()
        calls = re.findall(r"why_set\(\s*[^,]+,((?:\s*\"(?:[^\"\\]|\\.)*\"| PRI\w+)+)", text) + re.findall(
            r"complain\(reasons,(\s*\"[^\"]+\")", text)
        assert len(calls) >= 3, name
        for call in calls:
            longest = max(re.split("\0|[:;,] ", "".join(literals(call))), key=len).strip(' ".()')
            if longest not in ALLOWED_TO_BE_LEFT_OUT:
                assert longest in page, f"{name} says {longest!r}, which docs/REFUSALS.md does not have"


# Notes on what is left as it is, and want of memory: no refusals.
ALLOWED_TO_BE_LEFT_OUT = {"no collateral source has given another", "it expires within", "ours is the same", "hours",
                          "the PCCS's is newer than ours", "the PCCS's is another of the same date", "hours, and",
                          "there is no room for the rehearsal's code",
                          "and the PCCS's is good until", "%s", ""}


def test_the_verifier_page_names_its_tests_and_the_differences():
    page = (REPO / "docs" / "VERIFIER.md").read_text()
    tests = "".join(p.read_text() for p in sorted((REPO / "tests" / "unit" / "verifier").glob("*.[ch]")))
    rows = re.findall(r"^\| .* \| ([^|]*`[^|]*) \|$", page, re.M)
    assert len(rows) >= 18
    for row in rows:
        for name in re.findall(r"`([^`]+)`", row):
            assert re.search(rf"\b{name}\b", tests), f"no test of the verifier is called {name}"
    # Each vector on which Intel's library and ours are meant to differ is of a kind that is told.
    table = tests[tests.index("} differs[] = {"):]
    kinds = set(re.findall(r'"((?:neg|syn)_\w+)"', table[:table.index("};")]))
    assert len(kinds) > 12
    # One that Intel's library refuses as well is no difference.
    assert not {k for k in kinds if f"`{k}`" not in page} - {"syn_ti_pretty_signed"}
    source = (REPO / "tests" / "scenario" / "differential.py").read_text()
    block = source[source.index("# Where the two may differ"):source.index("BYTES_SAID")]
    permitted = re.findall(r'^[A-Z_]+ = "([^"]+)"', block, re.M)
    assert len(permitted) == 6 and all(f"| {words} |" in page for words in permitted)


def test_links_lead_somewhere():
    for page in [REPO / "README.md", *(REPO / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_readme_shows_the_two_commands():
    text = (REPO / "README.md").read_text()
    assert re.search(r"^    make init\b", text, re.M) and re.search(r"^    make test\b", text, re.M)


def test_files_fit_in_a_head():
    for name in subprocess.run(["git", "ls-files", "*.c", "*.h", ":!tests"], cwd=REPO, capture_output=True, text=True,
                               check=True).stdout.split():
        lines = len((REPO / name).read_text().splitlines())
        assert lines <= 900, f"{name} has {lines} lines"
