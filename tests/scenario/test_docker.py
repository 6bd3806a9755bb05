"""docker/: the images are really built and the compose devnet really run, by podman with runc and
a base image made on the spot, for nothing can be relied on to be pulled. Slow (minutes), so it
runs when DOCKER_TEST=1 (`make test-docker`); needs root and the packages of
`scripts/install-deps docker`; leaves nothing behind."""

import contextlib
import json
import os
import pathlib
import re
import shlex
import shutil
import socket
import subprocess
import tempfile
import time

import pytest

import l1
import process
import upstream

REPO = l1.REPO
COMPOSE = REPO / "docker" / "compose.yaml"
CLUSTER = REPO / "docker" / "compose.cluster.yaml"
OVERLAY = REPO / "docker" / "compose.ethrex.yaml"
DOCKERFILE = REPO / "docker" / "Dockerfile"
BASE = "docker.io/library/debian:bookworm-slim"
UID = "10001"
TOOLS = ["podman", "buildah", "runc", "netavark", "iptables", "catatonit", "podman-compose", "mmdebstrap"]
SERVICES = ["l1", "coordinator", "sequencer", "prover"]
KEYS = ["59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
        "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"]
# Longer than the drain timeout (10 s); what stops later is killed and does not end with 0.
STOP_SECONDS = "13"
IP_FORWARD = pathlib.Path("/proc/sys/net/ipv4/ip_forward")
SBIN = {"PATH": os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/lib/podman"])}


def missing():
    if os.environ.get("DOCKER_TEST") != "1":
        return "building and running the containers takes minutes: make test-docker (or DOCKER_TEST=1) does it"
    if os.geteuid() != 0:
        return "containers are run as root here, and this is not root"
    absent = [tool for tool in TOOLS if not shutil.which(tool, path=SBIN["PATH"])]
    return f"{', '.join(absent)} missing: scripts/install-deps docker" if absent else None


if reason := missing():
    pytest.skip(f"SKIPPED: containers: {reason}", allow_module_level=True)


class Podman:
    """A podman of its own: storage, networks and locks below one directory, gone afterwards."""

    def __init__(self, home):
        self.home = home
        (home / "containers.conf").write_text(f"""
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
tmp_dir = "{home}/tmp"
[network]
network_backend = "netavark"
network_config_dir = "{home}/networks"
""")
        # Overlay needs a file system below that is none itself: inside a container there is none.
        driver = "vfs" if fs_type(home) == "overlay" else "overlay"
        (home / "storage.conf").write_text(
            f'[storage]\ndriver = "{driver}"\ngraphroot = "{home}/storage"\nrunroot = "{home}/run"\n')
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("ETHREX_", "BATCH_", "COMPOSE_"))}
        self.env = {**clean, **SBIN, "CONTAINERS_CONF": str(home / "containers.conf"),
                    "CONTAINERS_STORAGE_CONF": str(home / "storage.conf"), "TMPDIR": str(home)}
        self.forwarding = IP_FORWARD.read_text()
        self.rules = netavark_rules()

    def try_run(self, *args, timeout=120):
        return subprocess.run(["podman", *args], env=self.env, capture_output=True, text=True, timeout=timeout)

    def run(self, *args, timeout=120):
        done = self.try_run(*args, timeout=timeout)
        assert done.returncode == 0, f"podman {' '.join(args)}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done.stdout.strip()

    def close(self):
        self.try_run("rm", "--all", "--force", "--time", "1")
        self.try_run("pod", "rm", "--all", "--force")
        self.try_run("volume", "rm", "--all", "--force")
        self.try_run("network", "prune", "--force")
        self.try_run("rmi", "--all", "--force", timeout=600)
        # Container storage is mounted onto itself.
        for line in reversed(pathlib.Path("/proc/self/mountinfo").read_text().splitlines()):
            where = line.split()[4]
            if where.startswith(f"{self.home}/"):
                subprocess.run(["umount", "--lazy", where], check=False)
        if not self.rules:
            forget_netavark()
        IP_FORWARD.write_text(self.forwarding)


def fs_type(path):
    done = subprocess.run(["stat", "-f", "-c", "%T", path], capture_output=True, text=True, check=True)
    return done.stdout.strip().replace("overlayfs", "overlay")


