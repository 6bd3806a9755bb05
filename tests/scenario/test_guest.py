"""The measured guest: built twice and equal, booted in emulation, its proofs verified, tampered with.

Emulation shows boot, dm-verity and what the guest does; nothing of trust domains, their memory, MRTD or quotes.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess

import pytest

from guest import BOOT, ENTERED, EXECUTOR, GUEST, Machine, make_image, need_guest
from l1 import REPO
from process import BUILD, clean_env, until
from test_make_init import Devnet
from test_quote_gen import Coordinator, batch

INPUT = (REPO / "executor" / "tests" / "vectors" / "built.input.json").read_bytes()
SUMMARY = json.loads((REPO / "executor" / "tests" / "vectors" / "built.summary.json").read_text())


@pytest.fixture(scope="module", name="image")
def _image(tmp_path_factory):
    """One that leads to no coordinator, and does not register without a quote."""
    return make_image(tmp_path_factory.mktemp("image"), "coordinator=10.0.2.2:1", "without-quote=wait", "interval=500")


@pytest.fixture(name="boot")
def _boot(tmp_path):
    machines = []

    def boot(image, *flags):
        machines.append(Machine(image, tmp_path / f"console-{len(machines)}", *flags))
        return machines[-1]

    yield boot
    for machine in machines:
        machine.stop()


@pytest.fixture(name="coordinator")
def _coordinator():
    made = []

    def new(**script):
        made.append(Coordinator(**script))
        return made[-1]

    yield new
    for c in made:
        c.close()


def test_built_twice_and_equal():
    need_guest()
    if not shutil.which("faketime"):
        pytest.skip("SKIPPED: nothing was built twice: faketime is missing (scripts/install-deps guest)")
    done = subprocess.run([GUEST / "reproduce", "static", "systemd"], env=clean_env(EXECUTOR=EXECUTOR), text=True,
                          capture_output=True, timeout=500)
    assert done.returncode == 0, done.stderr
    said = done.stderr
    assert len(re.findall(r"^reproduce: (?:static|systemd)/disk\.raw: the same \d+ bytes$", said, re.M)) == 2, said
    surroundings = re.findall(r"^reproduce: in (\S+) at ([^,]+), on (\S+), umask (\d+)$", said, re.M)
    assert len(surroundings) == 2 and all(a != b for a, b in zip(*surroundings)), surroundings


def test_it_registers_with_a_devnet_and_gets_a_batch_verified(tmp_path):
    env = need_guest()
    if not (BUILD / "sequencer" / "l2-block-builder").exists():
        pytest.skip("SKIPPED: no batch was proved in the guest: the block builder is not built (scripts/build-rust)")
    d = Devnet(tmp_path / "devnet", PROVER="guest", EXECUTOR=env["EXECUTOR"], ETHREX_DEVNET_BATCHES=1,
               ETHREX_DEVNET_DEADLINE=240)
    try:
        d.run("up")
        assert d.verified() >= 1
        console = (d.dir / "logs" / "prover.log").read_text(errors="replace")
    finally:
        d.run("down")
    for said in ("EMULATION: this is no trust domain", ENTERED, "Error creating quote: ", "WARNING: without a quote",
                 "Executor: executed blocks 1 to 2, "):
        assert said in console, console
    assert re.search(r"^Processed batch 1\r?$", console, re.M), console


def test_done_it_powers_off(boot, coordinator, tmp_path):
    """A batch is executed inside; DHCP gives the address; an end with status 0 is the machine's."""
    c = coordinator(InputRequest=[batch(7, INPUT)])
    image = make_image(tmp_path / "image", f"coordinator=10.0.2.2:{c.port}", "without-quote=register", "interval=100",
                       "batches=1", NET="dhcp")
    console = boot(image, "--memory", "512M").ended()
    assert "guest: eth0 has the address 10.0.2.15/24" in console, console
    assert f"state root {SUMMARY['initialStateRoot']} to {SUMMARY['stateRoot']}" in console, console
    assert "Processed batch 7" in console and "quote-gen ended with status 0: the machine powers off" in console
    message, _ = c.next("ProofSubmit")
    assert len(message["ProofSubmit"]["proof"]["Proof"]["proof"]) == 65


