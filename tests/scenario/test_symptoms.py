"""Each symptom is provoked, and the words that lead to its remedy are where symptoms.py says: in the log, in `status`, and in
what the page shows."""

import json
import re
import resource
import shutil
import socket
import ssl
import subprocess
import threading
import time

import pytest

from endpoint import Endpoint
from l1 import cast
from process import program
from symptoms import PAGE, SYMPTOMS, pattern
from world import L1_KEY, Key, free_port, until

TRIED = set()


def says(c, name):
    symptom = SYMPTOMS[name]
    if symptom.event:
        begin = time.monotonic()
        c.saw(rf"event={symptom.event} .*{pattern(symptom.log)}")
        print(f"{name}: logged {time.monotonic() - begin:.1f} s after it was looked for")
    if symptom.status == PAGE:
        until(f"the page says: {symptom.log}", lambda: re.search(pattern(symptom.log), c.admin("GET", "/api/v1/overview")[1]))
    elif symptom.status:
        words = pattern(symptom.status)
        until(f"status says: {symptom.status}", lambda: re.search(words, c.verb("status").stdout), 30)
        overview = c.admin("GET", "/api/v1/overview")[1]
        if name != "gas_runs_out":  # the page has the numbers, and words of its own
            assert re.search(words, json.dumps(json.loads(overview), ensure_ascii=False).replace('\\"', '"')), overview
    TRIED.add(name)


def test_no_prover(world):
    c = world.coordinator().start()
    world.feed(c, 1)
    says(c, "no_prover")


def test_wrong_measurement(new_world):
    world = new_world("dcap")
    pccs, qe = world.pccs(), world.software_qe("--rtmr1", "77" * 48)
    c = world.coordinator(COLLATERAL_SOURCES=f"pccs+{pccs.url}", DCAP_ROOT_FILE=world.pki() / "root_ca.pem").start()
    c.saw("event=l1_read")
    answer = c.setup(qe.quote(Key().payload))
    assert "RTMR1" in answer["Error"]["message"]
    says(c, "wrong_measurement")


def test_expired_collateral(new_world):
    world = new_world("dcap")
    world.pki("--expired", "tcb_info")
    pccs, qe = world.pccs(), world.software_qe()
    c = world.coordinator(COLLATERAL_SOURCES=f"pccs+{pccs.url}", DCAP_ROOT_FILE=world.pki() / "root_ca.pem").start()
    c.saw("event=l1_read")
    assert c.setup(qe.quote(Key().payload)) is not True
    says(c, "expired_collateral")


def test_rpc_down(world):
    port = free_port()
    begin = time.monotonic()
    c = world.coordinator(ETHREX_ETH_RPC_URL=f"http://127.0.0.1:{port}", RPC_TIMEOUT=10000).start()
    says(c, "rpc_down")
    assert time.monotonic() - begin < 4  # of them 2 for the start, and for `status`
    ready, failed = (c.saw(rf"^ts=\S+:(\d+\.\d+)Z \S+ event={e}\b")[1] for e in ("ready", "endpoint_failed"))
    assert (float(failed) - float(ready)) % 60 < 2
    node = Endpoint(world.l1, port)
    c.saw("event=l1_read")  # and when it is over
    until("next goes on", lambda: not c.status()["l1"]["next"].startswith("L1 is not read"))
    node.close()


def test_wrong_chain(world):
    c = world.coordinator(L1_CHAIN_ID=5, RPC_TIMEOUT=10000).start()
    says(c, "wrong_chain")


def test_no_json_rpc(world):
    node = Endpoint(world.l1)
    node.answer = lambda body: (501, b"")
    c = world.coordinator(ETHREX_ETH_RPC_URL=node.url, RPC_TIMEOUT=10000).start()
    says(c, "no_json_rpc")
    node.close()


@pytest.mark.parametrize("name, status, body", [("web_page", 200, b"<html><body>It works!</body></html>"),
                                                ("too_many_requests", 429, b'{"error":"slow down"}')])
def test_something_else_than_l1(world, name, status, body):
    node = Endpoint(world.l1)
    node.answer = lambda _: (status, body)
    c = world.coordinator(ETHREX_ETH_RPC_URL=node.url, RPC_TIMEOUT=10000).start()
    says(c, name)
    text = c.verb("status").stdout
    assert "chain not known yet" in text and re.search("^needs +not known yet", text, re.M), text
    node.close()


