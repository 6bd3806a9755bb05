"""Fixtures of the scenarios, and the logs of a world whose test failed."""

import pathlib

import pytest

from l1 import L1, compile_contracts
from world import Templates, World

LOG_TAIL = 6000
# What a machine can run out of, so that any test fails.
MACHINE = ("/proc/loadavg", "/proc/sys/fs/file-nr", "/proc/sys/net/netfilter/nf_conntrack_count",
           "/proc/sys/net/netfilter/nf_conntrack_max")


def machine():
    known = {path: pathlib.Path(path).read_text().strip() for path in MACHINE if pathlib.Path(path).exists()}
    free = next(line for line in pathlib.Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable"))
    return "\n".join([free, *(f"{path}: {text}" for path, text in known.items())])


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        report.sections.append(("the machine", machine()))
        for world in getattr(item, "worlds", []):
            for name, text in world.logs().items():
                report.sections.append((f"{world.dir.name}/{name}", text[-LOG_TAIL:]))


def pytest_terminal_summary(terminalreporter):
    """What a test has to show beyond that it passed: record_property("shown", ...)."""
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            if name == "shown":
                terminalreporter.write_line(f"shown: {value}")


@pytest.fixture(scope="module", name="l1")
def _l1():
    """A node of a module's own."""
    compile_contracts()
    node = L1()
    yield node
    node.close()


@pytest.fixture(scope="session")
def templates(tmp_path_factory):
    return Templates(tmp_path_factory.mktemp("templates"))


@pytest.fixture(name="tmp_path")
def _tmp_path(tmp_path_factory):
    """A Unix socket's path has 107 characters at most: this one does not grow with the test's name."""
    return tmp_path_factory.mktemp("t")


@pytest.fixture
def new_world(templates, tmp_path, request):
    """A function that makes a world of a flavour: one of world.FLAVOURS."""
    request.node.worlds = made = []

    def new(flavour="tdx", name=None):
        made.append(World(templates, tmp_path / (name or f"world{len(made)}"), flavour))
        return made[-1]

    yield new
    for world in made:
        world.close()


@pytest.fixture
def world(new_world):
    return new_world()