def netavark_rules():
    """(table, rule) of what netavark has put into the packet filter."""
    rules = []
    for table in ["filter", "nat"]:
        done = subprocess.run(["iptables", "-w", "-t", table, "-S"], env=SBIN, capture_output=True, text=True, check=True)
        rules += [(table, shlex.split(line)) for line in done.stdout.splitlines() if "NETAVARK" in line]
    return rules


def forget_netavark():
    """Its chains stay behind, empty, when the last of its networks is gone."""
    rules = netavark_rules()
    for undo, done in [("-D", "-A"), ("-X", "-N")]:
        for table, rule in rules:
            if rule[0] == done:
                subprocess.run(["iptables", "-w", "-t", table, undo, *rule[1:]], env=SBIN, check=True)


def make_base(podman):
    """What debian:bookworm-slim is: a minimal bookworm; with the certificates that this machine
    trusts beyond Debian's, for the builds fetch through the same network."""
    tar = podman.home / "base.tar"
    command = ["mmdebstrap", "--quiet", "--variant=minbase"]
    local = pathlib.Path("/usr/local/share/ca-certificates")
    if any(local.glob("*.crt")):
        command += ["--include=ca-certificates", f"--customize-hook=copy-in {local} /usr/local/share",
                    '--customize-hook=chroot "$1" update-ca-certificates']
    done = subprocess.run([*command, "bookworm", tar], env=podman.env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    podman.run("import", "--quiet", str(tar), BASE, timeout=300)
    tar.unlink()


@contextlib.contextmanager
def measured(what, tell=print):
    start = time.monotonic()
    yield
    tell(f"{what}: {time.monotonic() - start:.0f} s")


@pytest.fixture(name="shown")
def _shown(record_property):
    """For measured(): a line of the run's last words."""
    return lambda line: record_property("shown", line)


def build_image(podman, target, image):
    with measured(f"image {image}"):
        podman.run("build", "--isolation", "chroot", "--network", "host", "--pull-never", "--format", "docker",
                   "-f", str(DOCKERFILE), "--target", target, "-t", image, str(REPO), timeout=3000)


@pytest.fixture(scope="module")
def podman():
    home = pathlib.Path(tempfile.mkdtemp(prefix="docker-test."))
    podman = Podman(home)
    try:
        with measured("base image"):
            make_base(podman)
        done = podman.try_run("run", "--rm", BASE, "true")
        if done.returncode != 0:
            why = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
            pytest.skip(f"SKIPPED: containers: podman runs none on this machine: {why}")
        build_image(podman, "runtime", "proof-coordinator")
        build_image(podman, "devnet", "proof-coordinator-devnet")
        yield podman
    finally:
        podman.close()
        shutil.rmtree(home, ignore_errors=True)
    assert not home.exists(), f"{home} is left behind"


class Devnet:
    file, services = COMPOSE, SERVICES

    def __init__(self, podman):
        self.podman, self.project = podman, f"devnet{os.getpid()}"
        self.l1_port, self.port = l1.free_port(), l1.free_port()
        self.env = {**podman.env, "ETHREX_DEVNET_L1_PORT": str(self.l1_port),
                    "ETHREX_PROOF_COORDINATOR_PORT": str(self.port), "BATCH_INTERVAL": "1",
                    "ETHREX_DEPLOYER_TDX_DEPLOY_VERIFIER": "true", "ETHREX_TDX_DEV_MODE": "true"}

    def compose(self, *args):
        done = subprocess.run(["podman-compose", "-f", self.file, "-p", self.project, *args],
                              env=self.env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]

    def name(self, service):
        return f"{self.project}_{service}_1"

    def logs(self):
        said = []
        for service in ["deploy", *self.services]:
            done = self.podman.try_run("logs", "--tail", "15", self.name(service))
            said.append(f"== {service}\n{done.stdout}{done.stderr}")
        return "\n".join(said)

    def exec(self, service, *command):
        return self.podman.try_run("exec", self.name(service), *command)

    def inspect(self, service):
        return json.loads(self.podman.run("inspect", self.name(service)))[0]

    def verified(self):
        """lastVerifiedBatch() as the L1 node tells it."""
        done = self.exec("sequencer", "cat", "/state/devnet.env")
        if done.returncode != 0:
            return 0
        addresses = dict(line.split("=", 1) for line in done.stdout.splitlines())
        proposer = addresses["ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS"]
        return int(l1.cast("call", proposer, "lastVerifiedBatch()(uint256)",
                           "--rpc-url", f"http://127.0.0.1:{self.l1_port}").split()[0])

    def wait_verified(self, batch, seconds=180):
        end = time.monotonic() + seconds
        while self.verified() < batch:
            assert time.monotonic() < end, f"batch {batch} was not verified in {seconds} s\n{self.logs()}"
            time.sleep(1)


@pytest.fixture(scope="module")
def devnet(podman):
    devnet = Devnet(podman)
    try:
        with measured("compose up until batch 2 is verified"):
            devnet.compose("up", "-d", "--no-build")
            devnet.wait_verified(2)
        yield devnet
    finally:
        with measured("compose down"):
            devnet.compose("down", "--volumes", "--timeout", "15")


def test_the_image_has_the_programs_and_no_compiler(podman):
    script = "set -e; for p in proof-coordinator quote-gen ethrex-executor; do $p --version; done; tdx-quote --help >/dev/null; " \
             "! ldd /usr/local/bin/* 2>/dev/null | grep 'not found'; " \
             "! command -v gcc; ! command -v cmake; ! command -v cargo; id -u"
    said = podman.run("run", "--rm", "--read-only", "--network", "none", "--entrypoint", "sh", "proof-coordinator", "-c", script)
    assert said.splitlines()[-1] == UID, said
    assert "proof-coordinator 0." in said and "quote-gen 0." in said


def test_the_image_alone_names_every_missing_setting_and_checks_its_own_health(podman):
    run = podman.try_run("run", "--rm", "--read-only", "--network", "none", "proof-coordinator")
    assert run.returncode == 78, run.stderr
    for setting in ["ETHREX_ETH_RPC_URL", "ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS", "L1_PRIVATE_KEY"]:
        assert setting in run.stderr
    sick = podman.try_run("run", "--rm", "--read-only", "--network", "none", "proof-coordinator", "healthcheck")
    assert sick.returncode == 2 and "no answer" in sick.stderr, sick.stderr


def test_batches_are_really_built_and_executed(devnet):
    """A deposit and withdrawals among them; from the genesis that was deployed."""
    said = lambda service: "".join(devnet.podman.try_run("logs", devnet.name(service)).stdout)
    executed = re.findall(r"^Executor: executed blocks (\d+) to (\d+), .* state root (0x\w{64}) to (0x\w{64})$",
                          said("prover"), re.M)
    assert [line[:2] for line in executed[:2]] == [("1", "2"), ("3", "4")], devnet.logs()
    assert f"L2 starts from state root {executed[0][2]}\n" in said("deploy") and executed[0][3] == executed[1][2]
    assert "batch 1: blocks 1..2, 8 transactions, 1 deposits, 1 withdrawals" in said("sequencer"), devnet.logs()


def test_batches_are_verified_and_the_coordinator_is_healthy(devnet):
    health = devnet.podman.try_run("healthcheck", "run", devnet.name("coordinator"))
    assert health.returncode == 0, health.stdout + health.stderr
    assert devnet.inspect("deploy")["State"]["ExitCode"] == 0
    assert devnet.inspect("coordinator")["RestartCount"] == 0


def is_confined(devnet, service):
    status = dict(line.split(":\t", 1) for line in devnet.exec(service, "cat", "/proc/self/status").stdout.splitlines() if ":\t" in line)
    assert status["Uid"].split() == [UID] * 4
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    write = devnet.exec(service, "sh", "-c", "echo x >/usr/local/bin/x")
    assert write.returncode != 0 and "Read-only file system" in write.stderr
    assert devnet.exec(service, "sh", "-c", "echo x >/tmp/x && rm /tmp/x").returncode == 0


@pytest.mark.parametrize("service", SERVICES)
def test_nobody_is_root_or_may_write(devnet, service):
    is_confined(devnet, service)


def test_keys_are_files_of_who_needs_them(devnet):
    modes = devnet.exec("coordinator", "stat", "-c", "%a %u", "/keys/proof-sender.key", "/keys/tdx.key", "/keys/admin.token")
    assert modes.stdout.split("\n")[:3] == [f"600 {UID}"] * 3
    assert devnet.exec("coordinator", "sh", "-c", "echo x >/keys/x").returncode != 0
    assert devnet.exec("prover", "ls", "-A", "/keys").stdout == ""
    for service in SERVICES:
        told = json.dumps(devnet.inspect(service))
        assert not any(key in told for key in KEYS)
    assert not any(key in devnet.logs() for key in KEYS)


def test_it_is_published_on_loopback_alone_and_answers(devnet):
    for service, port, inner in [("coordinator", devnet.port, "3900/tcp"), ("l1", devnet.l1_port, "8545/tcp")]:
        bound = devnet.inspect(service)["NetworkSettings"]["Ports"][inner]
        assert bound == [{"HostIp": "127.0.0.1", "HostPort": str(port)}]
    with socket.create_connection(("127.0.0.1", devnet.port), 10) as s:
        s.sendall(b'"NoSuchMessage"')
        s.shutdown(socket.SHUT_WR)
        s.settimeout(30)
        answer = b"".join(iter(lambda: s.recv(4096), b""))
    assert set(json.loads(answer)) == {"Error"}


def test_sigterm_drains_and_the_data_outlive_it(devnet):
    before = devnet.verified()
    devnet.podman.run("stop", "--time", STOP_SECONDS, devnet.name("coordinator"))
    state = devnet.inspect("coordinator")["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 0), devnet.logs()
    devnet.podman.run("start", devnet.name("coordinator"))
    devnet.wait_verified(before + 2)


def test_every_part_stops_when_told(devnet):
    for service in ["prover", "sequencer", "l1"]:
        devnet.podman.run("stop", "--time", STOP_SECONDS, devnet.name(service))
        code = devnet.inspect(service)["State"]["ExitCode"]
        assert code != 137, f"{service} had to be killed"


# ---- docker/compose.cluster.yaml: three coordinators on one PostgreSQL ----

COORDINATORS = ["coordinator", "coordinator-2", "coordinator-3"]


class Cluster(Devnet):
    file, services = CLUSTER, ["l1", "database", *COORDINATORS, "balancer", "sequencer", "prover"]

    def leaders(self):
        """Which coordinators say that they lead; a dead one says nothing."""
        said = {service: self.exec(service, "proof-coordinator", "metrics").stdout for service in COORDINATORS}
        return [service for service, text in said.items() if re.search(r"^proof_coordinator_leader(\{.*\})? 1$", text, re.M)]

    def wait_leader(self, among, seconds):
        end = time.monotonic() + seconds
        while len(found := [service for service in self.leaders() if service in among]) != 1:
            assert time.monotonic() < end, f"{found} of {among} lead after {seconds} s\n{self.logs()}"
        return found[0]

    def wait_healthy(self, service, seconds=60):
        end = time.monotonic() + seconds
        while self.exec(service, "proof-coordinator", "healthcheck").returncode != 0:
            assert time.monotonic() < end, f"{service} is not healthy after {seconds} s\n{self.logs()}"
            time.sleep(0.5)


@pytest.fixture(scope="module")
def cluster(podman):
    for target in ("database", "balancer"):
        build_image(podman, target, f"proof-coordinator-{target}")
    cluster = Cluster(podman)
    cluster.project = f"cluster{os.getpid()}"
    try:
        with measured("cluster: up until batch 2 is verified"):
            cluster.compose("up", "-d", "--no-build")
            cluster.wait_verified(2)
        yield cluster
    finally:
        cluster.compose("down", "--volumes", "--timeout", "15")


@pytest.mark.parametrize("service", Cluster.services)
def test_nobody_of_a_cluster_is_root_or_may_write(cluster, service):
    is_confined(cluster, service)


def test_the_database_is_reached_by_tls_and_its_password_is_shown_nowhere(cluster):
    password = cluster.exec("database", "cat", "/keys/store.password").stdout.strip()
    assert re.fullmatch(r"[0-9a-f]{48}", password)
    clients = cluster.exec("database", "sh", "-c", "PGPASSWORD=$(cat /keys/store.password) psql -At -h /tmp -U coordinator proofs -c "
                           "\"select distinct usesuper, ssl from pg_stat_ssl join pg_stat_activity using (pid) "
                           "join pg_user using (usename) where client_addr is not null\"")
    assert clients.stdout.split() == ["f|t"], clients.stdout + clients.stderr
    told = "".join(json.dumps(cluster.inspect(service)) for service in cluster.services)
    assert password not in told + cluster.logs()


def test_another_leads_when_the_leader_is_killed(cluster):
    """And when it is there again, when the database goes and comes, and when each is replaced in turn."""
    for service in COORDINATORS:
        cluster.wait_healthy(service)
    leader = cluster.wait_leader(COORDINATORS, 10)
    before = cluster.verified()
    cluster.podman.run("kill", "--signal", "KILL", cluster.name(leader))
    killed = time.monotonic()
    following = [service for service in COORDINATORS if service != leader]
    second = cluster.wait_leader(following, 10)
    print(f"cluster: {second} leads {time.monotonic() - killed:.1f} s after {leader} was killed")
    cluster.wait_verified(before + 3)
    cluster.podman.run("start", cluster.name(leader))
    cluster.wait_healthy(leader)
    assert cluster.wait_leader(COORDINATORS, 10) == second

    before = cluster.verified()
    cluster.podman.run("restart", "--time", "20", cluster.name("database"))
    cluster.wait_leader(COORDINATORS, 30)
    cluster.wait_verified(before + 3)

    for service in COORDINATORS:
        before = cluster.verified()
        cluster.podman.run("restart", "--time", STOP_SECONDS, cluster.name(service))
        cluster.wait_healthy(service)
        cluster.wait_verified(before + 1)
    cluster.wait_leader(COORDINATORS, 10)


# ---- docker/compose.ethrex.yaml, over a base with ethrex's names ----

BESIDE = REPO / "tests" / "scenario" / "ethrex-compose"
COORDINATOR_KEYS = {"ETHREX_PROOF_COORDINATOR_L1_PRIVATE_KEY": f"0x{KEYS[0]}",
                    "ETHREX_PROOF_COORDINATOR_TDX_PRIVATE_KEY": f"0x{KEYS[1]}"}


@pytest.fixture(scope="module")
def standins(podman):
    """The image behind the base's services: programs of this machine's build, which is the image's Debian."""
    if not upstream.PROGRAM.exists():
        pytest.skip(f"SKIPPED: {upstream.PROGRAM} is not built (scripts/build-rust)")
    context = podman.home / "ethrex-compose"
    shutil.copytree(BESIDE, context)
    (context / "programs").mkdir()
    for program in [upstream.PROGRAM, process.program("tests", "software-qe", "software-qe")]:
        shutil.copy(program, context / "programs")
    with measured("image of the stand-ins"):
        podman.run("build", "--isolation", "chroot", "--network", "host", "--pull-never", "--format", "docker",
                   "-f", str(context / "Containerfile"), "-t", "ethrex-standin", str(context), timeout=600)


class Beside(Devnet):
    """ethrex's compose (its stand-in) with our overlay; its services are containers of their own names."""

    def __init__(self, podman, **settings):
        super().__init__(podman)
        self.moved_port = l1.free_port()
        self.env = {**podman.env, "TEST_L1_PORT": str(self.l1_port), "TEST_MOVED_PORT": str(self.moved_port),
                    "PROOF_COORDINATOR_ADDRESS_FOR_PROVERS": "127.0.0.1",
                    "PROOF_COORDINATOR_PORT_FOR_PROVERS": str(self.port), "ETHREX_L2_TDX": "true",
                    **COORDINATOR_KEYS, **settings}

    def compose(self, *args, flags=()):
        files = ["-f", BESIDE / "docker-compose.yaml", "-f", OVERLAY, "-p", self.project]
        done = subprocess.run(["podman-compose", *flags, *files, *args], env=self.env, capture_output=True, text=True,
                              timeout=300)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return done.stdout + done.stderr

    def name(self, service):
        return service

    def logs(self):
        said = []
        for service in ["contract_deployer", "ethrex_l1", "ethrex_l2", "proof_coordinator", "ethrex_prover"]:
            done = self.podman.try_run("logs", "--tail", "25", self.name(service))
            said.append(f"== {service}\n{done.stdout}{done.stderr}")
        said.append(f"== what failed in ethrex_l2\n{self.journal('l1_failed', 'verify_refused', 'failed')[-5:]}")
        return "\n".join(said)

    def verified(self):
        done = self.exec("proof_coordinator", "sed", "-n", "s/^ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS=//p", "/env/.env")
        if done.returncode != 0 or not done.stdout.strip():
            return 0
        return int(l1.cast("call", done.stdout.strip(), "lastVerifiedBatch()(uint256)",
                           "--rpc-url", f"http://127.0.0.1:{self.l1_port}").split()[0])

    def journal(self, *events):
        lines = self.exec("ethrex_l2", "cat", "/tmp/upstream/journal.jsonl").stdout.splitlines()
        return [line for line in map(json.loads, lines) if line["event"] in events]

    @contextlib.contextmanager
    def up(self):
        try:
            self.compose("up", "-d", "--no-build")
            yield self
        finally:
            self.compose("down", "--volumes", "--timeout", "15")


def test_the_overlay_moves_ethrexs_coordinator_and_publishes_ours_where_guests_dial(podman, shown):
    """As the files are, without anything set."""
    beside = Beside(podman)
    for name in ["PROOF_COORDINATOR_ADDRESS_FOR_PROVERS", "PROOF_COORDINATOR_PORT_FOR_PROVERS", *COORDINATOR_KEYS]:
        del beside.env[name]
    merged = beside.compose("up", "-d", "--no-build", flags=["--dry-run"])
    runs = dict(re.findall(r"^podman run --name=(\S+) (.*)$", merged, re.M))
    assert "-e ETHREX_PROOF_COORDINATOR_LISTEN_PORT=3901 " in runs["ethrex_l2"]
    assert "-p 172.17.0.1:3900:3900 " in runs["proof_coordinator"] and ":/env:ro " in runs["proof_coordinator"]
    assert "-e ETHREX_PROOF_COORDINATOR_UPSTREAM=tcp://ethrex_l2:3901 " in runs["proof_coordinator"]
    assert runs["ethrex_prover"].endswith("l2 prover --backend exec --proof-coordinators tcp://proof_coordinator:3900")
    beside.compose("down", "--volumes")
    shown("ethrex's compose with our overlay: its coordinator moves to 3901, ours is published at 172.17.0.1:3900")


def test_beside_ethrex_in_development(podman, standins, shown):
    with Beside(podman, ETHREX_TDX_DEV_MODE="true").up() as beside, measured(
            "ethrex's compose with our overlay, development mode: batches verified, across restarts of both coordinators", shown):
        beside.wait_verified(3)
        given, received = beside.journal("gave"), beside.journal("received", "setup")
        assert {1, 2, 3} <= {e["batch"] for e in given} and received == []
        bound = beside.inspect("proof_coordinator")["NetworkSettings"]["Ports"]["3900/tcp"]
        assert bound == [{"HostIp": "127.0.0.1", "HostPort": str(beside.port)}]
        health = beside.podman.try_run("healthcheck", "run", "proof_coordinator")
        assert health.returncode == 0, health.stdout + health.stderr
        # ethrex's part away and back, and ours: the verifying goes on.
        before = beside.verified()
        beside.podman.run("restart", "--time", "1", "ethrex_l2")
        beside.podman.run("restart", "--time", STOP_SECONDS, "proof_coordinator")
        beside.wait_verified(before + 3)


def test_beside_ethrex_in_production(podman, standins, shown):
    """A quote that is verified, collateral that is uploaded, keys in files, and ethrex's sender that sends."""
    keys = podman.home / "keys"
    keys.mkdir(mode=0o700)
    for name, key in [("l1.key", KEYS[0]), ("tdx.key", KEYS[1])]:
        (keys / name).write_text(f"0x{key}\n")
        (keys / name).chmod(0o600)
        os.chown(keys / name, int(UID), int(UID))
    os.chown(keys, int(UID), int(UID))
    settings = podman.home / "production.env"
    settings.write_text("ETHREX_PROOF_COORDINATOR_TDX_PRIVATE_KEY_FILE=/keys/tdx.key\n"
                        "ETHREX_PROOF_COORDINATOR_COLLATERAL_SOURCES=dir:/env/pki\n"
                        "ETHREX_PROOF_COORDINATOR_DCAP_ROOT_FILE=/env/pki/root_ca.pem\n")
    production = {name: "" for name in COORDINATOR_KEYS} | {
        "PROOF_COORDINATOR_KEYS": str(keys), "PROOF_COORDINATOR_ENV_FILE": str(settings),
        "ETHREX_PROOF_COORDINATOR_SUBMIT": "upstream", "TEST_SENDS": "true"}
    with Beside(podman, **production).up() as beside, measured(
            "ethrex's compose with our overlay, production mode: batches 1 to 3 verified by its sender", shown):
        beside.wait_verified(3)
        received = beside.journal("received")
        assert {1, 2, 3} <= {e["batch"] for e in received} and all(e["kept"] for e in received)
        assert beside.journal("setup", "deleted") == []
        said = beside.podman.run("logs", "proof_coordinator")
        told = json.dumps(beside.inspect("proof_coordinator"))
        assert not any(key in told + said for key in KEYS)