def test_an_input_for_which_memory_does_not_suffice_is_refused_before_it_is_there(boot, coordinator, tmp_path):
    sent = []

    def endless(_message):
        sent.append(1)
        return b'{"InputResponse":{"id":1,"input":"' + b"x" * (64 << 20)

    c = coordinator(InputRequest=[endless])
    image = make_image(tmp_path / "image", f"coordinator=10.0.2.2:{c.port}", "without-quote=register", "interval=100")
    machine = boot(image, "--memory", "512M")
    most = int(machine.saw(r"guest: (\d+) MiB of memory are free: a batch input may have (\d+) bytes at most", BOOT)[2])
    assert 1 << 20 < most < 64 << 20
    assert int(machine.saw(r"^Error: the reply is longer than (\d+) bytes", BOOT)[1]) == most
    assert sent


def test_without_a_quote_a_production_image_waits(boot, image):
    machine = boot(image)
    until("it asks again", lambda: machine.log().count("Error creating quote: ") > 2, BOOT)
    until("it says why", lambda: ENTERED in machine.log() and "no TDX module: this machine is no trust domain" in machine.log())
    assert "Sending quote" not in machine.log() and "WARNING" not in machine.log()


def test_systemd_starts_it_too(boot, coordinator, tmp_path):
    c = coordinator(InputRequest=[batch(7, INPUT)])
    image = make_image(tmp_path / "image", f"coordinator=10.0.2.2:{c.port}", "prover-type=Exec", "interval=100", "batches=1",
                       flavour="systemd")
    console = boot(image).ended()
    for said in (ENTERED, "Processed batch 7", "reboot: Power down"):
        assert said in console, console


def test_systemd_powers_off_where_a_setting_is_wrong(boot, tmp_path):
    image = make_image(tmp_path / "image", "no-such-flag=1", flavour="systemd")
    console = boot(image).ended()
    assert ENTERED in console and '"--no-such-flag" is not a flag' in console, console
    assert "reboot: Power down" in console


def flipped(image, out, at):
    """disk.raw with a bit of the byte at `at` flipped."""
    data = bytearray((image / "disk.raw").read_bytes())
    data[at] ^= 1
    out.mkdir()
    (out / "disk.raw").write_bytes(data)
    return out


def offsets(image):
    """Where each partition begins: the order of the disk is the ESP, the root, its hash tree."""
    said = subprocess.run(["/sbin/sfdisk", "--json", image / "disk.raw"], capture_output=True, text=True, check=True).stdout
    return [part["start"] * 512 for part in json.loads(said)["partitiontable"]["partitions"]]


@pytest.mark.parametrize("what", ["data", "tree", "hash"])
def test_a_flipped_bit_does_not_boot(boot, image, tmp_path, what):
    _, root, tree = offsets(image)
    size = (image / "root.img").stat().st_size
    disk = (image / "disk.raw").read_bytes()
    assert disk.count(b" roothash=") == 1
    at = {"data": root + size - 1, "tree": tree + (image / "hash.img").stat().st_size // 2,
          "hash": disk.index(b" roothash=") + len(b" roothash=")}[what]
    if what == "hash":
        # A digit that the flip makes another digit of.
        at += next(i for i, c in enumerate(disk[at:at + 64]) if chr(c) in "0123456789bcde")
    console = boot(flipped(image, tmp_path / "flipped", at)).ended()
    assert "is corrupted" in console and "Kernel panic" in console, console
    assert ENTERED not in console and "Error creating quote" not in console


def test_a_command_line_that_says_nothing_does_not_boot(boot, tmp_path):
    image = make_image(tmp_path / "image", NET="10.0.2.15")
    console = boot(image).ended()
    assert "guest: cannot start: the command line's guest.net=10.0.2.15 is not ADDRESS/PREFIX,GATEWAY or dhcp" in console
    assert ENTERED not in console


