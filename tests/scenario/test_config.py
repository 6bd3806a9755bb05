"""What the daemon makes of its settings: every mistake at once, no secret shown, nobody's data shared."""

import json
import pathlib
import re
import signal
import socket

import pytest

from process import program
from world import Coordinator, Key, L1_KEY, P, PATIENCE, TDX_KEY, free_port, until

EXIT_USAGE, EXIT_CONFIG = 64, 78


def test_every_mistake_is_reported_at_once(world):
    c = world.coordinator(
        LISTEN_PORT="70000", PROVER_TIMEOUT="soon", ERROR_REPLIES="maybe", LOG_LEVEL="loud", SEND_INTERVALL="5",
        ETHREX_TIMELOCK_ADDRESS="0x1234", L1_PRIVATE_KEY_FILE=None, COMMIT_HASH_PATTERN="(", ETHREX_BASED="true",
        ETHREX_ETH_RPC_URL="ftp://user:secret@127.0.0.1/", ETHREX_TIMELOCK_ADRES="0x12",
    )
    done = c.verb("run")
    assert done.returncode == EXIT_CONFIG
    for what in ("LISTEN_PORT: 70000 is not between 0 and 65535", 'PROVER_TIMEOUT: "soon"', 'ERROR_REPLIES: "maybe"', '"loud"',
                 "SEND_INTERVALL is not a setting", "ETHREX_TIMELOCK_ADDRESS", "L1_PRIVATE_KEY", "COMMIT_HASH_PATTERN",
                 "ETHREX_BASED", "ETHREX_ETH_RPC_URL", "ETHREX_TIMELOCK_ADRES is set, and nothing here reads that"):
        assert what in done.stderr, what
    assert len(done.stderr.splitlines()) >= 10
    assert "secret" not in done.stderr
    assert not c.data.exists()
    checked = c.verb("config")
    assert checked.returncode == EXIT_CONFIG
    assert checked.stderr == done.stderr


@pytest.mark.parametrize("flag, complaint", [
    ("--proof-coordinator.colour=red", "is not a flag"),
    ("--proof-coordinator.port", "needs a value"),
    ("run", "run takes no arguments"),
])
def test_bad_flags(world, flag, complaint):
    done = world.coordinator().verb("run", flag)
    assert done.returncode == EXIT_USAGE and complaint in done.stderr


def test_flag_beats_environment_beats_file(world):
    c = world.coordinator(MAX_PROVERS=7)
    file = world.dir / "settings.env"
    file.write_text(f"# a comment\n\nexport {P}MAX_PROVERS=5\n{P}MAX_BATCHES='50'\n{P}MAX_INPUTS=60\n")
    done = c.verb("config", "--json", "--env-file", file, "--proof-coordinator.max-inputs=70")
    assert done.returncode == 0, done.stderr
    text = done.stdout
    settings = json.loads(text)
    flat = settings.get("settings", settings)

    def value(name):
        v = flat[P + name]
        return str(v["value"] if isinstance(v, dict) else v)

    assert (value("MAX_PROVERS"), value("MAX_BATCHES"), value("MAX_INPUTS")) == ("7", "50", "70")


def test_secrets_show_nowhere(world):
    secrets = [L1_KEY[2:], TDX_KEY[2:], "sesame-sesame", "hunter2", "apikey1"]
    c = world.coordinator(
        ADMIN_TOKEN="sesame-sesame", ETHREX_ETH_RPC_URL=world.l1.url.replace("//", "//user:hunter2@") + "/?k=apikey1",
        L1_PRIVATE_KEY=L1_KEY, L1_PRIVATE_KEY_FILE=None)
    for flags in ([], ["--json"]):
        done = c.verb("config", *flags)
        assert done.returncode == 0, done.stderr
        assert "hidden" in done.stdout
        assert not [s for s in secrets if s in done.stdout + done.stderr]
    c.start()
    c.saw("event=l1_")
    proc = pathlib.Path(f"/proc/{c.process.pid}")
    assert not [s for s in secrets if s.encode() in (proc / "cmdline").read_bytes()]
    assert re.search(r"^Max core file size +0 +0 ", (proc / "limits").read_text(), re.M)
    status, text = c.admin("GET", "/api/v1/status", authorization="Bearer sesame-sesame")
    assert status == 200
    assert not [s for s in secrets if s in text + c.log()]
    assert c.stop() == 0
    assert not [s for s in secrets if s in c.log()]


def test_key_file_that_others_can_read_is_refused(world):
    c = world.coordinator()
    (world.dir / "l1.key").chmod(0o644)
    done = c.verb("run")
    assert done.returncode == EXIT_CONFIG
    assert "l1.key" in done.stderr and "0644" in done.stderr and L1_KEY[2:] not in done.stderr


