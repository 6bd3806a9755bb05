"""config/: the example file against the program's own table, so that neither can go stale; the
units against systemd; the alert rules against the metrics that there are."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

REPO = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD_DIR") or REPO / "build" / "release")
PROGRAM = BUILD / "coordinator" / "proof-coordinator"
CONFIG = REPO / "config"
EXAMPLE = CONFIG / "coordinator.env.example"
UNITS = {"proof-coordinator": PROGRAM, "quote-gen": BUILD / "quote-gen" / "quote-gen"}
EXPOSURE_MAX = "30"  # ten times the value that systemd-analyze prints

# The required ones, as the devnet might have them.
FILLED = {
    "ETHREX_ETH_RPC_URL": "http://127.0.0.1:8545",
    "ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS": "0x" + "11" * 20,
    "ETHREX_TIMELOCK_ADDRESS": "0x" + "22" * 20,
    "ETHREX_PROOF_COORDINATOR_L1_PRIVATE_KEY_FILE": "l1.key",
    "ETHREX_PROOF_COORDINATOR_TDX_PRIVATE_KEY_FILE": "tdx.key",
}
PAIR = re.compile(r"^([A-Z][A-Z0-9_]*)=(\S*)$")
COMMENTED = re.compile(r"^#([A-Z][A-Z0-9_]*)=(\S*)$")


def program(*args, env=None, cwd=None):
    assert PROGRAM.exists(), f"{PROGRAM} is missing: make build, or set BUILD_DIR"
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("ETHREX_", "PROOF_COORDINATOR"))}
    return subprocess.run([PROGRAM, *args], env={**clean, **(env or {})}, cwd=cwd,
                          capture_output=True, text=True, timeout=30)


def effective(*args, **kwargs):
    """NAME -> value of every setting, as `proof-coordinator config` prints them."""
    return json.loads(program("config", "--json", *args, **kwargs).stdout)


def secrets():
    """Settings that also come as NAME_FILE, by the program's help."""
    return set(re.findall(r"^  ([A-Z0-9_]+) \(or \.\.\._FILE\)$", program("help").stdout, re.M))


def example():
    """(uncommented, commented): NAME -> value; every other line must be a comment or empty."""
    active, commented = {}, {}
    for number, line in enumerate(EXAMPLE.read_text().splitlines(), 1):
        for pattern, into in [(PAIR, active), (COMMENTED, commented)]:
            if found := pattern.match(line):
                assert found[1] not in active and found[1] not in commented, f"line {number}: {found[1]} again"
                into[found[1]] = found[2]
                break
        else:
            assert line == "" or line.startswith("# ") or line == "#", f"line {number}: {line}"
    return active, commented


def table_name(name):
    base = name.removesuffix("_FILE")
    return base if base in secrets() else name


def test_every_setting_is_there_once_and_no_other():
    active, commented = example()
    listed = [table_name(name) for name in [*active, *commented]]
    assert sorted(listed) == sorted(effective()), "config/coordinator.env.example and the program's table differ"


def test_help_knows_the_same_settings():
    named = re.findall(r"^  ([A-Z][A-Z0-9_]+)(?: \(or \.\.\._FILE\))?$", program("help").stdout, re.M)
    assert sorted(named) == sorted(effective())


def test_commented_values_are_the_defaults():
    _, commented = example()
    defaults = effective()
    assert {n: v for n, v in commented.items()} == {n: defaults[table_name(n)] for n in commented}


def test_what_sighup_takes_over_is_marked():
    help_text, marked, reloads = program("help").stdout, set(), set()
    name = None
    for line in help_text.splitlines():
        if found := re.match(r"^  ([A-Z][A-Z0-9_]+)", line):
            name = found[1]
        elif line.endswith(" (SIGHUP)"):
            reloads.add(name)
    comment = ""
    for line in EXAMPLE.read_text().splitlines():
        if found := PAIR.match(line) or COMMENTED.match(line):
            if "[SIGHUP]" in comment:
                marked.add(table_name(found[1]))
            comment = ""
        else:
            comment = comment + line if line else ""
    assert marked == reloads