def test_a_software_tpm_keeps_what_was_measured(tmp_path):
    if not shutil.which("swtpm"):
        pytest.skip("SKIPPED: nothing was measured: swtpm is missing (scripts/install-deps guest)")
    image = make_image(tmp_path / "image", "no-such-flag=1", EVENTS="serial")
    log = tmp_path / "events"
    machine = Machine(image, tmp_path / "console", "--tpm-log", log)
    assert ENTERED in machine.ended()
    events = log.read_bytes()
    assert events[32:48] == b"Spec ID Event03\0"
    # As the kernel's EFI stub measures it: UTF-16 with its NUL.
    told = (image / "cmdline").read_text().encode("utf-16-le") + b"\0\0"
    assert hashlib.sha384(told).digest() in events
    pcrs = dict(line.split() for line in (tmp_path / "events.pcrs").read_text().splitlines())
    assert len(pcrs) == 24 and {len(value) for value in pcrs.values()} == {96}
    assert len({pcrs[n] for n in "0124579"}) >= 5, pcrs


def test_in_a_trust_domain_a_quote_is_sent(boot, tmp_path):
    able = subprocess.run([GUEST / "doctor"], env=clean_env(), capture_output=True, text=True, timeout=60).stdout
    if "booted as trust domains" not in able:
        pytest.skip("SKIPPED: TDX: this machine makes no trust domains (make -C guest doctor): no quote was seen")
    image = make_image(tmp_path / "image", "coordinator=10.0.2.2:1", "without-quote=wait", "interval=500")
    boot(image, "--accel", "tdx").saw("^Sending quote 0[45]000200810000", BOOT)


# --- what is fetched, and the commands around it ---


def test_the_page_has_every_word_of_the_command_line():
    page = (REPO / "docs" / "GUEST.md").read_text()
    source = (GUEST / "init" / "settings.c").read_text()
    words = re.findall(r'^    \{"([a-z.]+)", read_', source, re.M)
    assert len(words) == 5
    for word in words:
        assert f"| `{word}` |" in page, word
    fixed = re.search(r'local word line="([^$]*)roothash=', (GUEST / "build").read_text())[1]
    assert f"\n{fixed}roothash=HEX guest.verity=BLOCKS,SALT guest.net=NET\n" in page


def packages(tmp_path, line, *argv):
    (tmp_path / "lock").write_text(line)
    env = clean_env(GUEST_LOCK=tmp_path / "lock", GUEST_CACHE=tmp_path / "cache", DEBIAN_MIRROR=f"file://{tmp_path}/mirror")
    return subprocess.run([GUEST / "packages", *argv], env=env, capture_output=True, text=True, timeout=60)


def test_packages_are_held_to_their_hash(tmp_path):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "a.deb").write_bytes(b"package")
    good = subprocess.run(["sha256sum", tmp_path / "mirror" / "a.deb"], capture_output=True, text=True, check=True).stdout[:64]
    line = "stub bookworm a 1.0 {} {}\n"
    done = packages(tmp_path, line.format(good, "a.deb"), "fetch", "stub")
    assert done.returncode == 0 and open(done.stdout.strip(), "rb").read() == b"package"
    done = packages(tmp_path, line.format("0" * 64, "a.deb"), "fetch", "stub")
    assert done.returncode == 1 and "is not the a 1.0 of the lock: its SHA-256 is not 000000" in done.stderr and not done.stdout
    done = packages(tmp_path, line.format("1" * 64, "gone.deb"), "fetch", "stub")
    assert done.returncode == 1 and "a 1.0 cannot be had from file://" in done.stderr
    assert "guest/packages update moves the lock" in done.stderr
    done = packages(tmp_path, "toolchain bookworm gcc-12 0.1 - -\n", "toolchain")
    assert done.returncode == 0 and "the lock was written with 0.1: the image may have other bytes" in done.stderr


def test_the_lock_has_all_that_is_fetched():
    lines = [line.split() for line in (GUEST / "packages.lock").read_text().splitlines() if line[0] != "#"]
    assert {line[0] for line in lines} == {"kernel", "stub", "ovmf", "edk2", "systemd", "toolchain"}
    assert all(len(line) == 6 for line in lines)
    assert all(re.fullmatch("[0-9a-f]{64}", line[4]) for line in lines if line[0] != "toolchain")


