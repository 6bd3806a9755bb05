"""Programs under test, and the waiting for what they do."""

import os
import pathlib
import re
import subprocess
import sys
import time

import pytest

from l1 import REPO

BUILD = pathlib.Path(os.environ.get("BUILD_DIR") or REPO / "build" / "release")
LATE = pathlib.Path(__file__).parent / "late.py"
LATE_LOG = os.environ.get("LATE_LOG")  # seconds by which a log is late: finds tests that do not wait for a line
PATIENCE = 90  # seconds; the sender alone repeats itself only every half minute


def program(*parts):
    path = BUILD.joinpath(*parts)
    if not path.exists():
        pytest.fail(f"{path} is not built")
    return path


def clean_env(**more):
    """The environment without anybody's settings."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ETHREX_", "QUOTE_GEN_", "POWERCUT_"))}
    return {**kept, "VECTORS_DIR": "/nonexistent", **{k: str(v) for k, v in more.items()}}


def until(what, condition, seconds=PATIENCE, pause=0.05):
    """What condition() returns as soon as it is true."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"within {seconds} s this did not happen: {what}"
        time.sleep(pause)


class Process:
    """A process whose output goes to a file; started again it appends."""

    def __init__(self, log):
        self.log_path, self.process, self.late, self.begun = pathlib.Path(log), None, None, 0

    def spawn(self, argv, **options):
        self.begun = len(self.log())
        with open(self.log_path, "ab") as log:
            self.late = LATE_LOG and subprocess.Popen([sys.executable, LATE, LATE_LOG], stdin=subprocess.PIPE, stdout=log,
                                                      start_new_session=True)
            out = self.late.stdin if self.late else log
            self.process = subprocess.Popen(
                [str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                start_new_session=True, **options)
            if self.late:
                out.close()

    @property
    def alive(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.alive:
            self.process.kill()
        if self.process:
            self.process.wait(PATIENCE)

    def stop(self):
        """SIGTERM; the exit status."""
        if self.alive:
            self.process.terminate()
        return self.process.wait(PATIENCE) if self.process else None

    def log(self):
        if self.late and not self.alive:
            self.late.wait(PATIENCE)
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def saw(self, pattern, seconds=PATIENCE, start=None):
        """Waits for a line that fits, of the process that was started last or from character `start` of the log on; returns the match."""
        begin = self.begun if start is None else start

        def look():
            found = re.search(pattern, self.log()[begin:], re.M)
            assert found or self.alive or re.search(pattern, self.log()[begin:], re.M), (
                f"ended before /{pattern}/: {self.log()[-2000:]}")
            return found
        return until(f"/{pattern}/ in {self.log_path.name}", look, seconds)