def test_each_setting_has_a_comment_of_its_own():
    lines = EXAMPLE.read_text().splitlines()
    for before, line in zip(lines, lines[1:]):
        if PAIR.match(line) or COMMENTED.match(line):
            assert before.startswith("# "), f"{line} is not explained"


def test_the_placeholders_are_refused_in_words():
    done = program("config", "--env-file", str(EXAMPLE))
    assert done.returncode == 78
    for name in ["ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS", "ETHREX_TIMELOCK_ADDRESS"]:
        assert f"config: {name}: " in done.stderr
    active, _ = example()
    assert set(active) == set(FILLED)


@pytest.fixture
def filled(tmp_path):
    """The example with all its lines in effect and the required ones filled in."""
    for key, byte in [("l1.key", "01"), ("tdx.key", "02")]:
        (tmp_path / key).write_text("0x" + byte * 32 + "\n")
        (tmp_path / key).chmod(0o600)
    lines = []
    for line in EXAMPLE.read_text().splitlines():
        if found := PAIR.match(line):
            value = FILLED[found[1]]
            line = f"{found[1]}={tmp_path / value if value.endswith('.key') else value}"
        elif COMMENTED.match(line):
            line = line[1:]
        lines.append(line)
    path = tmp_path / "coordinator.env"
    path.write_text("\n".join(lines) + "\n")
    return path


def pairs(path):
    """As `docker run --env-file` reads it: a name, the first =, the rest verbatim."""
    read = {}
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            name, value = line.split("=", 1)
            read[name] = value
    return read


def test_program_shell_and_docker_read_the_same(filled, tmp_path):
    by_program = program("config", "--env-file", str(filled))
    assert by_program.returncode == 0, by_program.stderr
    by_docker = program("config", env=pairs(filled))
    assert (by_docker.returncode, by_docker.stdout) == (0, by_program.stdout), by_docker.stderr
    for shell in ["sh", "bash"]:
        by_shell = subprocess.run([shell, "-euc", f'set -a; . "{filled}"; set +a; exec "{PROGRAM}" config'], cwd=tmp_path,
                                  env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=30)
        assert (by_shell.returncode, by_shell.stdout) == (0, by_program.stdout), by_shell.stderr


def test_all_defaults_written_out_change_nothing(filled):
    written = effective("--env-file", str(filled))
    required = {table_name(n) for n in FILLED}
    assert {n: v for n, v in written.items() if n not in required} == \
           {n: v for n, v in effective().items() if n not in required}


def test_a_service_overrules_the_key_files(filled, tmp_path):
    """As the unit does it: the file names a path that the service may not read."""
    filled.write_text(filled.read_text().replace(str(tmp_path / "l1.key"), "/nonexistent/l1.key"))
    alone = program("config", "--env-file", str(filled))
    assert alone.returncode == 78 and "/nonexistent/l1.key" in alone.stderr
    done = program("config", "--env-file", str(filled),
                   env={"ETHREX_PROOF_COORDINATOR_L1_PRIVATE_KEY_FILE": str(tmp_path / "l1.key")})
    assert done.returncode == 0, done.stderr


# --- systemd -------------------------------------------------------------------------------

needs_systemd = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="SKIPPED: units are not checked: systemd-analyze is missing")


@pytest.fixture(params=UNITS)
def unit(request, tmp_path):
    """The unit with its program where this build has it: systemd looks whether it is there."""
    text = (CONFIG / f"{request.param}.service").read_text()
    installed = f"/usr/local/bin/{request.param}"
    assert text.count(f"ExecStart={installed}") == 1
    path = tmp_path / f"{request.param}.service"
    path.write_text(text.replace(installed, str(UNITS[request.param])))
    return path


@needs_systemd
def test_systemd_has_nothing_to_say(unit):
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=60)
    # It ends with 0 for unknown keys too; only silence is consent. What it says of other units of this machine is theirs.
    said = [line for line in done.stderr.splitlines() if not re.match(r"/(usr/)?lib/systemd/system/", line)]
    assert (done.returncode, said) == (0, [])


@needs_systemd
def test_units_are_confined(unit):
    done = subprocess.run(["systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE_MAX}", unit],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-300:] + done.stderr


def unit_settings(name):
    read = {}
    for line in (CONFIG / f"{name}.service").read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            read.setdefault(key, []).append(value)
    return read