def test_the_doctor_names_each_finding_and_its_remedy(tmp_path):
    fake = tmp_path / "qemu"
    fake.write_text("#!/bin/sh\necho '  tdx-guest'\n")
    fake.chmod(0o755)

    def doctor(**files):
        root = tmp_path / f"root{len(list(tmp_path.glob('root*')))}"
        for name, text in files.items():
            path = root / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        done = subprocess.run([GUEST / "doctor"], env=clean_env(DOCTOR_ROOT=root, QEMU=fake), capture_output=True, text=True,
                              timeout=60)
        return done.stdout

    able = {"proc__cpuinfo": "flags : vmx tdx_host_platform\n", "dev__kvm": "", "dev__vsock": "", "proc__7__comm": "qgs\n",
            "sys__module__kvm_intel__parameters__tdx": "Y\n", "etc__sgx_default_qcnl.conf": "{}"}
    said = doctor(**able)
    assert "and booted as trust domains" in said or "tools are missing" in said, said
    for name, words in (("proc__cpuinfo", "the kernel sees no TDX in the processor"), ("dev__kvm", "there is no /dev/kvm"),
                        ("dev__vsock", "modprobe vhost_vsock"), ("proc__7__comm", "no quote generation service"),
                        ("sys__module__kvm_intel__parameters__tdx", "Linux 6.16 or newer"),
                        ("etc__sgx_default_qcnl.conf", "the quote provider library is not set up")):
        said = doctor(**{k: v for k, v in able.items() if k != name})
        assert words in said and "as trust domains" not in said.splitlines()[-1], said
        lines = said.splitlines()
        assert all(lines[i + 1].startswith("     -> ") for i, line in enumerate(lines) if line.startswith("NO "))
    said = doctor(**{**able, "proc__cpuinfo": "flags : tdx_host_platform\n"})
    assert "KVM by paravirtualisation (PVM), which cannot run a firmware" in said
    said = doctor(**{**able, "sys__module__kvm_intel__parameters__tdx": "N\n"})
    assert "options kvm_intel tdx=1" in said


def test_the_doctor_on_odd_machines(tmp_path):
    """No QEMU, one that never answers, a user's PATH; none of it ends or holds the doctor."""
    patience = tmp_path / "timeout"  # a shorter one
    patience.write_text('#!/bin/sh\nshift\nexec /usr/bin/timeout 0.3 "$@"\n')
    hangs = tmp_path / "hangs"
    hangs.write_text("#!/bin/sh\nexec sleep 1000\n")
    for file in (patience, hangs):
        file.chmod(0o755)

    def doctor(qemu, path):
        done = subprocess.run([GUEST / "doctor"], env=clean_env(QEMU=qemu, PATH=path), capture_output=True, text=True, timeout=60)
        assert done.returncode in (0, 1) and done.stderr == ""
        return done.stdout

    assert "NO   /nowhere/qemu is not here\n" in doctor("/nowhere/qemu", os.environ["PATH"])
    assert f"NO   {hangs} (it does not say its version) has no tdx-guest object" in doctor(hangs, f"{tmp_path}:/usr/bin:/bin")
    users = doctor("/bin/false", "/usr/bin:/bin").splitlines()[0]
    roots = doctor("/bin/false", "/usr/bin:/bin:/usr/sbin:/sbin").splitlines()[0]
    assert users == roots


def test_no_vm_is_said_first():
    lines = subprocess.run(["make", "--no-print-directory", "-n", "-C", REPO / "quote-gen", "run"], env=clean_env(), text=True,
                           capture_output=True, check=True).stdout.splitlines()
    assert re.fullmatch(r'echo "This is no VM: .* make -C quote-gen run VM=1"', lines[0]), lines[0]
    said = subprocess.run(["make", "--no-print-directory", "-n", "-C", REPO / "quote-gen", "run", "VM=1"], text=True,
                          env=clean_env(ETHREX_PROOF_COORDINATOR_URL="localhost:3911", VERGEN_GIT_SHA="abcdef0"),
                          capture_output=True, check=True).stdout
    assert "This is no VM" not in said and "coordinator=10.0.2.2:3911 commit-hash=abcdef0" in said and "run-qemu" in said


