"""Each alert fires on what the daemon itself exports in the state that the alert is for, and the others do not.

A daemon is put into the state, its /metrics are captured, and promtool evaluates the rules over time on these series:
as they stood, or, of two captures, with what happened between them happening again each minute."""

import json
import pathlib
import re
import shutil
import socket
import subprocess
import time

import pytest

from l1 import REPO, cast
from world import L1_KEY, Key, free_port, until

yaml = pytest.importorskip("yaml", reason="SKIPPED: the alerts are not tried: python3-yaml is missing")
pytestmark = pytest.mark.skipif(not shutil.which("promtool"), reason="SKIPPED: promtool is missing (Debian's prometheus)")
RULES = REPO / "config" / "alerts.yaml"
DAY = 24 * 60  # minutes
TRIED = set()
FIRED = []  # (series, minutes, alerts) of each


def started(c):
    """It runs and has read L1: without that an alert of its own would come."""
    c.start()
    until("L1 is read", lambda: c.metric("l1_readable") == 1)
    return c


def capture(c, instance="127.0.0.1:3903"):
    """{series: its value as text}"""
    status, text = c.admin("GET", "/metrics")
    assert status == 200
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    found = {labelled(name, instance): value for name, value in lines}
    assert len(found) == len(lines) > 100
    return found


def capture_all(cluster):
    return {name: value for c in cluster if c.alive for name, value in capture(c, f"{c.name}:3903").items()}


def labelled(series, instance="127.0.0.1:3903"):
    """As Prometheus keeps it: with the target that it was read from."""
    name, _, labels = series.rstrip("}").partition("{")
    return f'{name}{{{labels + "," if labels else ""}instance="{instance}",job="proof-coordinator"}}'


def still(*phases):
    """Of (capture, minutes): that long each, one after the other."""
    series = {name for captured, _ in phases for name in captured}
    return {name: " ".join(f"{captured[name]}+0x{minutes - 1}" if name in captured else f"_x{minutes}"
                           for captured, minutes in phases) for name in series}


def rising(first, second, minutes):
    """What went up or down between the two does so each minute; but an age or what is left of a time stays as it is."""
    def step(name):
        if "_seconds{" in name:
            return f"{second[name]}+0x{minutes}"
        by = float(second[name]) - float(first.get(name, second[name]))
        return f"{first.get(name, second[name])}{'+' if by >= 0 else '-'}{abs(by):f}x{minutes}"
    return {name: step(name) for name in second}


def fires(directory, series, minutes, *alerts):
    """These alerts are firing after so many minutes, and no other is."""
    names = ["ProofCoordinator" + a for a in alerts]
    test = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [{
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{
            "expr": 'count by (alertname) (ALERTS{alertstate="firing"})', "eval_time": f"{minutes}m",
            "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in names]}]}]}
    path = pathlib.Path(directory) / "alerts-test.yaml"
    path.write_text(json.dumps(test))  # which is YAML
    done = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    TRIED.update(names)
    if names:
        FIRED.append((series, minutes, names))


def says(directory, series, minutes, alert, summary, **labels):
    """What an operator reads of an alert that fires, with its values."""
    rule = next(r for g in yaml.safe_load(RULES.read_text())["groups"] for r in g["rules"] if r["alert"] == "ProofCoordinator" + alert)
    test = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [{
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": f"{minutes}m", "alertname": rule["alert"], "exp_alerts": [{
            "exp_labels": {"instance": "127.0.0.1:3903", "job": "proof-coordinator", **rule["labels"], **labels},
            "exp_annotations": {**rule["annotations"], "summary": summary}}]}]}]}
    path = pathlib.Path(directory) / "words-test.yaml"
    path.write_text(json.dumps(test))
    done = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def values_of(text):
    """As promtool expands them: one value a minute, None where there is none."""
    found = []
    for word in text.split():
        blank = re.fullmatch(r"_x(\d+)", word)
        begin, by, times = (None, None, None) if blank else re.fullmatch(r"([^x]+?)(?:([+-][\d.]+)x(\d+))?", word).groups()
        found += [None] * int(blank[1]) if blank else [float(begin) + i * float(by or 0) for i in range(int(times or 0) + 1)]
    return found


