"""scripts/check-limits: every limit is set, and one that is not would be found."""

import pathlib
import re
import shutil
import subprocess

import pytest

REPO = pathlib.Path(__file__).resolve().parents[2]
STRUCT = re.compile(r"^struct (\w+_(?:limits|options|settings)) \{$", re.M)


def check(tree):
    return subprocess.run([REPO / "scripts" / "check-limits", tree], capture_output=True, text=True, check=False)


@pytest.fixture
def tree(tmp_path):
    for room in ("coordinator", "protocol"):
        shutil.copytree(REPO / room, tmp_path / room)
    return tmp_path


def headers(tree):
    return [p for p in tree.rglob("*.h") if STRUCT.search(p.read_text())]


def test_every_limit_is_set():
    done = check(REPO)
    assert done.returncode == 0, done.stderr
    assert int(re.search(r"(\d+) fields of (\d+) structs", done.stdout)[1]) > 100


@pytest.mark.parametrize("field", ["unsigned never_set;", "uint64_t never_set[PROVER_TYPES];", "bool a_word, never_set;",
                                   "void (*never_set)(void *arg);", "const char *never_set; /* .never_set = 1 */"])
def test_a_field_that_nothing_sets(tree, field):
    """In any of the structs; that its reader reads it, and that a test sets it, does not count."""
    found = set()
    for header in headers(tree):
        text = header.read_text()
        found.update(STRUCT.findall(text))
        header.write_text(STRUCT.sub(lambda m: f"{m[0]}\n\tint set_by_place_first;\n\t{field}", text))
    reader = tree / "coordinator" / "reader.c"
    reader.write_text("bool reads(const struct work_limits *l)\n{\n\treturn l->never_set == 1;\n}\n")
    done = check(tree)
    assert done.returncode == 1
    for struct in found:
        assert f"nothing sets never_set of struct {struct}" in done.stderr


@pytest.mark.parametrize("struct, field", [("work_limits", "max_leases_per_source"), ("server_options", "max_buffered_per_source"),
                                           ("inputs_options", "quota_bytes"), ("agenda_options", "gas_cap")])
def test_a_setter_that_is_lost(tree, struct, field):
    parts = tree / "coordinator" / "daemon_parts.c"
    text, n = re.subn(rf"\.{field} = [^,}}]*(,|(?=\}}))", "", parts.read_text())
    assert n
    parts.write_text(text)
    assert f"nothing sets {field} of struct {struct}" in check(tree).stderr
