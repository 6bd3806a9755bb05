"""Images of the measured guest, and machines that boot them in emulation."""

import os
import pathlib
import platform
import shutil
import subprocess

import pytest

from l1 import REPO
from process import Process, clean_env

GUEST = REPO / "guest"
TOOLS = ("qemu-system-x86_64", "mkfs.erofs", "veritysetup", "mkfs.vfat", "mcopy", "sfdisk", "zstd", "cpio", "objcopy")
EXECUTOR = pathlib.Path(os.environ.get("GUEST_EXECUTOR") or
                        REPO / "build" / "cargo" / f"{platform.machine()}-unknown-linux-gnu" / "guest" / "ethrex-executor")
ENTERED = "guest: the root is the measured one: "
BOOT = 300  # seconds until a boot that must come counts as missing: emulation on a busy machine


def need_guest():
    """Skips, in words, where images cannot be made or booted; returns the environment that makes them."""
    missing = [tool for tool in TOOLS if not shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin")]
    if missing:
        pytest.skip(f"SKIPPED: the guest was not tested: {', '.join(missing)} missing (scripts/install-deps guest)")
    if not EXECUTOR.exists():
        pytest.skip(f"SKIPPED: the guest was not tested: {EXECUTOR} is not built (make -C guest programs)")
    for kind in ("kernel", "stub", "ovmf"):
        done = subprocess.run([GUEST / "packages", "fetch", kind], capture_output=True, text=True, timeout=900)
        if done.returncode:
            pytest.skip(f"SKIPPED: the guest was not tested: {done.stderr.strip().splitlines()[-1]}")
    subprocess.run([REPO / "scripts" / "build", "guest", "guest-init", "guest-uki", "quote-gen"], check=True,
                   stdout=subprocess.DEVNULL)
    return clean_env(EXECUTOR=EXECUTOR)


def make_image(out, *settings, flavour="static", **environment):
    """The directory, with disk.raw in it."""
    done = subprocess.run([GUEST / "build", out, flavour, *settings], env={**need_guest(), **environment}, text=True,
                          capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return out


class Machine(Process):
    """A boot of an image; what the guest writes to its console is the log."""

    def __init__(self, image, log, *flags):
        super().__init__(log)
        self.spawn([GUEST / "run-qemu", *flags, image], env=clean_env())

    def ended(self, seconds=BOOT):
        """Waits until it is off; what it said."""
        self.process.wait(seconds)
        return self.log()
