"""The Debian package on a machine of its own: a minimal Debian 12 whose systemd runs as in any other, in namespaces.
Installed, started by its unit, read again, upgraded, removed, purged."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest

from l1 import REPO
from process import BUILD, until

LINES = (REPO / "tests" / "bare-machine").read_text()
BOOT = """
root=$1
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/dev"
for device in null zero full random urandom tty; do
	touch "$root/dev/$device"
	mount --bind "/dev/$device" "$root/dev/$device"
done
touch "$root/dev/console" "$2"
mount --bind "$2" "$root/dev/console"
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
# Not a chroot, and mounts that propagate: else systemd can give no unit file systems and credentials of its own.
cd "$root"
mkdir -p old
pivot_root . old
exec chroot . sh -c 'cd /; umount -l /old; mount --make-rshared /; exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system'
"""


def functions(*names):
    """Shell functions of tests/bare-machine: how this machine gets at Debian."""
    found = [re.search(rf"^{name}\(\) \{{.*?\}}$", LINES, re.M | re.S)[0] for name in names]
    return "suites=(bookworm bookworm-updates bookworm-security)\n" + "\n".join(found)


def run(*argv, **options):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False, **options)
    assert done.returncode == 0, f"{argv}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module", name="deb")
def _deb(tmp_path_factory):
    if not shutil.which("cpack") or not shutil.which("dpkg-deb"):
        pytest.skip("SKIPPED: no package is built: cpack or dpkg-deb is missing")
    out = tmp_path_factory.mktemp("deb")
    run("cpack", "-G", "DEB", "-B", out, cwd=BUILD)
    return next(out.glob("*.deb"))


def fields(deb):
    return dict(re.findall(r"^([A-Z][\w-]*): (.*)$", run("dpkg-deb", "-f", deb), re.M))


def test_what_the_package_holds(deb):
    names = re.findall(r"\./(\S+)", run("dpkg-deb", "-c", deb))
    for name in ("usr/bin/proof-coordinator", "usr/bin/quote-gen", "usr/bin/tdx-quote", "usr/lib/libtdxverify.so.0",
                 "usr/include/tdxverify.h", "usr/lib/pkgconfig/tdxverify.pc", "usr/lib/systemd/system/proof-coordinator.service",
                 "usr/lib/systemd/system/quote-gen.service", "usr/lib/sysusers.d/proof-coordinator.conf",
                 "usr/share/proof-coordinator/coordinator.env.example", "usr/share/proof-coordinator/policy.example.json",
                 "usr/share/proof-coordinator/alerts.yaml", "usr/share/proof-coordinator/grafana/operator.json",
                 "usr/share/bash-completion/completions/proof-coordinator",
                 "usr/share/doc/tdx-proof-coordinator/CHANGELOG.md", "usr/share/doc/tdx-proof-coordinator/copyright"):
        assert name in names, name
    if shutil.which("scdoc"):
        for program in ("proof-coordinator", "quote-gen", "tdx-quote"):
            assert f"usr/share/man/man1/{program}.1.gz" in names
    assert not [n for n in names if not n.startswith("usr/")], "outside of /usr"
    version = fields(deb)["Version"]
    said = run(BUILD / "coordinator" / "proof-coordinator", "--version").split()[1]
    assert version == said


@pytest.mark.skipif(not shutil.which("lintian"), reason="SKIPPED: lintian does not look at the package: it is missing")
def test_lintian_has_nothing_to_say(deb):
    done = subprocess.run(["lintian", *(["--allow-root"] if os.geteuid() == 0 else []), deb], capture_output=True, text=True,
                          timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout


# --- a machine -----------------------------------------------------------------------------------


class Machine:
    """A Debian that systemd runs, without a network."""

    def __init__(self, where, packages):
        self.root, self.console = where / "root", where / "console"
        script = functions("apt_sources", "apt_options") + f"\napt_sources >{where}/sources; apt_options >{where}/apt.conf\n"
        run("bash", "-euc", script)
        run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(packages)}", "--format=directory",
            "--skip=check/chroot", f"--aptopt={where}/apt.conf", "--dpkgopt=force-unsafe-io", "bookworm", self.root, "-",
            input=(where / "sources").read_text())
        self.process = None
        self.pid = None

    def boot(self):
        # There is no terminal to log in on.
        (self.root / "etc/systemd/system/console-getty.service").symlink_to("/dev/null")
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--cgroup", "--net",
             "bash", "-euc", BOOT, "boot", self.root, self.console], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)

        def first():
            assert self.process.poll() is None, self.process.stdout.read()
            children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            return children and pathlib.Path(f"/proc/{children[0]}/comm").read_text().strip() == "systemd" and int(children[0])

        self.pid = until("systemd runs", first, 30)
        until("it is up", lambda: self("systemctl", "is-system-running").stdout.strip() in ("running", "degraded"), 60, 0.2)

    def __call__(self, *argv):
        return subprocess.run(["nsenter", "-t", str(self.pid), "--all", "--root", "--wd=/", "env", "-i", "HOME=/root",
                               "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *map(str, argv)],
                              capture_output=True, text=True, timeout=120, check=False)

    def does(self, *argv):
        done = self(*argv)
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}\n{self('journalctl', '-n', '30', '--no-pager').stdout}"
        return done.stdout

    def show(self, unit, *names):
        """Properties of a unit."""
        return dict(line.split("=", 1) for line in self.does("systemctl", "show", unit, *(f"-p{n}" for n in names)).splitlines())

    def lay(self, path, text, mode=0o600):
        path = self.root / path.lstrip("/")
        path.write_text(text)
        path.chmod(mode)

    def off(self):
        if self.process and self.process.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            self.process.wait(30)


@pytest.fixture(scope="module", name="machine")
def _machine(deb, tmp_path_factory):
    if os.geteuid() != 0:
        pytest.skip("SKIPPED: the package is not installed anywhere: only root can make a machine for it")
    for needed in ("mmdebstrap", "unshare", "nsenter"):
        if not shutil.which(needed):
            pytest.skip(f"SKIPPED: the package is not installed anywhere: {needed} is missing")
    where = tmp_path_factory.mktemp("machine")
    # In memory: thousands of small files that nobody wants to keep.
    run("mount", "-t", "tmpfs", "-o", "size=1g,mode=0755", "machine", where)
    depends = [d.split("(")[0].split("|")[0].strip() for d in fields(deb)["Depends"].split(",")]
    machine = None
    try:
        machine = Machine(where, ["systemd", "dbus", *depends])
        machine.boot()
        yield machine
    finally:
        if machine:
            machine.off()
        run("umount", "-l", where)


def newer(deb, where):
    """The same package as the next version."""
    tree = where / "tree"
    run("dpkg-deb", "-R", deb, tree)
    control = tree / "DEBIAN" / "control"
    control.write_text(re.sub(r"^Version: .*$", "Version: 99.0.0", control.read_text(), flags=re.M))
    out = where / "newer.deb"
    run("dpkg-deb", "--root-owner-group", "-b", tree, out)
    return out


def test_installed_started_upgraded_and_removed(machine, deb, tmp_path, record_property):
    begin = time.monotonic()
    shutil.copy(deb, machine.root / "package.deb")
    said = machine.does("dpkg", "-i", "/package.deb")
    assert "systemctl enable --now proof-coordinator && proof-coordinator status" in said

    # As it lies there: an account, a file to fill in, nothing started; a start says every mistake, once.
    assert "proof-coordinator" in machine.does("getent", "passwd", "proof-coordinator")
    settings = machine.root / "etc/proof-coordinator/coordinator.env"
    assert settings.stat().st_mode & 0o777 == 0o640 and settings.stat().st_gid != 0
    assert machine("systemctl", "is-enabled", "proof-coordinator").stdout.strip() == "disabled"
    done = machine("proof-coordinator", "status")
    assert done.returncode == 2 and "nor /var/lib/proof-coordinator/admin.sock" in done.stderr
    assert machine("systemctl", "start", "proof-coordinator").returncode != 0
    failed = machine.show("proof-coordinator", "ExecMainStatus", "NRestarts")
    assert failed == {"ExecMainStatus": "78", "NRestarts": "0"}
    said = machine.does("journalctl", "-u", "proof-coordinator", "--no-pager")
    assert "config: ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS" in said and "L1_PRIVATE_KEY" in said

    # Filled in as its comments say.
    text = settings.read_text().replace("ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS=0x-fill-in",
                                        "ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS=0x" + "11" * 20)
    settings.write_text(text.replace("ETHREX_TIMELOCK_ADDRESS=0x-fill-in", "ETHREX_TIMELOCK_ADDRESS=0x" + "22" * 20))
    # A key that is not there is none: the service starts without that for registrations.
    machine.lay("/etc/proof-coordinator/l1.key", "0x" + "01" * 32 + "\n")
    machine.does("systemctl", "enable", "--now", "proof-coordinator")
    unit = machine.show("proof-coordinator", "ActiveState", "MainPID", "User")
    assert unit["ActiveState"] == "active" and unit["User"] == "proof-coordinator"
    machine.does("proof-coordinator", "healthcheck")
    # The verbs find it by themselves, as root; who may not look is told so.
    assert machine.does("proof-coordinator", "status").startswith("coordinator  ready, version ")
    assert '"ready": true' in machine.does("proof-coordinator", "--json", "status")
    done = machine("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "proof-coordinator", "status")
    assert done.returncode == 2 and "permission denied: be root" in done.stderr, done
    data = machine.root / "var/lib/proof-coordinator"
    assert data.stat().st_mode & 0o777 == 0o700 and (data / "admin.token").exists()
    # Keys came as credentials, and nobody else can read them.
    owner = machine.does("stat", "-c", "%U", f"/proc/{unit['MainPID']}").strip()
    assert owner == "proof-coordinator"

    # It reads its file again.
    settings.write_text(settings.read_text() + "ETHREX_PROOF_COORDINATOR_LOG_LEVEL=debug\n")
    machine.does("systemctl", "reload", "proof-coordinator")
    until("read again", lambda: "event=reload " in machine.does("journalctl", "-u", "proof-coordinator", "--no-pager"), 20, 0.2)

    # The next version: settings, keys and data stay; the running one ends in order, and the new one starts.
    shutil.copy(newer(deb, tmp_path), machine.root / "newer.deb")
    kept, token = settings.read_text(), (data / "admin.token").read_text()
    machine.does("dpkg", "-i", "/newer.deb")
    after = machine.show("proof-coordinator", "ActiveState", "MainPID")
    assert after["ActiveState"] == "active" and after["MainPID"] != unit["MainPID"]
    assert settings.read_text() == kept and (data / "admin.token").read_text() == token
    assert "99.0.0" in machine.does("dpkg-query", "-W", "tdx-proof-coordinator")
    assert "event=stopped" in machine.does("journalctl", "-u", "proof-coordinator", "--no-pager")

    # Removed: it is stopped, and what is the operator's stays.
    machine.does("dpkg", "-r", "tdx-proof-coordinator")
    assert machine("systemctl", "is-active", "proof-coordinator").stdout.strip() in ("inactive", "failed", "unknown")
    assert not (machine.root / "usr/bin/proof-coordinator").exists()
    assert not list((machine.root / "etc/systemd/system").rglob("proof-coordinator.service"))
    assert settings.exists() and (data / "admin.token").exists()
    said = machine.does("dpkg", "-P", "tdx-proof-coordinator")
    assert not settings.exists() and (settings.parent / "l1.key").exists() and data.exists()
    assert "/var/lib/proof-coordinator is left" in said
    assert not list(machine.root.rglob("proof-coordinator*.service"))
    record_property("shown", f"{deb.name}: installed, started by its unit, upgraded and removed on a machine of its own, in "
                             f"{time.monotonic() - begin:.0f} s")