def resolves(directory, series, minutes, names, healthy):
    """The daemon is well from then on: nothing fires any more, as soon as what the rules look back over is past."""
    rules = [r for g in yaml.safe_load(RULES.read_text())["groups"] for r in g["rules"] if r["alert"] in names]
    later = DAY + 10 if any("[1d]" in r["expr"] for r in rules) else 130
    spans = {name: values_of(text)[:minutes + 1] for name, text in series.items()}
    for name in spans.keys() | healthy.keys():
        before = spans.get(name, []) + [None] * (minutes + 1 - len(spans.get(name, [])))
        after = [f"{healthy[name]}+0x{later}"] if name in healthy else ["stale"]
        spans[name] = " ".join(["_" if value is None else f"{value:f}" for value in before] + after)
    test = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [{
        "interval": "1m", "input_series": [{"series": name, "values": values} for name, values in spans.items()],
        "promql_expr_test": [{"expr": 'ALERTS{alertstate="firing"}', "eval_time": f"{minutes + later}m", "exp_samples": []}]}]}
    path = pathlib.Path(directory) / "resolves-test.yaml"
    path.write_text(json.dumps(test))
    done = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def with_one_verified(world, fed):
    """A coordinator that has verified the first of these batches, and its prover's key."""
    c, key = world.coordinator().start(), Key()
    c.enroll(key)
    world.feed(c, fed)
    assert world.prove(c, key) == 1
    until("verified", lambda: c.metric("last_verified_batch") == 1)
    return c, key


def test_a_healthy_coordinator_raises_none(world):
    c, key = with_one_verified(world, 2)
    first = capture(c)
    assert world.prove(c, key) == 2
    until("verified", lambda: c.metric("last_verified_batch") == 2)
    fires(world.dir, rising(first, capture(c), 90), 90)


def test_no_prover(world):
    c = world.coordinator().start()
    world.feed(c, 2)
    until("two batches want proofs", lambda: c.metric('batches_wanting{type="TDX"}') == 2 and c.metric("last_committed_batch") == 2)
    series = still((capture(c), 120))
    fires(world.dir, series, 10)
    fires(world.dir, series, 40, "NoProver")
    fires(world.dir, series, 90, "NoProver", "VerificationStalls")


def test_version_mismatch(world):
    c = world.coordinator().start()
    world.put(c, 1, 1)
    until("the needed types", lambda: c.metric('batches_wanting{type="TDX"}') == 1)
    first = capture(c)
    assert c.request(commit_hash="abcdef1")[0] is None
    second = capture(c)
    # Nobody proves meanwhile: that is said as well.
    fires(world.dir, rising(first, second, 60), 40, "NoProver", "VersionMismatch")
    assert c.request()[0] == 1  # one that is given a batch is enough to know that versions fit
    fires(world.dir, rising(second, capture(c), 60), 40)


def test_down(world):
    c = started(world.coordinator())
    fires(world.dir, still((capture(c), 5), ({}, 20)), 20, "Down")
    with c.connect() as s:
        s.sendall(b'{"InputRequest":')
        until("the message has begun", lambda: c.metric("buffered_bytes") > 0)
        c.signal(15)
        until("draining", lambda: c.metric("up") == 0)
        fires(world.dir, still((capture(c), 20)), 10, "Down")


def test_restarts(world):
    c, phases = world.coordinator(), []
    for _ in range(4):
        started(c)
        phases.append((capture(c), 5))
        c.stop()
    fires(world.dir, still(*phases), 19, "Restarts")


def test_l1_and_upstream_unreadable(world):
    c = world.coordinator(ETHREX_ETH_RPC_URL=f"http://127.0.0.1:{free_port()}", UPSTREAM=f"tcp://127.0.0.1:{free_port()}").start()
    c.saw("event=l1_unreadable")
    c.saw("event=upstream_down")
    fires(world.dir, still((capture(c), 20)), 10, "L1Unreadable", "UpstreamDown")


def test_the_head_is_far(world):
    c = world.coordinator()
    c.clock_off(7200)
    c.start()
    c.saw("event=l1_read")
    fires(world.dir, still((capture(c), 20)), 10, "L1HeadFar")


