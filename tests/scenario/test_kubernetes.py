"""kubernetes/: against the schemas of Kubernetes' API, and against the program: its settings, ports, paths and times.
What only a cluster could show (scheduling, network policies, the balancer of a provider) is not shown here."""

import functools
import json
import re
import zipfile

import pytest
import yaml

from test_config_files import REPO, effective, program, secrets

FOLDER = REPO / "kubernetes"
WHEELS = REPO / "build" / "kubernetes"
IMAGE_USER = 10001


def documents():
    """(file, document) of every manifest but kustomization.yaml, which no API server sees."""
    return [(path.name, document) for path in sorted(FOLDER.glob("*.yaml")) if path.name != "kustomization.yaml"
            for document in yaml.safe_load_all(path.read_text())]


def the(kind, name="proof-coordinator"):
    found = [d for _, d in documents() if d["kind"] == kind and d["metadata"]["name"] == name]
    assert len(found) == 1, f"{kind} {name}"
    return found[0]


def pod():
    return the("Deployment")["spec"]["template"]["spec"]


def container():
    (only,) = pod()["containers"]
    return only


def settings():
    """What the container's environment says; None: known in the cluster alone."""
    return {**the("ConfigMap")["data"], **{e["name"]: e.get("value") for e in container()["env"]}}


# ---- the API's schemas ----

@functools.cache
def schemas():
    wheels = sorted(WHEELS.glob("kubernetes_validate-*.whl"))
    if not wheels:
        pytest.skip("SKIPPED: the schemas of Kubernetes' API are not here: scripts/install-deps test fetches them from PyPI")
    return zipfile.ZipFile(wheels[-1])


def versions():
    return sorted({name.split("/")[2].removesuffix("-local-strict") for name in schemas().namelist() if "-local-strict/" in name})


@functools.cache
def schema(version, name):
    return json.loads(schemas().read(f"kubernetes_validate/kubernetes-json-schema/{version}-local-strict/{name}.json"))


def complaints(version, document):
    """What an API server of that version would say of its fields: their names, types and presence."""
    jsonschema = pytest.importorskip("jsonschema", reason="SKIPPED: python3-jsonschema is missing: scripts/install-deps test")
    group, _, api = document["apiVersion"].rpartition("/")
    name = "-".join([document["kind"].lower(), *([group.split(".")[0]] if group else []), api])
    of_kind = schema(version, name)
    definitions = schema(version, "_definitions")
    # By whichever name a schema calls them; nothing is fetched.
    store = {"_definitions.json": definitions, definitions.get("$id", ""): definitions}
    resolver = jsonschema.RefResolver(of_kind.get("$id", ""), of_kind, store=store)
    return [f"{'.'.join(map(str, e.absolute_path))}: {e.message}"
            for e in jsonschema.Draft202012Validator(of_kind, resolver=resolver).iter_errors(document)]


def test_every_api_server_since_1_25_takes_the_fields():
    assert len(versions()) >= 13
    for version in versions():
        for file, document in documents():
            assert complaints(version, document) == [], f"{file}, Kubernetes {version}"


@pytest.mark.parametrize("spoil", [
    lambda d: d["spec"].update(replica=3),
    lambda d: d["spec"].update(replicas="three"),
    lambda d: d["spec"].pop("selector"),
    lambda d: d["spec"]["template"]["spec"]["containers"][0]["securityContext"].update(readonlyRootFilesystem=True),
    lambda d: d["spec"]["template"]["spec"]["containers"][0]["startupProbe"]["httpGet"].pop("port"),
])
def test_the_schemas_see_a_mistake(spoil):
    document = the("Deployment")
    spoil(document)
    assert complaints(versions()[-1], document)


def test_kustomize_is_given_every_file():
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    assert sorted(kustomization["resources"]) == sorted({file for file, _ in documents()})
    assert kustomization["namespace"] == the("Namespace")["metadata"]["name"]
    assert [i["name"] for i in kustomization["images"]] == [container()["image"]]


# ---- what hangs together ----

