"""The software quoting enclave of the tests: what it makes verifies, what it breaks does not, and
quote-gen cannot tell it from the kernel."""

import json
import os
import re
import subprocess
import threading
import time

import pytest

from l1 import REPO
from process import BUILD, PATIENCE, Process, clean_env, program, until
from standins import SoftwareQE, make_pki, software_qe_program


class Bench:
    """A directory for the parts, without a chain."""

    def __init__(self, where):
        self.dir, self.parts = where, []

    def pki(self, *flags):
        return make_pki(self.dir / "pki", *flags)

    def start(self, part):
        self.parts.append(part)
        return part.start()


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    for part in made.parts:
        part.kill()


def call(*argv):
    return subprocess.run([str(a) for a in argv], capture_output=True, timeout=PATIENCE, check=False)


def make(where, *flags):
    """What `pki` says to a refusal; empty when it did as it was told."""
    done = call(software_qe_program(), "pki", where, *flags)
    assert (done.returncode == 0) == (done.stderr == b"")
    return done.stderr.decode()


def quote(where, *flags):
    done = call(software_qe_program(), "quote", "--pki", where, *flags)
    assert done.returncode == 0, done.stderr
    return done.stdout


def verdict(where, bytes_of_quote, *flags):
    path = where.parent / "quote.bin"
    path.write_bytes(bytes_of_quote)
    done = call(program("verifier", "tdx-quote"), "verify", path, "--json", "--collateral", where, "--root",
                where / "root_ca.pem", *flags)
    assert done.returncode in (0, 1), done.stderr
    found = json.loads(done.stdout)
    failed = [c["check"] for c in found["checks"] if c["status"] == "fail"]
    assert (done.returncode == 0) == (failed == [])
    return found["tcb_status"], failed


@pytest.mark.parametrize("flags", [(), ("--version", "v5"), ("--version", "v5-td10")], ids=["v4", "v5", "v5-td10"])
def test_quotes_verify(bench, flags):
    data = bytes(range(64))
    made = quote(bench.pki(), "--report-data", data.hex(), *flags)
    assert data in made and verdict(bench.pki(), made) == ("UpToDate", [])


@pytest.mark.parametrize("flags, failed", [
    (("--break", "signature"), ["quote_signature"]),
    (("--break", "qe-signature"), ["qe_report_signature"]),
    (("--break", "binding"), ["qe_report_binding"]),
    (("--break", "chain"), ["pck_leaf_signature"]),
    (("--debug-td",), ["policy_debug"]),
    (("--tcb-svn", "3"), ["policy_tcb_status"]),
    (("--rtmr1", "00" * 48), []),
], ids=lambda v: "-".join(v) if isinstance(v, tuple) else None)
def test_broken_quotes(bench, flags, failed):
    assert verdict(bench.pki(), quote(bench.pki(), *flags))[1] == failed


@pytest.mark.parametrize("flags, status, failed", [
    (("--tcb-status", "OutOfDate", "--evaluation", "18"), "OutOfDate", ["policy_tcb_status"]),
    (("--tcb-status", "Revoked"), "Revoked", ["policy_tcb_status"]),
    (("--expired", "tcb_info"), "UpToDate", ["tcb_info_time"]),
    (("--expired", "qe_identity"), "UpToDate", ["qe_identity_time"]),
    (("--expired", "pck_crl"), "UpToDate", ["pck_crl_time"]),
    (("--expired", "root_ca_crl"), "UpToDate", ["root_crl_time"]),
    (("--revoked", "pck"), "UpToDate", ["pck_leaf_not_revoked"]),
    (("--revoked", "ca"), "UpToDate", ["pck_ca_not_revoked"]),
    (("--revoked", "tcb-signing"), "UpToDate", ["tcb_signing_not_revoked", "qe_signing_not_revoked"]),
], ids=lambda v: "-".join(v) if isinstance(v, tuple) else None)
def test_collateral_is_renewed_under_the_same_certificates(bench, flags, status, failed):
    where = bench.pki()
    made = quote(where)
    before = {name: (where / name).read_bytes() for name in os.listdir(where)}
    assert verdict(where, made) == ("UpToDate", [])
    bench.pki("--age", "60", *flags)
    assert verdict(where, made) == (status, failed)
    after = {name: (where / name).read_bytes() for name in os.listdir(where)}
    changed = {name for name in after if before[name] != after[name]}
    assert changed == {"tcb_info.json", "qe_identity.json", "pck_crl.der", "root_ca_crl.der",
                       "tcb_evaluation_numbers.json"}
    bench.pki("--age", "30")
    assert verdict(where, made) == ("UpToDate", [])