def test_key_file_that_is_none_is_refused_unseen(world):
    c = world.coordinator()
    world.secret("l1.key", "zz" + L1_KEY[4:])
    done = c.verb("run")
    assert done.returncode == EXIT_CONFIG and "L1_PRIVATE_KEY" in done.stderr and L1_KEY[4:] not in done.stderr


def test_second_daemon_on_the_same_data_is_refused(world):
    c = world.coordinator().start()
    second = Coordinator(world, "second", DATA_DIR=c.data)
    done = second.verb("run")
    assert done.returncode not in (0, None)
    assert f"in use by process {c.process.pid}" in done.stdout + done.stderr
    assert c.admin("GET", "/readyz")[0] == 200


def test_sighup_reloads_what_may_change(world):
    file = world.dir / "settings.env"
    file.write_text(f"{P}LOG_LEVEL=info\n{P}MAX_PROVERS=9\n")
    c = world.coordinator(LOG_LEVEL=None).start("--env-file", file)
    c.request()
    assert "event=request" not in c.log()
    file.write_text(f"{P}LOG_LEVEL=debug\n{P}MAX_PROVERS=10\n")
    c.signal(signal.SIGHUP)
    c.saw(r"event=reload .*taken over")
    c.saw("MAX_PROVERS differs from the running one")
    c.request()
    c.saw(r"event=request .*answer=empty")
    file.write_text(f"{P}LOG_LEVEL=loud\n")
    c.signal(signal.SIGHUP)
    c.saw(r"level=error event=reload .*refused")
    before = len(c.log())
    c.request()
    c.saw(r"event=request", start=before)
    # What the flags and the environment said at the start still holds.
    c.signal(signal.SIGTERM)
    assert c.process.wait(20) == 0


def test_sighup_without_a_file_changes_nothing(world):
    c = world.coordinator().start()
    c.signal(signal.SIGHUP)
    c.saw("event=reload .*nothing to read again")
    assert c.admin("GET", "/readyz")[0] == 200


def test_sighup_during_a_start_that_fails(world):
    """It is handled once the start is over, and then most of the parts were never made."""
    file = world.dir / "settings.env"
    file.write_text("# nothing\n")
    with socket.create_server(("127.0.0.1", 0)) as database:  # which never answers
        c = world.coordinator(STORE=f"postgres://u@127.0.0.1:{database.getsockname()[1]}/d?sslmode=disable", INSTANCE="one")
        c.start("--env-file", file, ready=False)
        with database.accept()[0]:
            c.signal(signal.SIGHUP)
        assert c.process.wait(60) == 1
    assert "event=start_failed" in c.log()
    c.saw("event=reload .*the coordinator ends")


@pytest.mark.parametrize("address", ["timelock", "verifier"])
def test_contract_of_another_kind(world, address):
    where = {"timelock": world.timelock, "verifier": world.verifier}[address]
    c = world.coordinator(ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS=where, ETHREX_TIMELOCK_ADDRESS=None).start()
    assert c.process.wait(30) == EXIT_CONFIG
    assert "event=contract_of_another_kind" in c.log() and "holds no ethrex OnChainProposer" in c.log()


def test_an_address_that_answers_nothing(world):
    """Or a node that has not synced: one answer is not the truth."""
    c = world.coordinator(ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS="0x" + "12" * 20, ETHREX_TIMELOCK_ADDRESS=None).start()
    c.saw("event=l1_unreadable .*is answered with nothing at block .*or the address is wrong")
    assert c.process.poll() is None and not c.status()["l1"]["readable"]


def test_tdx_key_missing(world):
    c = world.coordinator(TDX_PRIVATE_KEY_FILE=None).start()
    assert c.process.wait(30) == EXIT_CONFIG
    assert "TDX_PRIVATE_KEY_FILE" in c.log()


def test_dev_mode_with_a_contract_that_needs_proofs(world):
    c = world.coordinator(DEV_MODE="true").start()
    assert c.process.wait(30) == EXIT_CONFIG
    assert "DEV_MODE sends empty proofs" in c.log()


def test_wrong_chain_id(world):
    c = world.coordinator(L1_CHAIN_ID=1).start()
    c.saw("event=l1_unreadable .*is on chain 31337, not on chain 1")
    assert c.request()[0] is None
    c.stop()


def test_data_of_another_contract(world):
    c = world.coordinator().start()
    c.saw("event=l1_read")
    c.enroll(Key())
    c.stop()
    c.change(ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS="0x" + "12" * 20)
    done = c.verb("run")
    assert done.returncode != 0 and "belongs to another OnChainProposer" in done.stdout + done.stderr


def test_taken_port(world):
    c = world.coordinator().start()
    second = Coordinator(world, "second", LISTEN_PORT=c.port)
    for name, digit in (("L1", "3"), ("TDX", "4")):
        key = world.dir / f"other-{name}.key"
        key.write_text("0x" + digit * 64)
        key.chmod(0o600)
        second.change(**{f"{name}_PRIVATE_KEY_FILE": key})
    done = second.verb("run")
    assert done.returncode != 0 and str(c.port) in done.stdout + done.stderr and "in use" in done.stdout + done.stderr


