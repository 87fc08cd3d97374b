"""The chart, rendered by Helm's own engine in this process: a matrix of values, golden files, and what is refused.

`UPDATE_GOLDEN=1 pytest tests/chart` writes the golden files anew.
"""

import functools
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml
from tests.unit.kubernetes_schema import validate

import sympozium
from sympozium.cli.helm import chart, manifests
from sympozium.localkube.admission.podsecurity.levels import Level
from sympozium.localkube.admission.podsecurity.plugin import violations

GOLDEN = Path(__file__).with_name("golden")
CHART = chart()
NAMESPACE = "agents-system"
TEMPLATES = {"Deployment", "StatefulSet", "DaemonSet", "Job"}
FOREIGN = {"monitoring.coreos.com", "cert-manager.io", "gateway.networking.k8s.io"}
"""Groups whose schemas Kubernetes does not have."""
HA = {
    "nats": {"replicas": 3, "persistence": {"size": "10Gi", "storageClass": "longhorn"}},
    "webhook": {"replicas": 3, "certificates": {"source": "cert-manager"}},
    "apiserver": {
        "replicas": 3, "publicURL": "https://agents.example.org",
        "oidc": {"issuer": "https://id.example.org", "clientID": "sympozium",
                 "clientSecretRef": {"name": "oidc", "key": "secret"}, "caConfigMap": "id-ca"},
        "ingress": {"enabled": True, "className": "nginx", "hosts": [{"host": "agents.example.org"}],
                    "tls": [{"secretName": "agents-tls", "hosts": ["agents.example.org"]}]},
    },
    "telemetry": {"collector": {"enabled": True}, "serviceMonitor": {"enabled": True}},
    "config": {"model": "qwen3.5", "provider": "openai", "authRefs": [{"secret": "sympozium-llm-key"}]},
    "nodeProbe": {"enabled": True, "nodeSelector": {"gpu": "true"}, "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}]},
}  # fmt: skip
MINIMAL = {
    "crds": {"install": False}, "apiserver": {"enabled": False}, "egress": {"enabled": False},
    "networkPolicies": {"enabled": False}, "controller": {"replicas": 1}, "webhook": {"replicas": 1},
    "catalog": {"packs": False}, "uninstall": {"hook": False}, "test": {"enabled": False},
}  # fmt: skip
MATRIX: dict[str, dict[str, Any]] = {
    "default": {},
    "ha": HA,
    "minimal": MINIMAL,
    "air gap": {"image": {"registry": "registry.lan:5000/mirror", "tag": "v9.9.9", "pullSecrets": ["pull"]}},
    "external bus": {"nats": {"enabled": False, "external": {"url": "tls://nats.example.org:4222"}}},
    "load balancer": {
        "apiserver": {"service": {
            "type": "LoadBalancer", "annotations": {"lbipam.cilium.io/ips": "192.168.55.207"}, "labels": {"a": "b"},
            "loadBalancerIP": "192.168.55.207", "loadBalancerClass": "io.cilium/l2", "port": 80, "nodePort": 30080,
            "loadBalancerSourceRanges": ["10.0.0.0/8"], "externalTrafficPolicy": "Local",
        }}
    },
    "node port": {"apiserver": {"service": {"type": "NodePort", "nodePort": 30080}}},
    "gateway": {"apiserver": {"gateway": {"enabled": True, "parentRefs": [{"name": "g", "namespace": "infra", "sectionName": "https"}],
                                          "hostnames": ["agents.example.org"]}}},
    "impersonate": {"apiserver": {"oidc": {"issuer": "https://id.example.org", "clientID": "a", "mode": "impersonate"}}},
    "one volume": {"apiserver": {"replicas": 1, "tlsSecret": "tls", "persistence": {"enabled": True, "storageClass": "fast"}}},
    "issuer": {"webhook": {"certificates": {"source": "cert-manager", "issuerRef": {"name": "ca", "kind": "ClusterIssuer"}}}},
    "observed": {"telemetry": {"endpoint": "http://otel.monitoring.svc:4318", "dashboards": {"enabled": True},
                               "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
                               "prometheusRule": {"enabled": True}}},
    "placed": {"pods": {"nodeSelector": {"a": "b"}, "tolerations": [{"key": "k", "operator": "Exists"}], "priorityClassName": "p",
                        "annotations": {"x": "y"}, "labels": {"team": "ops"}, "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://p"}],
                        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                            "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}}}},
               "controller": {"nodeSelector": {"c": "d"}, "tolerations": [{"key": "z"}]}, "commonLabels": {"cost": "42"}},
    "namespaces": {"namespace": {"create": True, "labels": {"a": "b"}, "annotations": {"c": "d"}},
                   "agents": {"namespaces": [{"name": "team-a"}, {"name": "llmfit", "podSecurity": "privileged"}]}},
    "node probe alone": {"nodeProbe": {"enabled": True, "ports": [11434], "intervalSeconds": 5}, "apiserver": {"enabled": False}},
    "peers": {"nodeProbe": {"enabled": True}, "networkPolicies": {"metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
                                  "apiserverFrom": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}},
    "purge": {"uninstall": {"purge": True, "timeoutSeconds": 30}, "crds": {"keep": False}},
}  # fmt: skip
"""Every branch of a template is taken by one of them."""