def test_funds_low_names_address_and_balance(world):
    address = cast("wallet", "address", "--private-key", L1_KEY)
    world.l1.rpc("anvil_setBalance", address, hex(31 * 10**12))
    c = world.coordinator().start()
    c.saw("event=funds_low key=verify")
    series = still((capture(c), 10))
    fires(world.dir, series, 5, "FundsLow")
    says(world.dir, series, 5, "FundsLow", f"{address} (verify) has 0.000031 ETH left to pay gas with.", address=address, key="verify")
    assert [s for s in series if s.startswith("proof_coordinator_account_balance_wei{") and f'address="{address}"' in s]


def test_falls_behind(world):
    c = world.coordinator().start()
    world.commit(1, 22)
    until("committed", lambda: c.metric("last_committed_batch") == 22)
    first = capture(c)
    world.commit(23, 23)
    until("committed", lambda: c.metric("last_committed_batch") == 23)
    fires(world.dir, rising(first, capture(c), 60), 45, "FallsBehind")


def test_evidence_expires(new_world):
    world = new_world("dcap")
    world.pki("--valid", str(3 * 86400))
    pccs, qe = world.pccs(), world.software_qe()
    c = world.coordinator(COLLATERAL_SOURCES=f"pccs+{pccs.url}", DCAP_ROOT_FILE=world.pki() / "root_ca.pem", ONCHAIN_MARGIN=0).start()
    c.saw("event=l1_read")
    assert c.setup(qe.quote(Key().payload)) is True
    assert 0 < c.metric("evidence_expires_seconds") < 3 * 86400 + 60
    fires(world.dir, still((capture(c), 120)), 90, "EvidenceExpires")


def test_quote_unfit(new_world):
    world = new_world("dcap-standard")
    pccs, qe = world.pccs(), world.software_qe()
    c = world.coordinator(COLLATERAL_SOURCES=f"pccs+{pccs.url}", DCAP_ROOT_FILE=world.pki() / "root_ca.pem", MAX_CLOCK_SKEW=0).start()
    c.saw("event=l1_read")
    assert c.setup(qe.quote(Key().payload)) is True
    first = capture(c)
    world.pki("--tcb-status", "OutOfDate", "--evaluation", "18", "--age", "10")
    assert c.verb("collateral", "refresh").returncode == 0
    c.saw(r"event=quote_unfit .*OutOfDate")
    fires(world.dir, still((first, 10), (capture(c), 20)), 15, "QuoteUnfit")


def test_bad_proofs(world):
    c = world.coordinator().start()
    c.enroll(Key())
    world.put(c, 1, 1)
    assert c.submit(1, b"too short") is True
    first = capture(c)
    world.commit(1, 1)
    c.saw("event=proof_set_aside batch=1 ")
    fires(world.dir, still((first, 5), (capture(c), 10)), 8, "BadProofs")


def test_registrations_take_too_much_gas(world):
    c = world.coordinator(PROVER_SILENCE=1000).start()
    first = capture(c)
    c.enroll(Key())
    until("a registration's gas", lambda: c.metric('gas_used_total{kind="register"}') > 20000)
    fires(world.dir, rising(first, capture(c), DAY), DAY, "RegisterGas")


def test_connections_are_refused(world):
    c = started(world.coordinator(MAX_CONNECTIONS_PER_SOURCE=1))
    first = capture(c)
    with c.connect():
        until("the first is served", lambda: c.metric("connections") == 1)
        for _ in range(70):
            socket.create_connection(("127.0.0.1", c.port), 10).close()
        until("70 are refused", lambda: c.metric('connections_refused_total{reason="source"}') >= 70)
        fires(world.dir, rising(first, capture(c), 30), 25, "RefusesConnections")


def test_the_store_fails(world):
    c = world.coordinator().start()
    world.put(c, 1, 1)
    until("the needed types", lambda: c.metric('batches_wanting{type="TDX"}') == 1)
    first = capture(c)
    (c.data / "store.db").rename(c.data / "elsewhere.db")
    assert c.submit(1, b"x" * 65) is not True
    until("a refusal", lambda: c.metric("store_failures_total") > 0)
    second = capture(c)
    (c.data / "elsewhere.db").rename(c.data / "store.db")
    fires(world.dir, still((first, 5), (second, 10)), 8, "StoreFails")
    # A full queue takes thousands of provers at once: of that alert the series alone is the daemon's.
    name = labelled("proof_coordinator_store_refusals_total")
    fires(world.dir, still((first, 5), ({**first, name: str(float(first[name]) + 1)}, 10)), 8, "StoreOverrun")