def test_the_unit_fits_the_program():
    unit = unit_settings("proof-coordinator")
    given = [value.split("=", 1)[0] for value in unit["Environment"]]
    assert {table_name(name) for name in given} <= set(effective())
    # Every credential is used, and every use is loaded.
    loaded = {value.split(":")[0] for value in unit["LoadCredential"]}
    credentials = "%t/credentials/%n/"
    assert loaded == {value.split(credentials)[1] for value in unit["Environment"] if credentials in value}
    # The settings must not come as environment, which a reload could not change.
    assert "EnvironmentFile" not in unit and "--env-file" in unit["ExecStart"][0]
    drain_ms = int(effective()["ETHREX_PROOF_COORDINATOR_DRAIN_TIMEOUT"])
    assert int(unit["TimeoutStopSec"][0].removesuffix("s")) * 1000 > drain_ms
    assert int(unit["LimitNOFILE"][0]) > int(effective()["ETHREX_PROOF_COORDINATOR_MAX_CONNECTIONS"])
    assert unit["RestartPreventExitStatus"] == [f"{program('run', '--nonsense').returncode} {program('run').returncode}"]


@pytest.mark.parametrize("name", UNITS)
def test_the_unit_asks_no_more_than_systemd_249_knows(name):
    text = (CONFIG / f"{name}.service").read_text()
    settings = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    # Ubuntu 22.04 has 249; these came with 250 and later.
    for newer in ("%d", "%q", "ImportCredential", "LoadCredentialEncrypted", "SetCredentialEncrypted", "ExitType", "RestartSteps",
                  "RestartMaxDelaySec", "NFTSet", "MemoryPressure", "RestrictFileSystems", "ExtensionDirectories",
                  "StartupMemory", "OpenFile", "ProtectHostname=private", "Type=notify-reload", "BindLogSockets"):
        assert newer not in settings, newer


@pytest.mark.skipif(not shutil.which("systemd-sysusers"), reason="SKIPPED: the account is not checked: systemd-sysusers is missing")
def test_the_account_of_the_unit_is_made():
    conf = CONFIG / "proof-coordinator.sysusers.conf"
    done = subprocess.run(["systemd-sysusers", "--dry-run", conf], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    accounts = [line.split()[1] for line in conf.read_text().splitlines() if line.startswith("u ")]
    assert accounts == unit_settings("proof-coordinator")["User"]


# --- alerts --------------------------------------------------------------------------------

def test_alerts_ask_for_metrics_that_there_are():
    known = set(re.findall(r'"([a-z0-9_]+)["{]', (REPO / "coordinator" / "admin" / "metrics.c").read_text()))
    text = (CONFIG / "alerts.yaml").read_text()
    asked = set(re.findall(r"\bproof_coordinator_([a-z0-9_]+)", text))
    assert asked and asked <= known, f"unknown: {asked - known}"
    # Metrics in prose are named without the prefix.
    assert set(re.findall(r"\b(store_[a-z_]+)\b", text)) <= known


def test_alerts_say_what_to_do():
    yaml = pytest.importorskip("yaml", reason="SKIPPED: the alert rules are not parsed: python3-yaml is missing")
    rules = [r for g in yaml.safe_load((CONFIG / "alerts.yaml").read_text())["groups"] for r in g["rules"]]
    names = [r["alert"] for r in rules]
    assert len(names) == len(set(names)) >= 10
    for rule in rules:
        assert rule["expr"].strip() and rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"].strip() and rule["annotations"]["action"].strip()
        assert rule["annotations"]["runbook"] == f"docs/RUNBOOK.md#{rule['alert'].lower()}"
    sections = re.findall(r"^### (ProofCoordinator\w+)$", (REPO / "docs" / "RUNBOOK.md").read_text(), re.M)
    assert sections == names, "docs/RUNBOOK.md has a section of each alert, in the rules' order"


@pytest.mark.skipif(not shutil.which("promtool"), reason="SKIPPED: promtool does not check the alert rules: it is missing")
def test_promtool_accepts_the_alerts():
    done = subprocess.run(["promtool", "check", "rules", CONFIG / "alerts.yaml"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
