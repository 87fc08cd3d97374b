"""Setting up over the API server: who may make it ask an endpoint, what is written, what is never told."""

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from cluster.api_server import SYSTEM, ApiServer, installed
from sympozium.testing import ScriptedModel
from sympozium.testing.kube import KubeAPI
from sympozium.testing.resources import POD, SECRET, SYMPOZIUM_CONFIG
from sympozium.testing.waiting import until

__all__ = ["installed"]
KEY = "sk-canary-of-the-server"


@pytest.fixture(scope="module")
def kube(installed: KubeAPI) -> KubeAPI:
    """`operator` may edit `ours` (so write Secrets there), `viewer` look at it; neither may configure."""
    installed.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ours"}})
    roles = [
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "all", "namespace": "ours"},
         "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "look", "namespace": SYSTEM},
         "rules": [{"apiGroups": ["sympozium.ai"], "resources": ["sympoziumconfigs"], "verbs": ["get", "list"]}]},
    ]  # fmt: skip
    for role in roles:
        installed.apply(role)
        name, namespace = role["metadata"]["name"], role["metadata"]["namespace"]
        installed.apply({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": name, "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "operator"}],
        })  # fmt: skip
    return installed


@pytest.fixture(scope="module")
def server(installed: KubeAPI, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with ApiServer(installed, tmp_path_factory.mktemp("apiserver"), "--node-probe") as running:
        yield running


@pytest.fixture(scope="module")
def model() -> Iterator[ScriptedModel]:
    script = {
        "banner": False,
        "models": ["m1", "m2"],
        "rules": [{"name": "all", "match": {}, "steps": [{"say": "ready"}]}],
    }
    with ScriptedModel(script, api_key=KEY) as scripted:
        yield scripted


def requests_of(model: ScriptedModel) -> str:
    return model.log.read_text()


def test_an_administrator_tries_and_chooses_a_model(
    kube: KubeAPI, server: ApiServer, model: ScriptedModel
) -> None:
    before = server.ask("GET", "/setup?namespace=ours", token="admin-token").json()
    assert (before["done"], before["mayConfigure"]) == (False, True)
    tried = server.ask(
        "POST", "/setup/try", {"baseURL": model.base_url, "key": KEY}, token="admin-token"
    ).json()
    assert tried["models"] == ["m1", "m2"]
    assert tried["answer"]["text"] == "ready"
    wrong = server.ask(
        "POST", "/setup/try", {"baseURL": model.base_url, "key": "sk-no"}, token="admin-token"
    ).json()
    assert wrong["answer"] is None
    assert "refuses the key (401)" in wrong["problem"]
    assert wrong["cure"]

    body = {"baseURL": model.base_url, "provider": "openai", "model": "m2", "key": KEY, "namespace": "ours"}
    answer = server.ask("POST", "/setup", body, token="admin-token")
    assert answer.status_code == 200, answer.text
    assert f"secret/sympozium-llm-key in {SYSTEM}" in answer.json()["written"]
    assert KEY not in answer.text
    spec = kube.get(SYMPOZIUM_CONFIG, "default", SYSTEM)["spec"]
    assert (spec["model"], spec["authRefs"]) == ("m2", [{"secret": "sympozium-llm-key"}])
    data = kube.get(SECRET, "sympozium-llm-key", "ours")["data"]
    assert base64.b64decode(data["OPENAI_API_KEY"]).decode() == KEY

    after = server.ask("GET", "/setup?namespace=ours", token="admin-token")
    assert after.json()["model"] | {"readable": True} == {
        "provider": "openai", "model": "m2", "baseURL": model.base_url, "keySet": True, "readable": True,
    }  # fmt: skip
    assert {"source": "config", "models": ["m1", "m2"]}.items() <= after.json()["found"][0].items()
    assert KEY not in after.text
    kept = server.ask(
        "POST", "/setup/try", {"baseURL": model.base_url, "namespace": "ours"}, token="admin-token"
    )
    assert kept.json()["answer"], "the key that is there already is used for the same address"


def test_a_key_is_never_sent_to_another_address(
    kube: KubeAPI, server: ApiServer, model: ScriptedModel
) -> None:
    body = {"baseURL": model.base_url, "provider": "openai", "model": "m1", "key": KEY, "namespace": "ours"}
    assert server.ask("POST", "/setup", body, token="admin-token").status_code == 200
    elsewhere = {**body, "baseURL": "http://127.0.0.1:1/v1", "key": None}
    assert server.ask("POST", "/setup", elsewhere, token="admin-token").status_code == 200
    data = kube.get(SECRET, "sympozium-llm-key", "ours")["data"]
    assert base64.b64decode(data["OPENAI_API_KEY"]).decode() == "none"


@pytest.mark.parametrize("token", ["operator-token", "stranger-token"])
def test_who_may_not_configure_makes_no_request(
    kube: KubeAPI, server: ApiServer, model: ScriptedModel, token: str
) -> None:
    """Not by trying, and not by a Secret of one's own that names an address."""
    secret = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": "x"}
    kube.apply({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "sympozium-llm-key", "namespace": "ours"},
        "data": {k: base64.b64encode(v.encode()).decode() for k, v in secret.items()},
    })  # fmt: skip
    refused = server.ask("POST", "/setup/try", {"baseURL": model.base_url, "key": KEY}, token=token)
    assert refused.status_code == 403
    assert "update sympoziumconfigs" in refused.json()["detail"]
    body = {"baseURL": model.base_url, "provider": "openai", "model": "m1", "key": KEY, "namespace": "ours"}
    assert server.ask("POST", "/setup", body, token=token).status_code == 403
    seen = server.ask("GET", "/setup?namespace=ours", token=token).json()
    assert seen["mayConfigure"] is False
    assert (seen["found"], seen["notLooked"]) == ([], [])
    checks = server.ask("GET", "/doctor?namespace=ours", token=token)
    if token == "operator-token":
        assert "model" not in {check["name"] for check in checks.json()["checks"]}
    else:
        assert checks.status_code == 403


