"""What docker/Dockerfile copies is enough to configure what it builds; the images themselves are test_docker.py's."""

import re
import shutil
import subprocess

import pytest

from l1 import REPO


def stage(name):
    """(sources, destination) of each COPY out of the build context."""
    text = (REPO / "docker" / "Dockerfile").read_text()
    body = re.search(rf"^FROM \S+ AS {name}$(.*?)(?=^FROM |\Z)", text, re.M | re.S)[1]
    for line in re.findall(r"^COPY (?!--from)(.+)$", body, re.M):
        *sources, destination = line.split()
        yield sources, destination


def is_let_through(path):
    """By .dockerignore: nothing, but for what its lines with a '!' name, and what is below that."""
    lines = (REPO / ".dockerignore").read_text().split("\n")
    return any(path == line[1:] or path.startswith(line[1:] + "/") for line in lines if line.startswith("!"))


def copy(name, tree):
    for sources, destination in stage(name):
        for source in sources:
            assert is_let_through(source), f"{source} of stage {name} is not in .dockerignore"
            to = tree / destination.removeprefix("/src/").removeprefix("./").rstrip("/")
            if (REPO / source).is_dir():
                shutil.copytree(REPO / source, to, ignore=shutil.ignore_patterns("node_modules", "out", "__pycache__"))
            else:
                shutil.copy(REPO / source, to)
    return tree


def test_what_is_copied_can_be_configured(tmp_path):
    tree = tmp_path / "src"
    tree.mkdir()
    done = subprocess.run(["cmake", "-S", copy("build", tree), "-B", tmp_path / "build", "-DTESTS=OFF", "-DCMAKE_BUILD_TYPE=Release"],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_what_is_copied_is_the_whole_workspace(tmp_path):
    if not shutil.which("cargo"):
        pytest.skip("SKIPPED: there is no cargo to read the workspace")
    tree = tmp_path / "src"
    tree.mkdir()
    copy("rust", tree)
    done = subprocess.run(["cargo", "metadata", "--no-deps", "--offline", "--format-version", "1"], cwd=tree,
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