# ---- several coordinators on one database ----

@pytest.fixture
def cluster(world):
    cluster = world.cluster(2).start()
    until("each sees both", lambda: [c.metric("cluster_instances") for c in cluster] == [2, 2])
    until("each has read L1", lambda: [c.metric("l1_readable") for c in cluster] == [1, 1])
    leading(cluster)
    return cluster


def leading(cluster):
    """The one that says so."""
    return until("one leads", lambda: (found := [c for c in cluster if c.metric("leader") == 1]) and len(found) == 1 and found[0])


def of(metric, c, seen_by):
    """A coordinator's figure, as another one shows it."""
    text = seen_by.admin("GET", "/metrics")[1]
    return float(re.search(rf'^proof_coordinator_{metric}{{name="{c.name}",slot="\d+"}} (\S+)$', text, re.M)[1])


def test_several_that_are_well_raise_none(world, cluster):
    fires(world.dir, still((capture_all(cluster), 30)), 25)


def test_no_leader(world, cluster):
    """Another program holds the lock by which it is known who leads."""
    leader = leading(cluster)
    (left,) = cluster.others(leader)
    with cluster.led_by_nobody():
        time.sleep(1)
        leader.kill()
        time.sleep(3)
        assert left.metric("leader") == 0
        fires(world.dir, still((capture_all(cluster), 10)), 5, "NoLeader")
    until("it leads", lambda: left.metric("leader") == 1)


def test_the_database_is_unreachable(world, cluster):
    first = capture_all(cluster)
    (cut,) = cluster.others(leading(cluster))
    cluster.cut(cut)
    until("it says so", lambda: cut.metric("database_reachable") == 0)
    fires(world.dir, still((first, 5), (capture_all(cluster), 10)), 10, "DatabaseUnreachable")
    cluster.heal()
    until("it is back", lambda: cut.metric("database_reachable") == 1)


def test_a_coordinator_is_gone(world, cluster):
    left = leading(cluster)
    (gone,) = cluster.others(left)
    gone.kill()
    cluster.server.sql(f"UPDATE instance SET seen = seen - interval '61 seconds' WHERE name = '{gone.name}'")
    until("it is missed", lambda: of("cluster_seen_seconds", gone, left) > 60)
    fires(world.dir, still((capture_all(cluster), 10)), 5, "Gone")


def test_a_clock_is_off(world, cluster):
    (ahead,) = cluster.others(leading(cluster))
    ahead.stop()
    ahead.clock_off(5)
    started(ahead)
    until("it is seen", lambda: all(of("cluster_clock_skew_seconds", ahead, c) > 2 for c in cluster))
    fires(world.dir, still((capture_all(cluster), 10)), 5, "ClockSkew")


def test_the_settings_of_one_differ(world, cluster):
    first = capture_all(cluster)
    (other,) = cluster.others(leading(cluster))
    other.stop()
    other.change(COMMIT_HASH_PATTERN="^[0-9a-f]{7}$")
    other.start()
    until("each sees it", lambda: [c.metric("cluster_settings_differ") for c in cluster] == [1, 1])
    second = capture_all(cluster)
    fires(world.dir, still((first, 5), (second, 9)), 13)  # as while they are changed on one after the other
    fires(world.dir, still((first, 5), (second, 20)), 20, "SettingsDiffer")


def test_each_alert_resolves(world):
    """After the others, of every state that they raised an alert in."""
    if not FIRED:
        pytest.skip("none of the alerts' tests was asked for")
    healthy = capture(with_one_verified(world, 1)[0])
    for series, minutes, names in FIRED:
        print("resolves:", ", ".join(names))
        resolves(world.dir, series, minutes, names, healthy)


def test_each_alert_was_tried(request):
    """After the others: none of the rules is left out."""
    here = [item for item in request.session.items if item.module.__name__ == __name__]
    if len(here) < sum(re.match("test_", name) is not None for name in globals()):
        pytest.skip("only some of the alerts' tests were asked for")
    assert {r["alert"] for g in yaml.safe_load(RULES.read_text())["groups"] for r in g["rules"]} == TRIED