def test_collateral_is_good_for_thirty_days(bench):
    made, now = quote(bench.pki()), int(time.time())
    assert verdict(bench.pki(), made, "--time", str(now - 86000))[1] == []
    assert verdict(bench.pki(), made, "--time", str(now + 29 * 86400))[1] == []
    assert "tcb_info_time" in verdict(bench.pki(), made, "--time", str(now + 31 * 86400))[1]
    bench.pki("--valid", "100")
    assert verdict(bench.pki(), made, "--time", str(now + 60))[1] == []
    ended = verdict(bench.pki(), made, "--time", str(now + 200))[1]
    assert set(ended) == {"tcb_info_time", "qe_identity_time", "pck_crl_time", "root_crl_time"}


def test_keys_are_the_same_everywhere(tmp_path):
    assert make(tmp_path / "a") == make(tmp_path / "b", "--fmspc", "00906ed50000", "--ca", "processor") == ""
    key = (tmp_path / "a" / "root_ca_key.hex").read_text()
    assert re.fullmatch("[0-9a-f]{128}", key) and key == (tmp_path / "b" / "root_ca_key.hex").read_text()
    assert verdict(tmp_path / "b", quote(tmp_path / "b")) == ("UpToDate", [])
    assert verdict(tmp_path / "a", quote(tmp_path / "b"))[1] != []


def test_the_default_image_is_the_one_that_the_devnet_deploys(bench):
    files = (REPO / "contracts").glob("*.mjs")
    text = "".join(path.read_text() for path in files)
    wanted = {name.lower(): value for name, value in re.findall(r"(MRTD|RTMR\d):\s+\"0x([0-9a-f]{96})\"", text)}
    (bench.dir / "quote.bin").write_bytes(quote(bench.pki()))
    done = call(program("verifier", "tdx-quote"), "measurements", "--json", bench.dir / "quote.bin")
    found = json.loads(done.stdout)
    assert len(wanted) == 4 and {name: found[name] for name in wanted} == wanted


@pytest.mark.parametrize("argv, words", [
    (("pki", "DIR", "--fmspc", "90c06f"), '"90c06f" is not 12 hex digits'),
    (("pki", "DIR", "--fmspc", "90c06f00000g"), '"90c06f00000g" is not 12 hex digits'),
    (("pki", "DIR", "--ca", "root"), '"root" is neither platform nor processor'),
    (("pki", "DIR", "--tcb-status", "Fine"), '"Fine" is no status'),
    (("pki", "DIR", "--expired", "everything"), '"everything" is not tcb_info'),
    (("pki", "DIR", "--revoked", "root"), '"root" is not pck'),
    (("pki", "DIR", "--age", "-1"), '--age: "-1" cannot be'),
    (("pki", "DIR", "--break", "signature"), '"--break" is not a flag of this verb'),
    (("pki", "/nonexistent/dir"), "cannot make /nonexistent/dir"),
    (("serve", "--pki", "DIR"), "--report-dir is needed"),
    (("serve", "--report-dir", "DIR"), "--pki is needed"),
    (("quote", "--pki", "DIR", "--break", "everything"), '"everything" cannot be'),
    (("quote", "--pki", "DIR", "--rtmr1", "00"), '--rtmr1: "00" cannot be'),
    (("quote", "--pki", "DIR", "--version", "v3"), '"v3" cannot be'),
    (("quote", "--pki", "DIR", "--report-data"), "--report-data needs a value"),
    (("quote", "--pki", "/nonexistent"), "cannot read /nonexistent/pck_chain.pem"),
], ids=lambda v: " ".join(v[:1] + v[-2:]) if isinstance(v, tuple) else None)
def test_wrong_flags_are_named(tmp_path, argv, words):
    done = call(software_qe_program(), *(tmp_path / "pki" if a == "DIR" else a for a in argv))
    assert done.returncode in (1, 64) and words in done.stderr.decode() and done.stdout == b""


def test_another_platform_needs_another_directory(bench):
    assert "is a platform of FMSPC 90c06f000000" in make(bench.pki(), "--fmspc", "00906ed50000")
    assert make(bench.pki(), "--fmspc", "90c06f000000") == ""


# --- the directory that plays configfs-tsm ---


def ask(reports, name, data):
    """As a guest does by hand; the quote and the generations before and after."""
    request = reports / name
    request.mkdir()
    until("the attributes", (request / "provider").exists)
    assert (request / "provider").read_text() == "tdx_guest\n"
    before = int((request / "generation").read_text())
    fd = os.open(request / "inblob", os.O_WRONLY)
    os.write(fd, data)
    os.close(fd)
    until("the quote", (request / "outblob").exists)
    made = (request / "outblob").read_bytes()
    return made, int((request / "generation").read_text()) - before


