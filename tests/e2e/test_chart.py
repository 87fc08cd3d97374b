"""The chart on a cluster that runs its pods: the embedded API and a real node, whose images are this checkout.

What a CNI would give, a way from the API server to the webhook's pods, are here addresses of loopback, with a port
forwarded to each pod.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from cluster.localkube_fixture import EXTERNAL, LocalKube, kube
from cluster.node_support import NodeCluster
from e2e.support import agent, finished, run, say
from e2e.test_helm import DEPLOYMENT, TOOLS, Helm
from sympozium import resources
from sympozium.cli.helm import manifests
from sympozium.installation import image
from sympozium.kube.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CUSTOM_RESOURCE_DEFINITIONS,
    EVENTS,
    LEASES,
    MUTATING_WEBHOOKS,
    PERSISTENT_VOLUME_CLAIMS,
    ROLE_BINDINGS,
    ROLES,
    SERVICES,
    VALIDATING_WEBHOOKS,
)
from sympozium.testing import AGENT_RUN, CONFIG_MAP, JOB, POD, POLICY, SECRET, ScriptedModel, phase
from sympozium.testing.resources import SERVICE_ACCOUNT
from sympozium.testing.waiting import until
from sympozium.up.components import _read_only_paths, tool

__all__ = ["kube"]
CHART = Path(__file__).parents[2] / "charts/sympozium"
NAMESPACE = "agents-system"
NATS = "docker.io/library/nats:2.15.1-alpine"
WEBHOOK_PODS = "app.kubernetes.io/component=webhook"
ASKS = say({"id": "change", "call": [{"tool": "execute_command", "arguments": {"command": "true"}}]})
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


class Machine(NodeCluster):
    """With our images, and routes to the webhook."""

    def __init__(self, directory: Path) -> None:
        self._routes: dict[str, subprocess.Popen[bytes]] = {}
        super().__init__(directory)
        self.data = SimpleNamespace(kubeconfig=self.kubeconfig)

    def _identities(self, url: str) -> None:
        super()._identities(url)
        common = {"binds": _read_only_paths(), "path": [str(Path(sys.executable).parent)]}
        modules = {
            "control-plane": "sympozium", "agent": "sympozium.agent", "tools": "sympozium.tools", "shell": "sympozium.shell",
        }  # fmt: skip
        images = [
            {"name": image(name), "entrypoint": [sys.executable, "-m", module], **common}
            for name, module in modules.items()
        ]
        nats = {"name": NATS, "entrypoint": [], "binds": common["binds"], "path": [str(Path(tool("nats-server")).parent)]}  # fmt: skip
        self.images.write_text(json.dumps({"images": [*images, nats]}))

    def route(self) -> None:
        """From this machine's network to each pod of the webhook, on the pod's own address."""
        for pod in self.items(POD, NAMESPACE, labelSelector=WEBHOOK_PODS):
            address, name = pod["status"]["podIP"], pod["metadata"]["name"]
            if name in self._routes:
                continue
            subprocess.run(["ip", "address", "replace", f"{address}/32", "dev", "lo"], check=True)
            self._routes[name] = process = subprocess.Popen(
                [tool("kubectl"), "port-forward", "-n", NAMESPACE, "--address", address, f"pod/{name}", "9443"],
                env={**os.environ, "KUBECONFIG": str(self.data.kubeconfig)}, stdout=subprocess.PIPE,
            )  # fmt: skip
            assert process.stdout is not None
            assert b"Forwarding" in process.stdout.readline()

    def __exit__(self, *args: object) -> None:
        for process in self._routes.values():
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
        said = subprocess.run(["ip", "-j", "address", "show", "lo"], check=True, capture_output=True).stdout
        for found in json.loads(said)[0]["addr_info"]:
            if found["local"].startswith("10.244."):
                subprocess.run(["ip", "address", "del", f"{found['local']}/32", "dev", "lo"], check=True)
        super().__exit__(*args)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("pods that reach each other need a node that runs as root, and iproute2")
    if EXTERNAL:
        pytest.skip("what is installed and purged is of this test alone")
    with Machine(tmp_path) as made:
        yield made


def values(tmp_path: Path, name: str, content: dict[str, Any]) -> str:
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps(content))
    return str(path)


def previous(tmp_path: Path) -> str:
    """The chart as it was a version ago, with the images that there are."""
    place = tmp_path / "previous" / "sympozium"
    shutil.copytree(CHART, place)
    metadata = place / "Chart.yaml"
    lines = [
        f"version: {_BEFORE}" if x.startswith("version:") else x for x in metadata.read_text().splitlines()
    ]
    metadata.write_text("\n".join(lines) + "\n")
    return str(place)


_BEFORE = "0.0.1"
_SMALL = {
    "controller": {"replicas": 1}, "webhook": {"replicas": 2}, "apiserver": {"replicas": 1}, "egress": {"enabled": False},
    "crds": {"keep": False}, "uninstall": {"purge": True, "timeoutSeconds": 60},
}  # fmt: skip


@pytest.mark.timeout(600)
def test_from_install_to_nothing(machine: Machine, tmp_path: Path) -> None:
    """Installed by helm 3, tested, used, upgraded by helm 4 with a run going on, rolled back, and purged with it."""
    helm3, helm4 = (Helm(version, machine, NAMESPACE, tmp_path) for version in "34")
    machine.create(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": RESTRICTED}}
    )
    before = everywhere(machine)
    wait = ("--wait", "--timeout", "200s")
    first = values(tmp_path, "first", _SMALL)
    helm3("install", "s", previous(tmp_path), "-f", first, *wait)
    machine.route()
    machine.wait(POLICY, "default-policy", lambda _: True, NAMESPACE, timeout=60)
    machine.wait(resources.CONFIGS, "default", _ready, NAMESPACE, timeout=60)
    helm3("test", "s")

    team = machine.create(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team", "labels": RESTRICTED}}
    )
    team = team["metadata"]["name"]
    with ScriptedModel(say({"id": "end", "say": "done"})) as model:
        agent(machine, team, model.base_url, policy_ref=None)
        run(machine, team, name="first")
        assert finished(machine, team, "first")["status"]["phase"] == "Succeeded"
    with ScriptedModel(ASKS) as model:
        agent(machine, team, model.base_url, policy_ref=None)
        run(machine, team, name="asks")
        machine.wait(AGENT_RUN, "asks", lambda r: phase(r) == "AwaitingApproval", team, timeout=90)

        bundle = _bundles(machine)
        second = values(tmp_path, "second", {**_SMALL, "config": {"model": "qwen3.5"}})
        helm4("upgrade", "s", str(CHART), "-f", second, *wait)
        machine.wait(
            resources.CONFIGS, "default", lambda c: c["spec"].get("model") == "qwen3.5", NAMESPACE, timeout=60
        )
        assert _bundles(machine) == bundle, "what the webhook wrote is not helm's to take"
        assert phase(machine.get(AGENT_RUN, "asks", team)) == "AwaitingApproval"
        assert [e for e in machine.items(EVENTS, NAMESPACE) if e["reason"] == "BackOff"] == []

        helm4("rollback", "s", "1", *wait)
        machine.wait(resources.CONFIGS, "default", lambda c: "model" not in c["spec"], NAMESPACE, timeout=60)
        shown = json.loads(helm4("history", "s", "-o", "json"))
        assert [entry["chart"] for entry in shown][::2] == [f"sympozium-{_BEFORE}"] * 2

        helm4("uninstall", "s", *wait)
    assert left(machine) == []
    assert everywhere(machine) == before
    assert machine.items(JOB, team) == []
    kept = {o["metadata"]["name"] for o in machine.items(SERVICE_ACCOUNT, team)}
    assert kept == {"default"}


def _ready(obj: dict[str, Any]) -> bool:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _bundles(machine: Machine) -> list[str]:
    found = [machine.get(resource, "sympozium") for resource in (MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS)]
    return [webhook["clientConfig"]["caBundle"] for one in found for webhook in one["webhooks"]]


def left(machine: Machine) -> list[str]:
    """What is still there of an installation, once its pods have ended."""
    until(lambda: not machine.items(POD, NAMESPACE), "the pods end", timeout=60)
    until(lambda: not machine.items(PERSISTENT_VOLUME_CLAIMS, NAMESPACE), "the claims go")
    found = [
        f"{resource.kind}/{obj['metadata']['name']}"
        for resource in (
            DEPLOYMENT,
            SERVICES,
            SECRET,
            CONFIG_MAP,
            LEASES,
            ROLES,
            ROLE_BINDINGS,
            SERVICE_ACCOUNT,
            JOB,
        )
        for obj in machine.items(resource, NAMESPACE)
    ]
    with contextlib.suppress(ValueError):
        found.remove("ConfigMap/kube-root-ca.crt")
        found.remove("ServiceAccount/default")
    return found


def everywhere(machine: Machine) -> set[str]:
    """What is of no namespace, of the kinds that the chart brings."""
    kinds = (
        CLUSTER_ROLES,
        CLUSTER_ROLE_BINDINGS,
        CUSTOM_RESOURCE_DEFINITIONS,
        MUTATING_WEBHOOKS,
        VALIDATING_WEBHOOKS,
    )
    return {f"{kind.kind}/{obj['metadata']['name']}" for kind in kinds for obj in machine.items(kind)}


@pytest.mark.parametrize("version", ["3", "4"])
def test_both_helms_lint_it_and_render_what_our_engine_renders(version: str, tmp_path: Path) -> None:
    file = values(tmp_path, "values", _SMALL)
    program = str(TOOLS / f"helm-{version}")
    subprocess.run([program, "lint", "--strict", str(CHART), "-f", file], check=True, capture_output=True)
    argv = [program, "template", "s", str(CHART), "-n", NAMESPACE, "-f", file, "--no-hooks"]
    said = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    ours = manifests("s", NAMESPACE, {**_SMALL, "namespace": {"create": False}})
    assert _objects(said) == _objects(ours)


def _objects(text: str) -> list[dict[str, Any]]:
    found = [o for o in yaml.load_all(text, yaml.CSafeLoader) if o]
    return sorted(found, key=lambda o: (o["kind"], o["metadata"]["name"]))


def sympozium(kube: LocalKube, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "KUBECONFIG": str(kube.kubeconfig), "HOME": str(kube.directory)}
    return subprocess.run(
        [sys.executable, "-m", "sympozium", *arguments],
        env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_without_helm(kube: LocalKube, tmp_path: Path) -> None:
    """`install`, `upgrade` and `uninstall` are Helm's engine: helm sees the release, and goes on with it."""
    kube.data = SimpleNamespace(kubeconfig=kube.kubeconfig)  # type: ignore[attr-defined]
    helm3 = Helm("3", kube, "sympozium-system", tmp_path)  # type: ignore[arg-type]
    file = tmp_path / "values.yaml"
    file.write_text("uninstall: {hook: false}\nconfig: {model: one}\napiserver: {replicas: 1}\n")
    done = sympozium(kube, "install", "-f", str(file), "--set", "config.provider=openai", "--no-wait")
    assert done.returncode == 0, done.stderr
    assert "Sympozium" in done.stdout
    (release,) = json.loads(helm3("list", "-o", "json"))
    assert (release["name"], release["status"]) == ("sympozium", "deployed")
    expected = {
        "uninstall": {"hook": False},
        "config": {"model": "one", "provider": "openai"},
        "apiserver": {"replicas": 1},
    }
    assert json.loads(helm3("get", "values", "sympozium", "-o", "json")) == expected

    again = sympozium(kube, "install", "--no-wait")
    assert (again.returncode, again.stderr) == (
        1,
        "error: release sympozium is in sympozium-system already: sympozium upgrade\n",
    )
    wrong = sympozium(kube, "upgrade", "--reuse-values", "--set", "nats.replicas=2", "--no-wait")
    assert wrong.returncode == 1
    assert "/nats/replicas': value must be one of 1, 3" in wrong.stderr
    done = sympozium(
        kube, "upgrade", "--reuse-values", "--set-json", 'config.authRefs=[{"secret":"k"}]', "--no-wait"
    )
    assert done.returncode == 0, done.stderr
    expected["config"]["authRefs"] = [{"secret": "k"}]
    assert json.loads(helm3("get", "values", "sympozium", "-o", "json")) == expected
    made = json.loads(kube.get(CONFIG_MAP, "sympozium-catalog", "sympozium-system")["data"]["config.json"])
    assert made["authRefs"] == [{"secret": "k"}]
    assert made["model"] == "one"

    # The volumes of a StatefulSet do not change; Kubernetes would say so without a way out.
    refused = sympozium(kube, "upgrade", "--reuse-values", "--set", "nats.persistence.size=10Gi", "--no-wait")
    assert "the volumes were made with 1Gi" in refused.stderr
    assert "kubectl patch pvc -n sympozium-system data-sympozium-nats-0" in refused.stderr
    same = sympozium(kube, "upgrade", "--reuse-values", "--set", "nats.persistence.size=1024Mi", "--no-wait")
    assert same.returncode == 0, same.stderr

    # A bus that was made with one server does not become one of three.
    bus = {"name": "sympozium-bus", "namespace": "sympozium-system"}
    kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": bus, "data": {"replicas": "1"}})
    refused = sympozium(kube, "upgrade", "--reuse-values", "--set", "nats.replicas=3", "--no-wait")
    assert "the bus was made with 1 and would have 3" in refused.stderr

    done = sympozium(kube, "uninstall", "--purge", "--timeout", "1")
    assert done.returncode == 0, done.stderr
    assert "release sympozium is uninstalled" in done.stdout
    assert json.loads(helm3("list", "-o", "json")) == []
    until(lambda: _ours(kube) == [], "nothing of ours is left")


def _ours(kube: LocalKube) -> list[str]:
    return [
        obj["metadata"]["name"]
        for resource in (
            CUSTOM_RESOURCE_DEFINITIONS,
            CLUSTER_ROLES,
            VALIDATING_WEBHOOKS,
            PERSISTENT_VOLUME_CLAIMS,
        )
        for obj in kube.items(resource)
        if "sympozium" in obj["metadata"]["name"]
    ]