@pytest.mark.parametrize("url, seen", [
    ("127.0.0.1:3900", "10.0.2.2:3900"), ("tcp://localhost:3911", "10.0.2.2:3911"), ("[::1]:3900", "10.0.2.2:3900"),
    ("0.0.0.0:3900", "10.0.2.2:3900"), ("203.0.113.7:3900", "203.0.113.7:3900"), ("tcp://203.0.113.7:1", "203.0.113.7:1"),
])
def test_the_guest_finds_the_coordinator_of_this_machine(url, seen):
    said = subprocess.run(["make", "--no-print-directory", "-n", "-C", REPO / "quote-gen", "run", "VM=1"], text=True,
                          env=clean_env(ETHREX_PROOF_COORDINATOR_URL=url), capture_output=True, check=True).stdout
    assert f"coordinator={seen} " in said


@pytest.mark.parametrize("setting, words", [
    ("COORDINATOR=localhost:3900", '"localhost:3900" is not ADDRESS:PORT in numbers: the guest resolves no names'),
    ("COORDINATOR=10.0.2.2", '"10.0.2.2" is not ADDRESS:PORT'), ("COORDINATOR=10.0.2.2:0", "is not ADDRESS:PORT"),
    ("NET=10.0.2.15", 'NET: "10.0.2.15" is not ADDRESS/PREFIX,GATEWAY or dhcp'), ("EVENTS=yes", 'EVENTS: "yes" is not serial'),
    ("MEMORY=2048", 'MEMORY: "2048" is not a number with M or G'), ("FOR=test", '"test" is neither devnet nor production'),
    ("FOR=production", "a production image needs COORDINATOR"),
    *((right, None) for right in ("NET=dhcp", "COORDINATOR=tcp://10.0.2.2:3900", "EVENTS=serial", "MEMORY=512M")),
])
def test_an_image_that_would_not_start_is_not_built(setting, words):
    done = subprocess.run(["make", "--no-print-directory", "-C", GUEST, "settings", setting], text=True, env=clean_env(),
                          capture_output=True, timeout=60)
    assert (done.returncode == 0) == (words is None) and done.stdout == "", done
    assert words is None or words in done.stderr, done


def test_arguments_that_no_guest_would_get_are_refused():
    done = subprocess.run(["make", "--no-print-directory", "-n", "-C", REPO / "quote-gen", "run", "VM=1", "ARGS=--batches 1"],
                          text=True, env=clean_env(), capture_output=True)
    assert done.returncode == 2 and 'in the guest they are SETTINGS="NAME=VALUE ..."' in done.stderr, done


def test_what_an_earlier_image_had_is_no_measurement_of_this_one(tmp_path):
    """Where nothing can be computed, nothing is left beside the image."""
    (tmp_path / "disk.raw").write_bytes(b"no image")
    (tmp_path / "measurements.json").write_text("{}")
    done = subprocess.run([GUEST / "measure", tmp_path, tmp_path / "disk.raw", "2G"], text=True, capture_output=True,
                          env=clean_env(TDX_QUOTE=BUILD / "verifier" / "tdx-quote"), timeout=60)
    assert done.returncode == 2 and "no TDVF descriptor" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["disk.raw"]


def fake_qemu(directory):
    """One that knows no tdx-guest, and says what it was called with."""
    fake = directory / "qemu"
    fake.write_text('#!/bin/sh\n[ "$1" = -object ] && exit 0\necho "$@"\n')
    fake.chmod(0o755)
    return fake


def test_the_runner_is_not_taken_in_by_a_kvm(tmp_path):
    """Without a host and a QEMU for TDX it emulates, and says so; asked for TDX it refuses."""
    image = tmp_path / "disk.raw"
    image.write_bytes(b"")
    fake = fake_qemu(tmp_path)

    def run(*argv):
        return subprocess.run([GUEST / "run-qemu", "--firmware", image, *argv, image], env=clean_env(QEMU=fake), text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=60)

    done = run()
    assert done.returncode == 0 and "EMULATION: this is no trust domain" in done.stderr and "-accel tcg" in done.stdout
    assert "thread=single -cpu max,-cx16" in done.stdout and done.stdout.count("romfile=") == 2 and "-accel kvm" not in done.stdout
    done = run("--accel", "tdx")
    assert done.returncode == 1 and "has no tdx-guest object" in done.stderr
    done = run("--accel", "kvm")
    assert "KVM WITHOUT TDX" in done.stderr and "-accel kvm" in done.stdout
    fake.write_text('#!/bin/sh\n[ "$1" = -object ] && echo tdx-guest && exit 0\necho "$@"\n')
    done = run("--accel", "tdx", "--qgs", "2:4051")
    assert done.returncode == 0 and "confidential-guest-support=tdx" in done.stdout and '"port":"4051"' in done.stdout
    assert "EMULATION" not in done.stderr