def test_requests_side_by_side(bench):
    qe = bench.start(SoftwareQE(bench))
    answers = {}

    def one(i):
        answers[i] = ask(qe.reports, f"request-{i}", bytes([i]) * 64)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    for i in range(20):
        made, steps = answers[i]
        assert steps == 1 and bytes([i]) * 64 in made
        assert verdict(qe.pki, made) == ("UpToDate", [])
    until("the requests' directories are gone", lambda: os.listdir(qe.reports) == [])


def test_what_is_no_question_gets_no_answer(bench):
    qe = bench.start(SoftwareQE(bench))
    (qe.reports / "half").mkdir()
    until("the attributes", (qe.reports / "half" / "provider").exists)
    (qe.reports / "half" / "inblob").write_bytes(bytes(32))
    qe.saw("half: inblob has 32 bytes, not 64")
    assert not (qe.reports / "half" / "outblob").exists()
    assert qe.stop() == 0
    qe.start()
    assert os.listdir(qe.reports) == []


class Guest(Process):
    """quote-gen with nobody to send its quote to."""

    def __init__(self, bench, reports, coordinator="127.0.0.1:1"):
        super().__init__(bench.dir / "guest.log")
        self.env = clean_env(ETHREX_PROOF_COORDINATOR_URL=coordinator, QUOTE_GEN_EXECUTOR="none",
                             QUOTE_GEN_TSM_REPORT_DIR=reports, QUOTE_GEN_INTERVAL=50)

    def start(self):
        self.spawn([program("quote-gen", "quote-gen")], env=self.env)
        return self

    def quote(self):
        return bytes.fromhex(self.saw("Sending quote ([0-9a-f]{41,})$")[1])


@pytest.mark.parametrize("flags", [(), ("--version", "v5"), ("--delay", "700")], ids=["v4", "v5", "slow"])
def test_quote_gen_takes_its_quotes_there(bench, flags):
    qe = bench.start(SoftwareQE(bench, *flags))
    guest = bench.start(Guest(bench, qe.reports))
    guest.saw(f"WARNING: quotes come from {qe.reports}, not from the kernel")
    assert verdict(qe.pki, guest.quote()) == ("UpToDate", [])
    until("a second request", lambda: len(re.findall("^Sending quote", guest.log(), re.M)) >= 2)
    until("two names", lambda: len(set(re.findall("request (quote-gen-[0-9-]+):", qe.log()))) >= 2)
    assert "Error creating quote" not in guest.log()
    assert guest.stop() == 0


@pytest.mark.parametrize("flaw, words", [
    ("provider", 'the report provider is "sev_guest", not tdx_guest'),
    ("generation", "the TDX module gave no quote: Resource temporarily unavailable"),
])
def test_quote_gen_refuses_what_the_kernel_would_not_do(bench, flaw, words):
    qe = bench.start(SoftwareQE(bench, "--break", flaw))
    guest = bench.start(Guest(bench, qe.reports))
    guest.saw(f"^Error creating quote: {re.escape(words)}$")
    guest.saw("^Sending quote [0-9a-f]{40}$")


def test_quote_gen_gives_up_where_nobody_answers(bench):
    (bench.dir / "empty").mkdir()
    guest = bench.start(Guest(bench, bench.dir / "empty"))
    until("a request", lambda: os.listdir(bench.dir / "empty"))
    before = time.monotonic()
    assert guest.stop() == 0 and time.monotonic() - before < 5
    assert os.listdir(bench.dir / "empty") == []
    guest = bench.start(Guest(bench, bench.dir / "absent"))
    guest.saw("^Error creating quote: the kernel has no .*/absent .*: No such file or directory$")


def test_nothing_of_it_is_installed(tmp_path):
    build = program("tests", "software-qe", "software-qe").parents[2]
    done = subprocess.run(["cmake", "--install", build, "--prefix", tmp_path], capture_output=True, check=True, timeout=120)
    assert b"quote-gen" in done.stdout and b"software-qe" not in done.stdout and b"pccs" not in done.stdout


# ---- mounted: where requests are answered in the file operations themselves ----