def test_everything_is_about_the_pods_of_the_deployment():
    labels = the("Deployment")["spec"]["template"]["metadata"]["labels"]
    selectors = [the("Deployment")["spec"]["selector"]["matchLabels"], the("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
                 the("NetworkPolicy")["spec"]["podSelector"]["matchLabels"], the("Service")["spec"]["selector"],
                 the("Service", "proof-coordinator-metrics")["spec"]["selector"]]
    rules = pod()["affinity"]["podAntiAffinity"]
    selectors += [r["labelSelector"]["matchLabels"] for r in rules["requiredDuringSchedulingIgnoredDuringExecution"]]
    selectors += [r["podAffinityTerm"]["labelSelector"]["matchLabels"] for r in rules["preferredDuringSchedulingIgnoredDuringExecution"]]
    assert len(selectors) == 7 and all(selector == labels for selector in selectors)
    assert pod()["serviceAccountName"] == the("ServiceAccount")["metadata"]["name"]


def test_there_are_three_and_two_stay():
    spec = the("Deployment")["spec"]
    assert spec["replicas"] == 3
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    assert the("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_each_setting_is_known():
    known = set(effective())
    named = [name.removesuffix("_FILE") if name.removesuffix("_FILE") in secrets() else name for name in settings()]
    assert set(named) <= known and len(named) == len(set(named)) > 10
    assert "ETHREX_PROOF_COORDINATOR_STORE" in named
    # No secret by its value.
    assert not [name for name in settings() if name in secrets()]


def test_the_program_takes_the_settings(tmp_path):
    """All of them as they are, once what must be filled in is; files where this machine has them."""
    said = settings()
    env = {name: value for name, value in said.items() if value is not None}
    assert [name for name in said if name not in env] == ["ETHREX_PROOF_COORDINATOR_INSTANCE"]
    env["ETHREX_PROOF_COORDINATOR_INSTANCE"] = "proof-coordinator-6d5f7c9b4-x2x7q"  # as Kubernetes names pods
    for volume in ("keys", "admin", "store"):
        (tmp_path / volume).mkdir()
    for file, text in [("keys/l1.key", "0x" + "1" * 64), ("keys/tdx.key", "0x" + "2" * 64), ("admin/token", "t" * 32),
                       ("store/password", "open sesame"), ("store/ca.pem", "-----BEGIN CERTIFICATE-----\n")]:
        (tmp_path / file).write_text(text)
        (tmp_path / file).chmod(0o440)
    unfilled = program("config", env=env, cwd=tmp_path)
    assert unfilled.returncode == 78 and "ETHREX_TIMELOCK_ADDRESS: " in unfilled.stderr
    for name, value in env.items():
        value = re.sub(r"(?<![:/])(/keys/|/admin/|/store/)", lambda m: f"{tmp_path}{m[0]}", value)
        env[name] = value.replace("0x-fill-in", "0x" + "11" * 20).replace("fill-in", "db.example")
    env["ETHREX_PROOF_COORDINATOR_DATA_DIR"] = str(tmp_path / "data")
    taken = program("config", "--json", env=env, cwd=tmp_path)
    assert taken.returncode == 0, taken.stderr
    shown = json.loads(taken.stdout)
    assert shown["ETHREX_PROOF_COORDINATOR_STORE_PASSWORD"] == "(set, hidden)"
    assert "open sesame" not in taken.stdout + taken.stderr
    assert "sslmode=verify-full" in shown["ETHREX_PROOF_COORDINATOR_STORE"]


def test_files_of_secrets_are_mounted_and_of_nobody_else():
    mounts = {m["name"]: m for m in container()["volumeMounts"]}
    volumes = {v["name"]: v for v in pod()["volumes"]}
    assert set(mounts) == set(volumes)
    mounted = {m["mountPath"] for m in mounts.values()}
    for name, value in settings().items():
        for path in re.findall(r"(?:^|=)(/[\w./-]+)", value or ""):
            assert path.rpartition("/")[0] in mounted, f"{name} names {path}, where nothing is mounted"
    asked = {v["secret"]["secretName"] for v in volumes.values() if "secret" in v}
    made = (FOLDER / "kustomization.yaml").read_text()
    for secret in asked:
        assert f"create secret generic {secret} " in made
    for v in volumes.values():
        if "secret" in v:
            assert v["secret"]["defaultMode"] & 0o007 == 0 and mounts[v["name"]]["readOnly"] is True
    # The one that is written is where the image has its data.
    written = [m["mountPath"] for m in mounts.values() if not m.get("readOnly")]
    dockerfile = (REPO / "docker" / "Dockerfile").read_text()
    assert [f"ETHREX_PROOF_COORDINATOR_DATA_DIR={path}\n" in dockerfile for path in written] == [True]


def test_the_cache_has_room_for_all_inputs():
    size = re.fullmatch(r"(\d+)Gi", {v["name"]: v for v in pod()["volumes"]}["data"]["emptyDir"]["sizeLimit"])
    limit = re.fullmatch(r"(\d+)Gi", container()["resources"]["limits"]["ephemeral-storage"])
    assert int(settings()["ETHREX_PROOF_COORDINATOR_INPUT_QUOTA_BYTES"]) < int(size[1]) << 30 < int(limit[1]) << 30


def test_ports_are_the_programs():
    defaults = effective()
    ports = {p["name"]: p["containerPort"] for p in container()["ports"]}
    assert ports == {"provers": int(defaults["ETHREX_PROOF_COORDINATOR_LISTEN_PORT"]),
                     "metrics": int(defaults["ETHREX_PROOF_COORDINATOR_METRICS_PORT"])}
    assert settings()["ETHREX_PROOF_COORDINATOR_METRICS_ADDRESS"] == "0.0.0.0"
    for service, name in [("proof-coordinator", "provers"), ("proof-coordinator-metrics", "metrics")]:
        assert the("Service", service)["spec"]["ports"] == [{"name": name, "port": ports[name], "targetPort": name}]
    annotations = the("Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(ports["metrics"])
    let_in = [p["port"] for rule in the("NetworkPolicy")["spec"]["ingress"] for p in rule["ports"]]
    assert sorted(let_in) == sorted(ports)
    database = re.search(r"@[^/:]+:(\d+)/", settings()["ETHREX_PROOF_COORDINATOR_STORE"])[1]
    let_out = [p["port"] for rule in the("NetworkPolicy")["spec"]["egress"] for p in rule["ports"]]
    assert int(database) in let_out


def test_probes_ask_what_there_is():
    paths = json.loads((REPO / "docs" / "openapi.json").read_text())["paths"]
    probes = {kind: container()[kind]["httpGet"] for kind in ("startupProbe", "livenessProbe", "readinessProbe")}
    for kind, asked in probes.items():
        assert "get" in paths[asked["path"]] and asked["port"] == "metrics", kind
    assert probes["readinessProbe"]["path"] == "/readyz" != probes["livenessProbe"]["path"]


def test_the_end_is_waited_for():
    drain = int(effective()["ETHREX_PROOF_COORDINATOR_DRAIN_TIMEOUT"]) / 1000
    (command, seconds) = container()["lifecycle"]["preStop"]["exec"]["command"]
    assert command == "sleep"
    assert pod()["terminationGracePeriodSeconds"] >= int(seconds) + drain + 10


def test_nobody_is_root_or_may_write():
    of_pod, of_container = pod()["securityContext"], container()["securityContext"]
    assert of_pod["runAsNonRoot"] is True and of_pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert of_pod["runAsUser"] == of_pod["runAsGroup"] == of_pod["fsGroup"] == IMAGE_USER
    assert f"USER {IMAGE_USER}:{IMAGE_USER}" in (REPO / "docker" / "Dockerfile").read_text()
    assert of_container == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert pod()["automountServiceAccountToken"] is False and the("ServiceAccount")["automountServiceAccountToken"] is False
    assert pod()["enableServiceLinks"] is False