@pytest.mark.parametrize("name, status", [("tls_wanted", 400), ("key_of_l1_refused", 401), ("key_of_l1_refused", 403), ("node_behind_down", 503)])
def test_statuses_that_say_what_is_wrong(world, name, status):
    node = Endpoint(world.l1)
    node.answer = lambda _: (status, b"Client sent an HTTP request to an HTTPS server.")
    c = world.coordinator(ETHREX_ETH_RPC_URL=node.url, RPC_TIMEOUT=10000).start()
    says(c, name)
    node.close()


def test_a_name_that_is_nowhere(world):
    # Too long for a name: no DNS is asked, which a machine may not have.
    c = world.coordinator(ETHREX_ETH_RPC_URL=f"http://{64 * 'a'}.invalid:8545", RPC_TIMEOUT=10000).start()
    says(c, "no_name")


def test_tls_where_there_is_none(world):
    c = world.coordinator(ETHREX_ETH_RPC_URL=world.l1.url.replace("http:", "https:"), RPC_TIMEOUT=10000).start()
    says(c, "no_tls")


def test_a_certificate_that_nobody_trusts(world):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "certificate.pem", "-days", "3",
                    "-subj", "/CN=localhost"], cwd=world.dir, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(world.dir / "certificate.pem", world.dir / "key.pem")
    node = Endpoint(world.l1)
    node.server.socket = context.wrap_socket(node.server.socket, server_side=True)
    c = world.coordinator(ETHREX_ETH_RPC_URL=node.url.replace("http:", "https:"), RPC_TIMEOUT=10000).start()
    says(c, "tls_not_trusted")
    node.close()


def test_provers_are_no_l1(world):
    """A port of this very daemon, which answers, but not in HTTP."""
    c = world.coordinator(RPC_TIMEOUT=10000)
    c.change(ETHREX_ETH_RPC_URL=f"http://127.0.0.1:{c.port}")
    c.start()
    says(c, "no_http")


def test_a_contract_of_another_kind(world):
    c = world.coordinator(ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS=world.timelock).start(ready=False)
    says(c, "another_contract")
    assert world.timelock.lower() in c.told("contract_of_another_kind")[0]["reason"].lower() and c.process.wait(30) == 78


def test_a_contract_that_is_paused(world):
    c = world.coordinator().start()
    owner = cast("call", "--rpc-url", world.l1.url, world.proposer, "owner()(address)")
    world.l1.rpc("anvil_impersonateAccount", owner)
    world.l1.rpc("anvil_setBalance", owner, hex(10**18))
    cast("send", "--rpc-url", world.l1.url, "--unlocked", "--from", owner, world.proposer, "pause()")
    c.enroll(Key())
    says(c, "paused")


def test_a_key_of_somebody_else(world):
    c = world.coordinator(L1_PRIVATE_KEY_FILE=world.secret("other.key", "0x" + "17" * 32)).start()
    says(c, "no_role")


def test_ports_that_are_taken(world):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        for i, settings in enumerate(({"LISTEN_PORT": port}, {"ADMIN_LISTEN": f"127.0.0.1:{port}"},
                                      {"METRICS_ADDRESS": "127.0.0.1", "METRICS_PORT": port})):
            c = world.coordinator(name=f"c{i}", **settings).start(ready=False)
            says(c, "port_taken")
            named = list(settings)[-1]
            assert re.search(rf"or set \S*.*{named}", c.told("start_failed")[0]["reason"]) and c.process.wait(30) == 1


def test_an_address_of_another_machine(world):
    c = world.coordinator(LISTEN_ADDRESS="203.0.113.7").start(ready=False)
    says(c, "not_our_address")


def test_a_contract_without_code(world):
    c = world.coordinator(ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS="0x" + "34" * 20, RPC_TIMEOUT=10000).start()
    says(c, "no_code")


def test_the_clock_is_wrong(world):
    c = world.coordinator()
    c.clock_off(7200)
    c.start()
    says(c, "head_far")


