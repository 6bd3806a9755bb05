"""models/check: a model that does not do as it must is told, and every switch is used."""

import pathlib
import re
import shutil
import subprocess
import sys

import pytest

MODELS = pathlib.Path(__file__).resolve().parents[3] / "models"
OPTIONS = {"ONLY", "N", "BATCHES", "WRITES", "PROVERS", "LIVE"}

needs_spin = pytest.mark.skipif(not shutil.which("spin"), reason="no spin (scripts/install-deps test)")


@pytest.fixture(name="models")
def _models(tmp_path):
    return pathlib.Path(shutil.copytree(MODELS, tmp_path / "models"))


def check(models, *args, **kwargs):
    return subprocess.run([sys.executable, models / "check", *args], capture_output=True, text=True, check=False, **kwargs)


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_without_spin_it_is_skipped():
    done = check(MODELS, env={"PATH": ""})
    assert done.returncode == 77
    assert "SKIPPED: the models: spin and gcc not found" in done.stdout


def test_every_switch_is_used_and_every_use_is_a_switch():
    used = set(re.findall(r"\b([A-Z]+(?:_[A-Z]+)*)\b(?==|[ \"])", "\n".join(
        line for line in (MODELS / "check").read_text().splitlines() if line.startswith("    Run("))))
    switches = set()
    for model in MODELS.glob("*.pml"):
        switches.update(re.findall(r"^#ifn?def (\w+)|defined\((\w+)\)", model.read_text(), re.M))
    switches = {a or b for a, b in switches}
    assert len(switches - OPTIONS) > 15
    assert switches <= used | OPTIONS
    assert {word for word in used if "_" in word} <= switches | {"TWICE", "HELD", "LOST", "CYCLE", "OTHER_ROWS"}


def test_every_run_is_in_the_readme():
    text = (MODELS / "README.md").read_text()
    for name in re.findall(r'^    Run\("([a-z-]+)"', (MODELS / "check").read_text(), re.M):
        assert f"`{name}`" in text, name


@needs_spin
def test_a_guard_that_is_not_needed_is_told(models):
    edit(models / "following.pml", "#ifdef NO_GONE", "#ifdef NEVER")
    done = check(models, "no-gone")
    assert done.returncode == 1
    assert "nothing is found: the guard is not needed, or the model is too weak" in done.stdout


@needs_spin
def test_a_design_that_does_not_hold_is_told(models):
    edit(models / "granting.pml", "#ifdef ACK_EARLY", "#ifndef ACK_EARLY")
    done = check(models, "granting")
    assert done.returncode == 1
    assert "NOT AS IT MUST BE" in done.stdout and "an acknowledged proof is not in the database" in done.stdout


@needs_spin
def test_another_counterexample_does_not_count(models):
    edit(models / "granting.pml", "an acknowledged proof is not", "something else is not")
    done = check(models, "ack-early")
    assert done.returncode == 1
    assert "something else is not in the database" in done.stdout


@needs_spin
@pytest.mark.parametrize("old, new, words", [("DEPTH = 2000000", "DEPTH = 50", "max search depth too small"),
                                             ("MIB_PER_RUN = 900", "MIB_PER_RUN = 1", "reached -DMEMLIM bound")])
def test_a_search_that_is_cut_short_does_not_count(models, old, new, words):
    edit(models / "check", old, new)
    done = check(models, "granting")
    assert done.returncode == 1
    assert words in done.stdout


@needs_spin
def test_a_model_that_cannot_be_read_is_told(models):
    (models / "granting.pml").write_text("active proctype Broken() {")
    done = check(models, "granting")
    assert done.returncode == 1
    assert "syntax error" in done.stdout


@needs_spin
def test_a_story_is_told_step_by_step():
    done = check(MODELS, "--story", "ack-early")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "an acknowledged proof is not in the database"
    assert "the standby is promoted" in done.stdout


def test_an_unknown_run_is_refused():
    if not shutil.which("spin"):
        pytest.skip("no spin")
    done = check(MODELS, "no-such")
    assert done.returncode == 2
    assert "no run is called no-such" in done.stderr
