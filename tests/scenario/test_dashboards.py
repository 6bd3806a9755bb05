"""The dashboards: whole as Grafana reads them, and each of their queries has an answer of a real Prometheus that reads
a real coordinator with the example's configuration."""

import json
import re
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from l1 import REPO
from process import Process, clean_env
from world import Key, free_port, until

yaml = pytest.importorskip("yaml", reason="SKIPPED: the dashboards are not tried: python3-yaml is missing")
CONFIG = REPO / "config"
BOARDS = {path.stem: json.loads(path.read_text()) for path in sorted((CONFIG / "grafana").glob("*.json"))}
UNITS = {"short", "s", "bytes", "Bps", "ops", "percentunit"}


def queries():
    for name, board in BOARDS.items():
        for panel in board["panels"]:
            for target in panel["targets"]:
                yield f"{name}: {panel['title']}", target["expr"]


@pytest.mark.parametrize("name", BOARDS)
def test_the_form_is_grafanas(name):
    board = BOARDS[name]
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", board["uid"]) and board["title"] and board["schemaVersion"] >= 36
    assert {v["name"] for v in board["templating"]["list"]} == {"datasource", "job"}
    ids, cells = [p["id"] for p in board["panels"]], set()
    assert len(ids) == len(set(ids)) >= 10
    for panel in board["panels"]:
        assert panel["type"] in ("stat", "timeseries") and panel["title"] and panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS and panel["fieldConfig"]["overrides"] == []
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        at = panel["gridPos"]
        here = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24 and not here & cells, f"{panel['title']} lies over another"
        cells |= here
        refs = [t["refId"] for t in panel["targets"]]
        assert refs and len(refs) == len(set(refs))
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"] and target["legendFormat"]
            # Of the chosen jobs, each time that a metric is named.
            named = re.findall(r"\b(?:proof_coordinator|process)_\w+(\{[^}]*\})?", target["expr"])
            assert named and set(named) == {'{job=~"$job"}'}, target["expr"]


def test_the_provisioning_finds_them():
    (provider,) = yaml.safe_load((CONFIG / "grafana" / "dashboards.yaml").read_text())["providers"]
    assert provider["options"]["path"] == "/usr/share/proof-coordinator/grafana"
    assert {b["uid"] for b in BOARDS.values()} == {"proof-coordinator-operator", "proof-coordinator-provers"}
    (source,) = yaml.safe_load((CONFIG / "grafana" / "datasource.yaml").read_text())["datasources"]
    assert source["type"] == "prometheus"


class Prometheus(Process):
    def __init__(self, world, target):
        super().__init__(world.dir / "prometheus.log")
        self.port = free_port()
        config = yaml.safe_load((CONFIG / "prometheus.example.yaml").read_text())
        assert config["scrape_configs"][0]["static_configs"] == [{"targets": ["127.0.0.1:3903"]}]
        config["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{target}"]
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        shutil.copy(CONFIG / "alerts.yaml", world.dir / "alerts.yaml")
        self.config = world.dir / "prometheus.yaml"
        self.config.write_text(yaml.safe_dump(config))
        self.store = world.dir / "prometheus-data"

    def start(self):
        self.spawn(["prometheus", f"--config.file={self.config}", f"--storage.tsdb.path={self.store}",
                    f"--web.listen-address=127.0.0.1:{self.port}"], env=clean_env())
        return self

    def get(self, what, **query):
        url = f"http://127.0.0.1:{self.port}/api/v1/{what}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=20) as reply:
                return json.load(reply)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{query}: {error.read()[:300]}") from error
        except OSError:
            return None

    def ask(self, expr):
        answer = self.get("query", query=expr)
        return [r["value"][1] for r in answer["result"]] if answer else []


@pytest.mark.skipif(not shutil.which("prometheus"), reason="SKIPPED: no Prometheus (Debian's prometheus)")
def test_each_query_has_an_answer(new_world):
    world = new_world("dcap")
    pccs, qe = world.pccs(), world.software_qe()
    port = free_port()
    c = world.coordinator(METRICS_ADDRESS="127.0.0.1", METRICS_PORT=port, UPSTREAM=f"tcp://127.0.0.1:{free_port()}",
                          COLLATERAL_SOURCES=f"pccs+{pccs.url}", DCAP_ROOT_FILE=world.pki() / "root_ca.pem").start()
    prometheus = world.add(Prometheus(world, port).start())
    c.saw("event=l1_read")
    assert c.setup(qe.quote(Key().payload)) is True
    world.put(c, 1, 1)
    until("three scrapes", lambda: float((prometheus.ask('count_over_time(up{job="proof-coordinator"}[1m])') or [0])[0]) >= 4)
    begin = time.monotonic()
    silent = dict(queries())
    while silent and time.monotonic() < begin + 20:
        for what, expr in queries():
            asked = expr.replace("$__rate_interval", "20s").replace("$job", ".+")
            if prometheus.ask(asked):
                silent.pop(what, None)
    assert not silent, f"no data for {silent}"
    groups = prometheus.get("rules")["groups"]
    rules = [r for g in groups for r in g["rules"]]
    assert len(rules) == len(yaml.safe_load((CONFIG / "alerts.yaml").read_text())["groups"][0]["rules"])
    until("the rules are evaluated", lambda: all(r["health"] == "ok" for g in prometheus.get("rules")["groups"] for r in g["rules"]))