KERNEL = "/sys/kernel/config/tsm/report"
TSM_PROVER = BUILD / "tests" / "software-qe" / "tsm-prover"
# In namespaces of its own nobody needs to be root, and the place that the crate has by heart can be had.
IN_NAMESPACES = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"]), "sh", "-ec"]
MOUNTED = f"""
mount -t tmpfs tmpfs /sys/kernel
mkdir -p {KERNEL}
"$QE" serve --pki "$PKI" --mount {KERNEL} $FLAGS >"$LOG" 2>&1 &
until grep -q "NOTHING IS ATTESTED" "$LOG"; do sleep 0.02; kill -0 $!; done
status=0
sh -euc "$SCRIPT" || status=$?
kill $!; wait $! || true
exit $status
"""


def mounted(bench, script, *flags):
    """The script's exit status and output (bytes), and what software-qe said, which is mounted for as long."""
    probe = call(*IN_NAMESPACES, "mount -t tmpfs tmpfs /sys/kernel && exec <>/dev/fuse")
    if probe.returncode != 0:
        pytest.skip(f"SKIPPED: nothing can be mounted here: {probe.stderr.decode()[:200]}")
    log = bench.dir / "mounted.log"
    env = clean_env(SCRIPT=script, QE=software_qe_program(), PKI=bench.pki(), LOG=log, FLAGS=" ".join(flags),
                    QUOTE_GEN=program("quote-gen", "quote-gen"), TSM_PROVER=TSM_PROVER)
    done = subprocess.run([*IN_NAMESPACES, MOUNTED], capture_output=True, timeout=PATIENCE, env=env, check=False)
    return done, log.read_text()


def need_the_crate():
    if not TSM_PROVER.exists():
        pytest.skip(f"SKIPPED: {TSM_PROVER} is not built (scripts/build-rust)")


def test_the_crate_of_ethrexs_provers_gets_its_quote(bench):
    need_the_crate()
    address = bytes(range(20))
    done, said = mounted(bench, f'for i in 1 2 3; do "$TSM_PROVER" {address.hex()} >"$LOG.$i"; done')
    assert done.returncode == 0, done.stderr
    # Byte for byte the same directory each time, which the crate leaves behind: generations go on in it.
    for i in (1, 2, 3):
        made = (bench.dir / f"mounted.log.{i}").read_bytes()
        assert address + bytes(44) in made and verdict(bench.pki(), made) == ("UpToDate", [])
    assert len(re.findall("a quote of .* for report data 000102", said)) == 3


@pytest.mark.parametrize("flags, words", [
    (("--break", "provider"), "BadProvider(\"sev_guest\")"),
    (("--break", "generation"), "Generation(1, 2)"),
])
def test_the_crate_sees_what_is_wrong(bench, flags, words):
    need_the_crate()
    done, _ = mounted(bench, f'"$TSM_PROVER" {"12" * 20}', *flags)
    assert done.returncode != 0 and words in done.stderr.decode()


def test_the_file_operations_of_configfs(bench):
    """As drivers/virt/coco/guest/report.c has them."""
    cases = r"""
refuses() { if sh -c "$1" 2>/dev/null; then echo "this was not refused: $1" >&2; exit 1; fi; }
cd /sys/kernel/config/tsm/report
mkdir a
[ "$(ls a | tr '\n' ' ')" = "generation inblob outblob provider " ]
[ "$(cat a/provider a/generation | tr '\n' ' ')" = "tdx_guest 0 " ]
refuses "cat a/outblob" # nothing was asked
printf short >a/inblob
[ "$(cat a/generation)" = 1 ]
refuses "cat a/outblob" # TDX wants 64 bytes
head -c 64 /dev/zero >a/inblob
[ "$(cat a/generation)" = 2 ]
cat a/outblob >"$LOG.1"
cat a/outblob | cmp - "$LOG.1" # made once for a question
for what in "head -c 65 /dev/zero >a/inblob" "echo x >a/provider" "echo x >a/new" "rm a/inblob" "mkdir a/b" "mkdir a"; do
	refuses "$what"
done
mkdir b
rmdir a # with all that is in it
[ "$(ls)" = b ]
"""
    done, said = mounted(bench, cases.strip())
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert len(re.findall("a quote of", said)) == 1
    made = (bench.dir / "mounted.log.1").read_bytes()
    assert verdict(bench.pki(), made) == ("UpToDate", [])


def test_quote_gen_asks_the_mounted_one_too(bench):
    done, said = mounted(bench, 'timeout 3 "$QUOTE_GEN" >"$LOG.out" 2>&1 || true')
    sent = re.search(r"^Sending quote ([0-9a-f]{41,})$", (bench.dir / "mounted.log.out").read_text(), re.M)
    assert done.returncode == 0 and sent and "a quote of" in said
    assert verdict(bench.pki(), bytes.fromhex(sent[1])) == ("UpToDate", [])