def test_what_the_probe_of_a_node_found_is_offered(
    kube: KubeAPI, server: ApiServer, model: ScriptedModel
) -> None:
    """The API server asks it as itself, with the right that the chart gives it, for those who may configure."""
    here = f"127.{100 + os.getpid() // 250 % 100}.{1 + os.getpid() % 250}.9"
    port = str(httpx2.URL(model.base_url).port)
    labels = {"app.kubernetes.io/name": "sympozium", "app.kubernetes.io/component": "node-probe"}
    containers = [{"name": "node-probe", "image": "control-plane"}]
    pod = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", "namespace": SYSTEM, "labels": labels},
        "spec": {"nodeName": "n1", "containers": containers},
    }  # fmt: skip
    kube.apply(pod)
    status = {"status": {"phase": "Running", "podIP": here, "podIPs": [{"ip": here}], "hostIP": "127.0.0.1"}}
    kube.request(
        "PATCH", POD.path(SYSTEM, "probe", "status"), status, content_type="application/merge-patch+json"
    )
    elsewhere = {"baseURL": "http://127.0.0.1:1/v1", "provider": "openai", "model": "m", "namespace": "ours"}
    assert server.ask("POST", "/setup", elsewhere, token="admin-token").status_code == 200

    def seen() -> tuple[list[Any], list[str]]:
        answer = server.ask("GET", "/setup?namespace=ours", token="admin-token").json()
        return [one for one in answer["found"] if one["source"] == "node"], answer["notLooked"]

    found, [words] = seen()
    assert found == []
    assert words.startswith("the node probes are not known: ")
    name = {"name": "sympozium-apiserver-node-probe", "namespace": SYSTEM}
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]
    kube.apply(
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": name, "rules": rules}
    )
    kube.apply({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": name,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name["name"]},
        "subjects": [{"kind": "ServiceAccount", "name": "sympozium-apiserver", "namespace": SYSTEM}],
    })  # fmt: skip
    found, [words] = seen()
    assert found == []
    assert words.startswith("n1: its probe does not answer: ")
    command = [
        sys.executable,
        "-m",
        "sympozium",
        "serve",
        "node-probe",
        "--node",
        "n1",
        "--address",
        "127.0.0.1",
    ]
    with subprocess.Popen([*command, "--port", port, "--health-host", here]) as probe:
        try:
            until(lambda: bool(seen()[0]), "the probe has looked")
            [one], unknown = seen()
        finally:
            probe.terminate()
    assert probe.returncode == 0
    assert unknown == []
    assert (one["node"], one["baseURL"], one["problem"]) == ("n1", model.base_url, "it wants a key")
    assert (one["models"], one["keySet"]) == ([], False)
    kube.delete(POD, "probe", SYSTEM)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/setup"), ("POST", "/setup"), ("POST", "/setup/try"), ("GET", "/doctor"), ("GET", "/settings")],
)
def test_nobody_gets_nothing(server: ApiServer, method: str, path: str) -> None:
    assert server.ask(method, path, {} if method == "POST" else None).status_code == 401


def test_the_doctor_says_what_is_missing(kube: KubeAPI, server: ApiServer) -> None:
    checks: dict[str, Any] = {
        check["name"]: check for check in server.ask("GET", "/doctor", token="admin-token").json()["checks"]
    }
    assert checks["custom resources"]["level"] == "ok"
    assert (checks["bus"]["ok"], checks["bus"]["level"]) == (False, "failed")
    assert checks["bus"]["cure"]
    assert checks["network policies"]["ok"] is None
    assert "API server of Sympozium" in checks


def test_settings_show_the_config_to_who_may_read_it(kube: KubeAPI, server: ApiServer) -> None:
    config = {"apiVersion": "sympozium.ai/v1alpha1", "kind": "SympoziumConfig", "spec": {}}
    kube.apply({**config, "metadata": {"name": "default", "namespace": SYSTEM}})
    seen = server.ask("GET", "/settings", token="admin-token").json()
    assert seen["config"]["kind"] == "SympoziumConfig"
    assert seen["busConnected"] is False
    assert server.ask("GET", "/settings", token="stranger-token").json()["config"] is None