def test_fees_are_high(world):
    c, key = world.coordinator(ETHREX_MAXIMUM_ALLOWED_MAX_FEE_PER_GAS=1000).start(), Key()
    c.saw("event=l1_read")
    with c.connect() as s:  # its answer waits for the registration
        s.sendall(json.dumps({"ProverSetup": {"prover_type": "TDX", "payload": list(key.payload)}}).encode())
        says(c, "fees_high")


def test_the_disk_is_nearly_full(world):
    if shutil.disk_usage(world.dir).free > 2**40:
        TRIED.add("disk_floor")
        pytest.skip("SKIPPED: the disk has more room than the largest floor is")
    c = world.coordinator(DISK_FLOOR_BYTES=2**40).start()
    c.saw("event=l1_read")
    assert c.put(1, world.batch(1)["input"])[0] == 507
    says(c, "disk_floor")


def start_with_its_log_in_a_pipe(c):
    """So that what limits the files of its own does not limit that."""
    c.process = subprocess.Popen([program("coordinator", "proof-coordinator"), "run"], env=c.env(), stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, restore_signals=False)

    def keep():
        with open(c.log_path, "ab") as log:
            for line in c.process.stdout:
                log.write(line)
                log.flush()
    threading.Thread(target=keep, daemon=True).start()
    c.saw(r"event=ready\b")