def test_few_descriptors_raise_no_limit(world):
    """Fewer than are wanted beside the connections, and enough for these: their number stays what was set."""
    c = world.coordinator(MAX_CONNECTIONS=20)
    c.spawn(["prlimit", "--nofile=120:120", program("coordinator", "proof-coordinator"), "run"], env=c.env())
    c.saw(r"event=ready\b")
    assert not c.events("fd_limit")
    held = [c.connect() for _ in range(24)]
    until("as many as were set are open", lambda: c.metric("connections") == 20)
    c.saw("refused: limit on")
    for s in held:
        s.close()


def test_one_key_serves_one_daemon(world):
    world.coordinator().start()
    done = Coordinator(world, "second").verb("run")
    assert done.returncode != 0 and "would take each other's nonces" in done.stderr, done.stderr


def test_the_service_manager_is_told(world):
    path = world.dir / "notify"
    c = world.coordinator()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(PATIENCE)
        c.preload = {"NOTIFY_SOCKET": str(path)}
        c.start()
        assert b"READY=1" in manager.recv(1000).splitlines()
        c.signal(signal.SIGTERM)
        assert b"STOPPING=1" in manager.recv(1000).splitlines()
    assert c.process.wait(PATIENCE) == 0
    # A manager that is gone, or a path that is none, holds nothing up.
    for where in (path, "nowhere"):
        c.preload = {"NOTIFY_SOCKET": str(where)}
        c.start()
        assert c.stop() == 0


def test_port_zero_is_named_in_the_log(world):
    c = world.coordinator(LISTEN_PORT=0).start()
    c.port = int(c.told("ready")[0]["listen"].rsplit(":", 1)[1])
    assert c.port and c.request()[0] is None


def test_unix_admin_socket_and_verbs(world):
    c = world.coordinator(ADMIN_LISTEN=None)
    assert c.verb("healthcheck").returncode == 2
    c.start()
    assert (c.data / "admin.sock").stat().st_mode & 0o777 == 0o600
    assert c.verb("healthcheck").returncode == 0
    until("L1 read", lambda: json.loads(c.verb("status", "--json").stdout)["l1"]["readable"])
    assert json.loads(c.verb("provers", "--json").stdout) == {"provers": []}
    assert "proof_coordinator_up 1" in c.verb("metrics").stdout
    assert free_port() and c.stop() == 0
    assert c.verb("healthcheck").returncode == 2


@pytest.mark.parametrize("name, value", [
    ("ADMIN_LISTEN", "0.0.0.0:3902"), ("ADMIN_LISTEN", "::1:3902"), ("ADMIN_LISTEN", "localhost"),
    ("ADMIN_LISTEN", "unix:/nonexistent/admin.sock"), ("LISTEN_ADDRESS", "localhost"),
    ("DATA_DIR", "/nonexistent/data"), ("DATA_DIR", "/dev/null"), ("POLICY_FILE", "/dev/null"),
    ("DCAP_ROOT_FILE", "/dev/null"), ("COLLATERAL_CA_FILE", "/nonexistent/ca.pem"),
    ("COLLATERAL_ROOT_CRL_URL", "https://user:hunter2@crl.example/root.der"),
    ("COLLATERAL_SOURCES", "https://pcs.example/?key=hunter2"),
    ("POLICY_FILE", L1_KEY), ("L1_PRIVATE_KEY_FILE", L1_KEY), ("DATA_DIR", L1_KEY), ("ADMIN_TOKEN_FILE", "hunter2"),
])
def test_what_run_refuses_config_refuses(world, name, value):
    """With the same words, code 78, and nothing of a secret in them."""
    c = world.coordinator(**{name: value})
    ran, checked = c.verb("run"), c.verb("config")
    assert (ran.returncode, checked.returncode) == (EXIT_CONFIG, EXIT_CONFIG), ran.stderr
    assert ran.stderr == checked.stderr and P + name in ran.stderr
    for done in (ran, checked, c.verb("config", "--json")):
        assert "hunter2" not in done.stdout + done.stderr
        assert L1_KEY[2:] not in done.stdout + done.stderr


def test_env_file_with_a_key_that_all_may_read(world):
    c = world.coordinator(L1_PRIVATE_KEY_FILE=None)
    file = world.dir / "settings.env"
    file.write_bytes(b"\xef\xbb\xbf" + f"{P}L1_PRIVATE_KEY='{L1_KEY}'\r\n".encode())
    file.chmod(0o644)
    done = c.verb("run", "--env-file", file)
    assert done.returncode == EXIT_CONFIG and "everyone may read it: chmod 0600" in done.stderr
    assert L1_KEY[2:] not in done.stderr
    file.chmod(0o600)
    assert c.verb("config", "--env-file", file).returncode == 0