@pytest.mark.parametrize("argv, status, words", [
    ([], 64, "which IMAGE?"),
    (["IMAGE", "second.raw"], 64, 'one IMAGE is run: "second.raw" is too much'),
    (["IMAGE", "--memory", "2048"], 64, '--memory "2048" is not a number with M or G behind it'),
    (["IMAGE", "--memory", "lots"], 64, '--memory "lots" is not'),
    (["IMAGE", "--qgs", '2"}:1'], 64, "is not CID:PORT"),
    (["IMAGE", "--qgs"], 64, "--qgs needs a value"),
    (["IMAGE", "--accel", "hvf"], 64, '--accel "hvf" is none of tdx, tcg, kvm'),
    (["IMAGE", "--kvm"], 64, "--kvm is no option"),
    (["IMAGE", "--memory=2048"], 64, '--memory "2048" is not a number with M or G behind it'),
    (["IMAGE", "--kvm=yes"], 64, "--kvm is no option"),
    (["IMAGE", "--firmware", "."], 1, ".: there is no such firmware"),
    (["missing.raw"], 1, "missing.raw is missing: make -C guest image"),
    (["IMAGE", "--firmware", "missing.fd"], 1, "missing.fd: there is no such firmware"),
    (["IMAGE", "--log", "nowhere/log"], 1, "nowhere/log cannot be written"),
    (["IMAGE", "--tpm-log", "nowhere/log"], 1, "nowhere/log cannot be written"),
])
def test_the_runner_says_what_is_wrong_before_it_runs(tmp_path, argv, status, words):
    image = tmp_path / "disk.raw"
    image.write_bytes(b"")
    done = subprocess.run([GUEST / "run-qemu", "--firmware", image, *(image if a == "IMAGE" else a for a in argv)], cwd=tmp_path,
                          env=clean_env(QEMU="/bin/false"), text=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (status, "") and words in done.stderr, done
    assert done.stderr.startswith("run-qemu: ") and (status == 64 or done.stderr.count("\n") == 1), done.stderr


def test_the_runner_takes_an_image_with_a_comma_in_its_name(tmp_path):
    """QEMU would take what stands behind it for another option."""
    image = tmp_path / "a,readonly=off.raw"
    image.write_bytes(b"")
    fake = fake_qemu(tmp_path)
    done = subprocess.run([GUEST / "run-qemu", "--firmware", image, image], env=clean_env(QEMU=fake), text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert done.returncode == 0 and f"file={tmp_path}/a,,readonly=off.raw " in done.stdout, done


def files_of(image, out):
    subprocess.run(["fsck.erofs", f"--extract={out}", image / "root.img"], check=True, stdout=subprocess.DEVNULL, timeout=120)
    return {str(p.relative_to(out)): p for p in out.rglob("*") if p.is_file() and not p.is_symlink()}


def test_nothing_else_is_in_the_root(image, tmp_path):
    ours = {"usr/bin/quote-gen", "usr/bin/ethrex-executor"}
    assert set(files_of(image, tmp_path / "static")) == ours
    files = files_of(make_image(tmp_path / "image", flavour="systemd"), tmp_path / "systemd")
    assert {name for name in files if name.split("/")[-2] in ("bin", "sbin")} == ours
    assert "usr/lib/systemd/systemd" in files
    assert not [name for name in files if re.search(r"(^|/)(ba|da|z|)sh$|getty|sulogin|sshd$|debug-shell|system-generators/", name)]
    assert not [name for name, p in files.items() if p.stat().st_mode & 0o6000]
