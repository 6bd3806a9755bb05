"""The power-cut rig tried on itself: what was synced is there, and only that."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "powercut"))
import powercut  # noqa: E402


def built(name):
    """A file of the rig, in the build that BUILD_DIR names, else in the first that has it."""
    builds = [Path(os.environ["BUILD_DIR"])] if "BUILD_DIR" in os.environ else [
        HERE.parents[1] / "build" / b for b in ("release", "debug", "sanitize")]
    for build in builds:
        path = build / "tests" / "scenario" / "powercut" / name
        if path.exists():
            return path
    pytest.skip(f"SKIPPED: {name} is not built")


class Rig:
    def __init__(self, tmp):
        self.dir, self.journal = tmp / "watched", tmp / "journal"
        self.dir.mkdir()

    def run(self, script, ignore=""):
        env = {**os.environ,
               **powercut.environment(built("powercut.so"), self.dir, self.journal, ignore)}
        words = [w for line in script.strip().splitlines() for w in line.split()]
        p = subprocess.run([built("powercut_probe"), *words], env=env, cwd=self.dir,
                           capture_output=True, text=True, timeout=60, check=False)
        assert p.returncode in (0, -signal.SIGKILL), p.stderr
        assert p.stderr == ""
        assert (p.returncode == -signal.SIGKILL) == (words[-1] == "kill")

    def cut(self, seed=None):
        powercut.replay(self.journal, self.dir, seed)
        assert not self.journal.exists()
        return {str(p.relative_to(self.dir)): p.read_text() if p.is_file() else None
                for p in self.dir.rglob("*")}


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


@pytest.mark.parametrize("end", ["", "kill"])
def test_only_what_was_synced_survives(rig, end):
    rig.run(f"""
        write a one
        sync a
        syncdir .
        write b two
        syncdir .
        write c three
        sync c
        mkdir d
        write d/e four
        sync d/e
        syncdir d
        {end}""")
    # b has its name and no bytes, c has bytes and no name, and so has all of d.
    assert rig.cut() == {"a": "one", "b": ""}


def test_later_writes_are_undone(rig):
    (rig.dir / "old").write_text("before")
    rig.run("put old 0 BE write new 12345678 sync new syncdir . put new 0 x cut new 3 kill")
    assert (rig.dir / "old").read_text() == "BEfore"
    assert rig.cut() == {"old": "before", "new": "12345678"}


@pytest.mark.parametrize("how", ["write f text", "stdio f text", "open f map f text"])
def test_every_way_of_writing(rig, how):
    (rig.dir / "f").write_text("....")
    rig.run(f"{how} kill")
    assert rig.cut() == {"f": "...."}
    rig.run(f"{how} sync f kill")
    assert rig.cut() == {"f": "text"}


def test_temporary_files(rig):
    rig.run("temp t-XXXXXX text kill")
    assert len(list(rig.dir.iterdir())) == 1
    assert rig.cut() == {}
    rig.run("temp t-XXXXXX text syncdir . kill")
    assert list(rig.cut().values()) == [""]


def test_names(rig):
    rig.run("""
        write a A sync a write b B sync b syncdir .
        rename a b
        write c C sync c syncdir .
        unlink c
        kill""")
    assert {p.name for p in rig.dir.iterdir()} == {"b"}
    assert rig.cut() == {"b": "A", "c": "C"}
    rig.run("rename b d kill")
    assert rig.cut() == {"b": "A", "c": "C"}
    rig.run("rename b d unlink c syncdir . kill")
    assert rig.cut() == {"d": "A"}


def test_an_inode_number_that_is_used_again(rig):
    rig.run("write a A sync a syncdir . unlink a write b B sync b kill")
    assert rig.cut() == {"a": "A"}


def test_across_directories(rig):
    rig.run("mkdir x mkdir y syncdir . write x/f F sync x/f syncdir x rename x/f y/g syncdir y kill")
    assert rig.cut() == {"x": None, "y": None, "x/f": "F", "y/g": "F"}


def test_a_killed_process_and_the_next_one(rig):
    """No cut between the two: what the first did not sync is still not durable."""
    rig.run("write a A sync a write b B kill")
    rig.run("sync b kill")
    rig.run("syncdir . write c C kill")
    assert rig.cut() == {"a": "A", "b": "B"}


@pytest.mark.parametrize("ignore,kept", [
    ("", {"s.db": "1", "s.db-wal": "2", "inputs": None, "inputs/i": "3"}),
    ("db", {"s.db": "", "s.db-wal": "2", "inputs": None, "inputs/i": "3"}),
    ("wal", {"s.db": "1", "s.db-wal": "", "inputs": None, "inputs/i": "3"}),
    ("wal,db", {"s.db": "", "s.db-wal": "", "inputs": None, "inputs/i": "3"}),
    ("input-file", {"s.db": "1", "s.db-wal": "2", "inputs": None, "inputs/i": ""}),
    ("input-dir", {"s.db": "1", "s.db-wal": "2", "inputs": None}),
    ("parent-dir", {}),
])
def test_ignored_classes(rig, ignore, kept):
    rig.run("""
        mkdir inputs write s.db 1 write s.db-wal 2 write inputs/i 3
        sync s.db sync s.db-wal sync inputs/i syncdir inputs syncdir . kill""", ignore)
    assert rig.cut() == kept


def test_the_data_directory_class(rig):
    rig.run("mkdir data syncdir . write data/s.db 1 sync data/s.db syncdir data kill", "data-dir")
    assert rig.cut() == {"data": None}


def test_shared_memory_files_are_dropped(rig):
    rig.run("write s.db-shm x sync s.db-shm syncdir . kill")
    assert rig.cut() == {}


def test_seeds_keep_subsets(rig):
    """Synced bytes stay; of the others any block may, and the same seed gives the same state."""
    blocks = "".join(c * 4096 for c in "abcd")
    seen = set()
    for seed in range(24):
        for again in range(2):
            rig.run(f"write f {'-' * 16384} sync f syncdir . put f 0 {blocks} write g G kill")
            state = rig.cut(seed)
            if not again:
                first = state
            assert state == first
            for p in rig.dir.iterdir():
                p.unlink()
        assert all(x in "-" + "abcd"[i // 4096] for i, x in enumerate(state["f"]))
        assert len(state["f"]) == 16384
        assert state.get("g") in (None, "", "\0", "G")
        seen.add(("g" in state, state["f"][0], state["f"][4096], state["f"][8192]))
    assert len(seen) > 6