WITHOUT_CRDS: dict[str, Any] = {"crds": {"install": False}}
"""They are half the time of a rendering."""


@functools.cache
def loaded() -> helm_python.Chart:
    return helm_python.Chart.load(CHART)


@functools.cache
def parse(text: str) -> list[dict[str, Any]]:
    """Most files are the same in most of the matrix. Not to be changed."""
    return [obj for obj in yaml.load_all(text, yaml.CSafeLoader) if obj]


@functools.cache
def rendered(values: str) -> list[dict[str, Any]]:
    files = loaded().render(json.loads(values), name="sympozium", namespace=NAMESPACE, is_install=True)
    return [
        obj for name, text in sorted(files.items()) if not name.endswith("NOTES.txt") for obj in parse(text)
    ]


def render(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Every object, hooks too. Not to be changed."""
    return rendered(json.dumps(values))


def pods(objects: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any], dict[str, str]]]:
    """Name, spec and annotations of each pod and pod template."""
    for obj in objects:
        template = obj["spec"]["template"] if obj["kind"] in TEMPLATES else obj
        if obj["kind"] in TEMPLATES | {"Pod"}:
            yield obj["metadata"]["name"], template["spec"], template["metadata"].get("annotations") or {}


def named(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (found,) = [o for o in objects if (o["kind"], o["metadata"]["name"]) == (kind, name)]
    return found


@pytest.mark.parametrize("name", MATRIX)
def test_what_is_rendered_is_valid_and_restricted(name: str) -> None:
    values = MATRIX[name]
    if not {"crds", "commonLabels"} & values.keys() and name != "default":
        values = {**values, **WITHOUT_CRDS}
    objects = render(values)
    keys = [
        (o["apiVersion"], o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in objects
    ]
    assert len(keys) == len(set(keys))
    for obj in objects:
        group = obj["apiVersion"].rpartition("/")[0]
        if group not in FOREIGN and obj["kind"] != "CustomResourceDefinition":
            validate(obj, "1.36")
        assert obj["metadata"].get("namespace") in (None, NAMESPACE), obj["metadata"]
        assert not group.endswith("sympozium.ai"), "helm maps kinds before their CRDs are there"
    for pod, spec, annotations in pods(objects):
        assert violations(Level("restricted"), spec, annotations) == [], pod
        for container in spec["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"], pod
            assert container["resources"]["limits"]["memory"], pod
            assert not container["image"].endswith(":latest"), pod


@pytest.mark.parametrize(
    ("name", "values"), [("default", {}), ("ha", HA), ("minimal", MINIMAL)]
)  # fmt: skip
def test_golden(name: str, values: dict[str, Any]) -> None:
    """Without CRDs and rights, which are golden files where they are made."""
    objects = [
        o
        for o in render({**values, **WITHOUT_CRDS})
        if "rbac" not in o["apiVersion"] and "admission" not in o["apiVersion"]
    ]
    text = yaml.safe_dump_all(objects, sort_keys=True, width=110).replace(sympozium.__version__, "VERSION")
    path = GOLDEN / f"{name}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"image": {"tags": "v1"}}, "additional properties 'tags' not allowed"),
        ({"nats": {"replicas": 2}}, "/nats/replicas': value must be one of 1, 3"),
        ({"apiserver": {"service": {"type": "Loadbalancer"}}}, "/apiserver/service/type"),
        ({"apiserver": {"service": {"port": "http"}}}, "/apiserver/service/port': got string, want integer"),
        ({"controller": {"resources": {"limits": {"memory": "1GB"}}}}, "/controller/resources/limits/memory"),
        ({"config": {"modle": "x"}}, "/config': additional properties 'modle' not allowed"),
        ({"config": {"suspend": True}}, "/config': additional properties 'suspend' not allowed"),
        ({"config": {"prices": {"currency": "euro", "models": []}}}, "/config/prices/currency"),
        ({"uninstall": {"timeoutSeconds": 1}}, "/uninstall/timeoutSeconds"),
        ({"agents": {"namespaces": ["team-a"]}}, "/agents/namespaces/0"),
        ({"image": {"registry": "https://mirror.example.org/x"}}, "/image/registry"),
        ({"nats": {"enabled": False}}, "set nats.external.url, or enable it"),
        ({"nats": {"external": {"url": "nats://x:4222"}}}, "set nats.enabled to false too"),
        ({"apiserver": {"ingress": {"enabled": True}}}, "name at least one host in apiserver.ingress.hosts"),
        ({"apiserver": {"gateway": {"enabled": True}}}, "name at least one Gateway"),
        ({"apiserver": {"replicas": 2, "persistence": {"enabled": True}}}, "set apiserver.replicas to 1"),
        ({"apiserver": {"oidc": {"issuer": "https://id"}}}, "set apiserver.oidc.clientID too"),
        ({"apiserver": {"service": {"loadBalancerIP": "10.0.0.1"}}}, "these need apiserver.service.type LoadBalancer"),
        ({"apiserver": {"service": {"nodePort": 30000}}}, "need type NodePort or LoadBalancer"),
        ({"uninstall": {"hook": False, "purge": True}}, "set uninstall.hook to true"),
        ({"apiserver": {"oidc": {"clientID": "a"}}}, "set apiserver.oidc.issuer too"),
        ({"webhook": {"certificates": {"issuerRef": {"name": "ca"}}}}, "set webhook.certificates.source to cert-manager"),
        ({"webhook": {"certificates": {"issuerRef": {"kind": "ClusterIssuer"}}}}, "name it in webhook.certificates.issuerRef.name"),
        ({"telemetry": {"collector": {"enabled": True, "exporters": {"debug": None}}}}, "exporters: name at least one"),
        ({"commonLabels": {"app.kubernetes.io/part-of": "shop"}}, "commonLabels: app.kubernetes.io/part-of is the chart's own"),
        ({"nats": {"labels": {"app.kubernetes.io/name": "a"}}}, "nats.labels: app.kubernetes.io/name"),
        ({"agents": {"namespaces": [{"name": "a", "labels": {"pod-security.kubernetes.io/enforce": "baseline"}}]}},
         "agents.namespaces[a].labels: pod-security.kubernetes.io/enforce is set by podSecurity"),
        ({"apiserver": {"oidc": {"mode": "impersonate"}}}, "set apiserver.oidc.issuer and clientID too"),
        ({"apiserver": {"oidc": {"issuer": "https://id.example.org", "clientID": "a", "groupsPrefix": "team:"}}},
         "apiserver.oidc.groupsPrefix is of mode impersonate"),
        ({"apiserver": {"oidc": {"caConfigMap": "ca"}}}, "set apiserver.oidc.issuer and clientID too"),
        ({"apiserver": {"enabled": False, "ingress": {"enabled": True, "hosts": [{"host": "a.example.org"}]}}},
         "apiserver.ingress.enabled: it leads to the API server"),
        ({"apiserver": {"enabled": False, "gateway": {"enabled": True, "parentRefs": [{"name": "g"}]}}},
         "apiserver.gateway.enabled: it leads to the API server"),
        ({"webhook": {"certificates": {"duration": "24h"}}}, "set webhook.certificates.source to cert-manager"),
        ({"pods": {"extraEnv": [{"name": "SYMPOZIUM_NAMESPACE", "value": "x"}]}}, "pods.extraEnv: SYMPOZIUM_NAMESPACE is set by the chart"),
        ({"nats": {"extraEnv": [{"name": "SERVER_NAME", "value": "x"}]}}, "nats.extraEnv: SERVER_NAME is set by the chart"),
        ({"controller": {"resources": {"limits": {"cpu": 0}}}}, "/controller/resources/limits/cpu"),
        ({"nodeProbe": {"ports": [1] * 11}}, "/nodeProbe/ports"),
        ({"nodeProbe": {"labels": {"app.kubernetes.io/component": "nats"}}}, "nodeProbe.labels: app.kubernetes.io/component"),
    ],
)  # fmt: skip
def test_bad_values_are_refused_in_words(values: dict[str, Any], words: str) -> None:
    with pytest.raises(helm_python.HelmError) as caught:
        loaded().render(values, name="sympozium", namespace=NAMESPACE, is_install=True)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("values", "address"),
    [
        ({}, "http://localhost:8080"),
        ({"tlsSecret": "tls"}, "https://localhost:8080"),
        ({"gateway": {"enabled": True, "parentRefs": [{"name": "g"}], "hostnames": ["a.example.org"]}}, "a.example.org, by"),
    ],
)  # fmt: skip
def test_the_notes_name_where_the_dashboard_is(values: dict[str, Any], address: str) -> None:
    files = loaded().render({"apiserver": values}, name="s", namespace=NAMESPACE, is_install=True)
    (notes,) = (text for name, text in files.items() if name.endswith("NOTES.txt"))
    assert [line for line in notes.splitlines() if line.strip().startswith(address)]


@pytest.mark.parametrize(("release", "namespace"), [("123", "1e3"), ("true", "0x1f"), ("null", "off")])
def test_names_that_yaml_takes_for_something_else_are_names(release: str, namespace: str) -> None:
    for obj in parse(manifests(release, namespace, {})):
        meta = obj["metadata"]
        assert isinstance(meta.get("namespace", ""), str), obj["kind"]
        assert all(isinstance(value, str) for value in (meta.get("labels") or {}).values()), obj["kind"]
        assert all(isinstance(s.get("namespace", ""), str) for s in obj.get("subjects") or ())


def test_a_value_is_a_value_and_no_field() -> None:
    wild = 'x"\n      hostPID: true\n#'
    values = {
        "nats": {"image": wild, "persistence": {"storageClass": wild}},
        "pods": {"priorityClassName": wild},
        "apiserver": {"service": {"type": "LoadBalancer", "loadBalancerClass": wild}},
    }
    text = manifests("s", NAMESPACE, {**values, **WITHOUT_CRDS})
    assert text.count("hostPID: true") >= 4
    assert "hostPID" not in {key for obj in parse(text) for key in _keys(obj)}


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _keys(item)


def test_no_process_of_an_installation_is_looked_into_by_a_skill() -> None:
    """With hostPID it sees them: they are undumpable, or another user than the containers of runs."""
    pods = [
        obj["spec"]["template"]["spec"]
        for obj in parse(manifests("s", NAMESPACE, {**HA, **WITHOUT_CRDS}))
        if obj["kind"] in TEMPLATES
    ]
    assert len(pods) > 5
    for pod in pods:
        [container] = pod["containers"]
        asked = {"name": "SYMPOZIUM_UNDUMPABLE", "value": "1"} in container.get("env", [])
        assert asked or pod["securityContext"]["runAsUser"] != 65532, container["name"]


def test_one_registry_moves_every_image() -> None:
    values = {
        "image": {"registry": "registry.lan:5000/mirror"},
        "telemetry": {"collector": {"enabled": True}},
    }
    objects = render({**values, **WITHOUT_CRDS})
    images = {c["image"] for _, spec, _ in pods(objects) for c in spec["containers"]}
    assert {image.split("/")[0] for image in images} == {"registry.lan:5000"}
    assert len(images) == 3
    environment = named(objects, "Deployment", "sympozium-controller")["spec"]["template"]["spec"][
        "containers"
    ][0]["env"]
    assert {"name": "SYMPOZIUM_IMAGE_REGISTRY", "value": "registry.lan:5000/mirror"} in environment


def test_runs_pull_with_the_credentials_of_the_chart() -> None:
    def images(values: dict[str, Any]) -> Any:
        data = named(render({**values, **WITHOUT_CRDS}), "ConfigMap", "sympozium-catalog")["data"]
        return json.loads(data["config.json"]).get("images")

    secrets = {"image": {"pullSecrets": ["key"]}}
    assert images({}) is None
    assert images(secrets) == {"pullSecrets": ["key"]}
    own = {**secrets, "config": {"images": {"agent": "a/b:1"}}}
    assert images(own) == {"agent": "a/b:1", "pullSecrets": ["key"]}
    assert images({**secrets, "config": {"images": {"pullSecrets": ["other"]}}}) == {"pullSecrets": ["other"]}


def test_processor_time_may_be_a_number() -> None:
    limits = {"controller": {"resources": {"limits": {"cpu": 2}}}}
    (container,) = named(render({**limits, **WITHOUT_CRDS}), "Deployment", "sympozium-controller")["spec"][
        "template"
    ]["spec"]["containers"]
    assert container["resources"]["limits"] == {"cpu": 2, "memory": "1Gi"}


def test_the_version_of_everything_is_the_packages() -> None:
    metadata = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert metadata["appVersion"] == metadata["version"] == sympozium.__version__
    images = {c["image"] for _, spec, _ in pods(render({})) for c in spec["containers"]}
    ours = {image for image in images if "sympozium" in image}
    assert ours == {f"ghcr.io/sympozium/control-plane:v{sympozium.__version__}"}


def test_every_value_is_described_and_every_value_is_used() -> None:
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    templates = "".join(path.read_text() for path in sorted((CHART / "templates").rglob("*.*")))

    def walk(node: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, child in (node.get("properties") or {}).items():
            yield f"{path}{name}", child
            if name != "config":
                yield from walk(child, f"{path}{name}.")
                yield from walk(child.get("items") or {}, f"{path}{name}[].")

    for path, child in walk(schema, ""):
        assert child.get("description"), path
        name = path.rpartition(".")[2]
        whole = r"resources|exporters|parentRefs|issuerRef|tls|tolerations|extraEnv"
        passed_on = re.search(rf"\b({whole})(\[\])?\.", path)
        assert path == "global" or passed_on or re.search(rf"\.{name}\b", templates), f"{path} has no effect"


def test_all_that_up_installs_is_in_the_chart() -> None:
    """The same rights on a cluster as on one machine, in whatever namespace."""
    from sympozium.catalog.install import documents

    objects = render({})
    for wanted in documents(namespace=NAMESPACE):
        if wanted["kind"] == "Namespace":
            continue
        found = named(objects, wanted["kind"], wanted["metadata"]["name"])
        assert found["metadata"].get("namespace") == wanted["metadata"].get("namespace")
        labels = wanted["metadata"].get("labels") or {}
        assert labels.items() <= found["metadata"]["labels"].items()
        assert {k: v for k, v in found.items() if k != "metadata"} == {
            k: v for k, v in wanted.items() if k != "metadata"
        }


def test_a_component_that_is_not_there_has_no_rights() -> None:
    objects = render(MINIMAL)
    names = {
        o["metadata"]["name"] for o in objects if "rbac" in o["apiVersion"] or o["kind"] == "ServiceAccount"
    }
    assert not [name for name in names if "apiserver" in name or "sympozium-egress" in name]


def test_the_node_probe_has_no_rights_and_reaches_its_ports_alone() -> None:
    asked = {"nodeProbe": {"enabled": True, "ports": [11434, 9000]}}
    objects = render({**MATRIX["peers"], **asked})
    spec = named(objects, "DaemonSet", "sympozium-node-probe")["spec"]["template"]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in spec
    assert "hostNetwork" not in spec
    assert [v["name"] for v in spec["volumes"]] == ["tmp"]
    policy = named(objects, "NetworkPolicy", "sympozium-node-probe")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["egress"] == [
        {"ports": [{"port": 11434, "protocol": "TCP"}, {"port": 9000, "protocol": "TCP"}]}
    ]
    metrics, server = policy["ingress"]
    assert "namespaceSelector" in metrics["from"][0]
    assert server["from"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "apiserver"
    # What asks it may list pods here, and only where there are probes to ask.
    role = ("Role", "sympozium-apiserver-node-probe")
    assert named(objects, *role)["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]
    assert role not in {(o["kind"], o["metadata"]["name"]) for o in render({})}


def test_the_keys_that_a_purge_may_delete_are_those_that_are_made() -> None:
    from sympozium.actions.teardown import ISSUED, KEYS

    managed = {
        "webhook": {"certificates": {"source": "cert-manager"}},
        "uninstall": {"purge": True},
        **WITHOUT_CRDS,
    }
    objects = render(managed)
    role = named(objects, "Role", "sympozium-teardown")
    may = {rule["resources"][0]: set(rule.get("resourceNames") or ()) for rule in role["rules"]}
    issued = [o for o in objects if o["kind"] == "Certificate"]
    assert may["secrets"] == set(KEYS)
    assert {o["spec"]["secretName"] for o in issued} < set(KEYS)
    assert may["certificates"] == set(ISSUED) == {o["metadata"]["name"] for o in issued}


def test_manifests_for_kubectl_have_the_namespace_and_no_hooks() -> None:
    found = parse(manifests("sympozium", NAMESPACE, {}))
    assert (found[0]["kind"], found[0]["metadata"]["name"]) == ("Namespace", NAMESPACE)
    assert not [o for o in found if "helm.sh/hook" in (o["metadata"].get("annotations") or {})]