def test_the_disk_is_full(world):
    """As a full one does it lets no file grow."""
    c, key = world.coordinator(), Key()
    start_with_its_log_in_a_pipe(c)
    c.enroll(key)
    world.feed(c, 1)
    until("a grant", lambda: c.request()[0] == 1)
    _, usual = resource.prlimit(c.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(c.process.pid, resource.RLIMIT_FSIZE, (0, usual))
    assert c.submit(1, world.proof(key, 1))["Error"]["code"] == "try_again"
    says(c, "disk_full")
    resource.prlimit(c.process.pid, resource.RLIMIT_FSIZE, (usual, usual))
    assert c.submit(1, world.proof(key, 1)) is True
    until("next goes on", lambda: not c.status()["l1"]["next"].startswith("nothing can be stored"))
    world.until_verified(1)


def test_gas_runs_out_and_is_out(world):
    address = cast("wallet", "address", "--private-key", L1_KEY)
    world.l1.rpc("anvil_setBalance", address, hex(10**16))
    c = world.coordinator().start()
    says(c, "gas_runs_out")
    assert address in c.told("funds_low")[0]["address"]
    world.l1.rpc("anvil_setBalance", address, "0x1")
    c.stop()
    c.start()
    key = Key()
    c.enroll(key)
    world.feed(c, 1)
    assert world.prove(c, key) == 1
    says(c, "out_of_gas")


def test_behind_a_lease(world):
    c = world.coordinator(PROVER_TIMEOUT=600000).start()
    world.feed(c, 1)
    until("a grant", lambda: c.request()[0] == 1)
    says(c, "leased")


def test_a_silent_key(world):
    c, active, standby = world.coordinator().start(), Key(), Key()
    c.enroll(active)
    world.feed(c, 1)
    assert world.prove(c, active) == 1
    world.until_verified(1)
    c.enroll(standby)
    world.feed(c, 3)
    assert world.prove(c, standby) == 2
    says(c, "silent_key")
    assert f"promote {standby.address}".lower() in c.status()["l1"]["next"].lower()
    assert c.verb("promote", standby.address).returncode == 0
    world.until_verified(2)


def test_wrong_commit_hash(world):
    c = world.coordinator().start()
    world.feed(c, 1)
    until("it is told", lambda: c.request(commit_hash="abcdef1")[0] is None and c.events("version_mismatch"))
    says(c, "wrong_commit_hash")


def test_behind_nat(world):
    c = world.coordinator(MAX_CONNECTIONS_PER_SOURCE=1).start()
    with c.connect():
        until("the first is served", lambda: c.metric("connections") == 1)
        c.connect().close()
        says(c, "behind_nat")


def test_dev_and_production_mixed_up(world):
    c = world.coordinator(ETHREX_TDX_DEV_MODE="false").start()
    c.saw("event=l1_read")
    assert c.setup(Key().payload) is not True
    says(c, "dev_contract")
    assert c.setup(bytes([4, 0, 2, 0]) + bytes(5000)) is not True
    says(c, "dev_contract_real_quote")


def test_production_and_dev_mixed_up(new_world):
    c = new_world("production").coordinator(ETHREX_TDX_DEV_MODE="true").start()
    c.saw("event=l1_read")
    assert c.setup(Key().payload) is not True
    says(c, "production_contract")


def test_somebody_else_has_the_nonce(world):
    address = cast("wallet", "address", "--private-key", L1_KEY)
    c, key = world.coordinator().start(), Key()
    c.enroll(key)
    world.feed(c, 1)
    until("committed", lambda: c.metric("last_committed_batch") == 1)
    world.l1.rpc("evm_setAutomine", False)
    world.l1.rpc("evm_setIntervalMining", 0)
    cast("send", "--rpc-url", world.l1.url, "--private-key", L1_KEY, "--nonce", "0", "--async", "--value", "1", address)
    assert world.prove(c, key) == 1
    says(c, "nonce_taken")


@pytest.mark.parametrize("name, setting", [("timelock_wrong", "0x" + "12" * 20), ("timelock_omitted", None)])
def test_the_timelock(world, name, setting):
    c = world.coordinator(ETHREX_TIMELOCK_ADDRESS=setting).start()
    says(c, name)


# ---- several coordinators on one database ----

def leading(cluster):
    return until("one leads", lambda: next((c for c in cluster if c.alive and c.metric("leader") == 1), None))


def test_another_leads_and_the_database_goes(world):
    cluster = world.cluster(2).start()
    leader = leading(cluster)
    (other,) = cluster.others(leader)
    says(other, "another_leads")
    cluster.cut(other)
    says(other, "database_unreachable")
    cluster.heal()
    says(other, "another_leads")


def test_nobody_leads(world):
    cluster = world.cluster(2).start()
    leader = leading(cluster)
    with cluster.led_by_nobody():
        cluster.cut(leader)
        leader.saw("event=leads_no_more")
        time.sleep(1)
        cluster.heal()
        says(leader, "no_leader")
    leading(cluster)


def test_one_is_gone(world):
    cluster = world.cluster(3).start()
    leader = leading(cluster)
    other, third = cluster.others(leader)
    until("they are seen", lambda: leader.metric("cluster_instances") == 3)
    assert third.stop() == 0  # which is no loss
    until("it is missed by nobody", lambda: leader.metric("cluster_instances") == 2)
    other.kill()
    cluster.server.sql(f"UPDATE instance SET seen = seen - interval '61 seconds' WHERE name = '{other.name}'")
    says(leader, "coordinator_gone")


def test_a_clock_is_off(world):
    cluster = world.cluster(2)
    cluster[1].clock_off(5)
    cluster.start()
    says(cluster[1], "clock_off")


def test_the_settings_of_one_differ(world):
    cluster = world.cluster(2)
    cluster[1].change(COMMIT_HASH_PATTERN="^[0-9a-f]{7}$")
    cluster.start()
    says(cluster[0], "settings_differ")


def test_two_of_one_name(world):
    cluster = world.cluster(2)
    cluster[0].start()
    cluster[1].change(INSTANCE=cluster[0].name)
    cluster[1].start(ready=False)
    says(cluster[1], "same_name")


def test_a_database_that_is_set_up_otherwise(world):
    cluster = world.cluster(1).start()
    assert cluster[0].stop() == 0
    cluster.server.sql("ALTER TABLE proof OWNER TO postgres")
    cluster[0].start(ready=False)
    says(cluster[0], "database_unfit")


def test_the_database_went_back(world):
    cluster = world.cluster(1).start()
    leader = leading(cluster)
    leader.saw("event=l1_read")
    cluster.cut(leader)
    cluster.server.sql("UPDATE mark SET mark = mark + 1")
    cluster.heal()
    says(leader, "database_went_back")
    assert leader.process.wait(30) == 1


def test_each_symptom_was_tried(request):
    """After the others."""
    tests = {item.originalname for item in request.session.items if item.module.__name__ == __name__}
    if tests != {name for name in globals() if name.startswith("test_")}:
        pytest.skip("only some of the symptoms' tests were asked for")
    assert set(SYMPTOMS) == TRIED
