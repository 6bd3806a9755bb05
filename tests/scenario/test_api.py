"""docs/openapi.json is the admin API: its routes, its fields, its codes; and docs/API.md is written from it."""

import json
import re
import subprocess

import pytest

from l1 import REPO
from openapi import API, check, faults, operation
from page_states import STATES
from world import COMMIT_HASH, Key, until

SOURCES = {p.name: p.read_text() for p in sorted((REPO / "coordinator" / "admin").glob("*.c"))}
TABLE = re.findall(r'\{"([A-Z]+)", "([^"]+)", (OPEN|READ|STREAM|TOKEN), (true|false), \w+\}', SOURCES["routes.c"])


def test_the_page_is_written_from_it():
    done = subprocess.run([REPO / "scripts" / "api-page", "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, "run scripts/api-page --write\n" + done.stdout


def test_every_route_is_in_it():
    assert len(TABLE) > 18
    unseen = {(method, path) for path, methods in API["paths"].items() for method in methods}
    for method, url, access, prefix in TABLE:
        # A prefix stands for all that goes on from it.
        found = {(m, p) for m, p in unseen if m == method.lower() and (
            p == url or (prefix == "true" and p.startswith(url.rstrip("/") + "/")))}
        assert found, f"{method} {url} is described nowhere"
        for m, p in found:
            security = API["paths"][p][m]["security"]
            assert security == {"OPEN": [], "READ": [{"token": []}, {}], "STREAM": [{"token": []}, {}], "TOKEN": [{"token": []}]}[access], p
        unseen -= found
    assert not unseen, f"no route of the program: {unseen}"


def test_every_code_is_in_it():
    """And none that the program never says."""
    said = set()
    for text in SOURCES.values():
        for call in re.findall(r"admin_reply\((.*?)\);", text, re.S):
            said |= set(re.findall(r'"([a-z_]+)"', call.split("%")[0])) - {"on"}
    said |= set(re.findall(r'"([a-z_]+)"', re.search(r"names\[ADMIN_REFUSAL_COUNT\] = \{(.*?)\}", SOURCES["routes.c"], re.S)[1]))
    listed = [code for o in [*(m for p in API["paths"].values() for m in p.values()), {"responses": API["components"]["responses"]}]
              for r in o["responses"].values() for code in r.get("x-codes", [])]
    assert len(said) > 30 and said == set(listed), said ^ set(listed)


def test_every_verb_of_it_is_the_programs():
    verbs = set(re.findall(r'= \{"([a-z-]+)"', (REPO / "coordinator" / "cli" / "verbs.c").read_text()))
    named = {o["x-verb"].split()[0] for p in API["paths"].values() for o in p.values() if "x-verb" in o}
    assert named <= verbs
    assert verbs - named == {"run", "config", "store", "help"}, verbs - named


@pytest.mark.parametrize("name", STATES)
def test_the_states_of_the_page_are_overviews(name):
    """What is looked at in pictures is what a daemon may say."""
    assert list(faults(STATES[name](), {"$ref": "#/components/schemas/Overview"})) == []


def test_the_checker_checks():
    status = {"$ref": "#/components/schemas/Funds"}
    good = {"key": "verify", "address": "0x", "balance_wei": None, "low": False}
    assert list(faults(good, status)) == []
    for change in ({"low": 0}, {"key": "other"}, {"balance_wei": 1}, {"more": 1}):
        assert len(list(faults({**good, **change}, status))) == 1, change
    assert list(faults({k: v for k, v in good.items() if k != "low"}, status)) == ["answer.low is not there"]


READS = [path for path, methods in API["paths"].items() if "get" in methods and "{" not in path and not path.endswith("/events")]


def test_answers_are_as_it_says(world):
    """Each document, in several states; each answer of the verbs that change something, good and bad."""
    c = world.coordinator(ADMIN_OPEN_READS="true", PROVER_TIMEOUT=60000).start()

    def ask(method, path, expected, body=None, **headers):
        status, text = c.admin(method, path, body, **headers)
        assert status == expected, text
        check(method, path, status, text)
        return text

    def read_all():
        for path in READS:
            assert operation("GET", path)[0] is not None
            ask("GET", path, 200)

    read_all()
    key, other = Key(), Key()
    c.enroll(key)
    c.enroll(other)
    batch = f"/api/v1/batches/1?commit_hash={COMMIT_HASH}"
    ask("PUT", batch, 201, world.batch(1)["input"])
    ask("PUT", batch, 200, world.batch(1)["input"])
    ask("PUT", batch, 422, b"[")
    ask("PUT", "/api/v1/batches/x?commit_hash=52e4b64", 400, b"{}")
    ask("PUT", "/api/v1/batches/0?commit_hash=52e4b64", 400, b"{}")
    ask("DELETE", "/api/v1/batches/7?commit_hash=52e4b64", 404)
    ask("DELETE", "/api/v1/batches/7", 400)
    world.feed(c, 3)
    until("committed", lambda: c.status()["l1"]["last_committed_batch"] == 3)
    ask("PUT", batch, 409, b'{"a":1}')
    c.request()
    read_all()
    world.prove(c, key)
    c.setup([1, 2, 3])
    read_all()
    ask("POST", f"/api/v1/provers/{other.address}/promote", 200)
    ask("POST", f"/api/v1/provers/{Key().address}/promote", 409)
    ask("POST", "/api/v1/provers/0x12/promote", 400)
    ask("POST", f"/api/v1/provers/{other.address}/revoke", 200)
    ask("POST", "/api/v1/revocations/fmspc:90c06f000000", 200)
    ask("POST", "/api/v1/revocations/nothing", 400)
    ask("DELETE", "/api/v1/revocations/fmspc:90c06f000000", 200)
    ask("DELETE", "/api/v1/revocations/fmspc:90c06f000000", 404)
    ask("GET", "/api/v1/verdicts/0000", 404)
    ask("POST", "/api/v1/collateral/refresh", 202)
    ask("POST", "/api/v1/sender/resume", 200)
    ask("DELETE", "/api/v1/batches/9?commit_hash=52e4b64", 404)
    ask("GET", "/api/v1/nothing", 404)
    ask("POST", "/api/v1/status", 405, b"")
    ask("GET", "/api/v1/status", 403, host="rebound.example")
    ask("GET", "/api/v1/status", 403, sec_fetch_site="cross-site")
    ask("POST", "/api/v1/sender/resume", 401, authorization="")
    ask("GET", "/api/v1/status?a=%00", 400)
    read_all()
    for verb, path in (("status", "/api/v1/status"), ("provers", "/api/v1/provers"), ("tcb-status", "/api/v1/tcb-status"),
                       ("collateral", "/api/v1/collateral"), ("revocations", "/api/v1/revocations"), ("explain", "/api/v1/verdicts")):
        done = c.verb(verb, "--json")
        assert done.returncode == 0, done.stderr
        check("GET", path, 200, done.stdout)


def test_documents_of_a_verified_quote(new_world):
    """Evidence, collateral and the verdict of one: fields that no development mode has."""
    world = new_world("dcap")
    qe, _ = world.software_qe(), world.pccs()
    c = world.coordinator(ADMIN_OPEN_READS="true").start()
    key = Key()
    quote = qe.quote(key.payload)
    until("it is known", lambda: c.setup(quote) is True or key.address in c.provers(), pause=0.5)
    until("its evidence", lambda: c.provers()[key.address]["evidence"])
    assert c.setup(quote[:-40] + bytes(40)) is not True
    for path in READS:
        check("GET", path, *c.admin("GET", path))
    verdict = json.loads(c.admin("GET", "/api/v1/verdicts")[1])["verdicts"][0]
    path = f"/api/v1/verdicts/{verdict['quote_sha256']}"
    check("GET", path, *c.admin("GET", path))


def test_documents_of_several_coordinators(world):
    """Of the one that leads, of one that follows, and of one that is cut off; and the verbs of theirs."""
    cluster = world.cluster(2, ADMIN_OPEN_READS="true").start()
    leader = until("one leads", lambda: next((c for c in cluster if c.metric("leader") == 1), None))
    (other,) = cluster.others(leader)

    def cluster_of(c):
        return c.status()["cluster"]

    def figures(c):
        return [one["figures"] for one in cluster_of(c)["coordinators"]]

    until("each knows what both say of themselves", lambda: all(len(figures(c)) == 2 and all(figures(c)) for c in cluster), 20)
    with other.connect() as s:
        s.sendall(b'{"InputRequest":')
        until("a connection is told", lambda: sum(f["connections"] for f in figures(leader)) == 1, 20)
    for c in cluster:
        for path in READS:
            check("GET", path, *c.admin("GET", path))
        seen = cluster_of(c)
        assert seen["shared"] and seen["leads"] == (c is leader) and not seen["trouble"]
        assert {one["name"]: (one["leads"], one["this"], one["gone"]) for one in seen["coordinators"]} == {
            one.name: (one is leader, one is c, False) for one in cluster}
        assert len({one["slot"] for one in seen["coordinators"]}) == 2
        done = c.verb("cluster")
        assert done.returncode == 0 and f"{leader.name} " in done.stdout and f"{c.name} (this)" in done.stdout, done
        assert len(done.stdout.splitlines()) == 5 and "follows" in c.verb("status").stdout
    assert cluster_of(other)["says"] == f"another coordinator leads: {leader.name}" == other.status()["l1"]["next"]
    assert other.admin("GET", "/readyz")[0] == leader.admin("GET", "/readyz")[0] == 200
    cluster.cut(other)
    until("it is not ready", lambda: other.admin("GET", "/readyz") == (503, "database unreachable\n"))
    assert other.admin("GET", "/healthz")[0] == 200 and other.verb("healthcheck").returncode == 1
    for path in READS:
        if path != "/readyz":
            check("GET", path, *other.admin("GET", path))
    check("GET", "/readyz", *other.admin("GET", "/readyz"))
    assert not other.status()["ready"] and cluster_of(other)["trouble"]
    cluster.heal()
    until("it is ready again", lambda: other.admin("GET", "/readyz")[0] == 200)
