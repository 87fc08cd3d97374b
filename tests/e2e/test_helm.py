"""Real helm 3 and helm 4 with a chart that has CRDs, hooks, a test, RBAC, a Service and a Deployment."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from sympozium.kube.resources import Resource
from sympozium.testing import CONFIG_MAP, SECRET, Cluster

TOOLS = Path(__file__).parents[2] / ".tools"
CHART = Path(__file__).parent / "charts" / "shop"
DEPLOYMENT = Resource("apps", "v1", "deployments", "Deployment")
FLAVOUR = Resource("shop.example", "v1", "flavours", "Flavour")


class Helm:
    def __init__(self, version: str, cluster: Cluster, namespace: str, home: Path) -> None:
        self.version = version
        self._program = str(TOOLS / f"helm-{version}")
        self._namespace = namespace
        self._environ = {
            **os.environ, "KUBECONFIG": str(cluster.data.kubeconfig), "HELM_CACHE_HOME": str(home / "cache"),
            "HELM_CONFIG_HOME": str(home / "config"), "HELM_DATA_HOME": str(home / "data"),
        }  # fmt: skip

    def try_(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [self._program, *arguments, "-n", self._namespace],
            env=self._environ, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    def __call__(self, *arguments: str) -> str:
        done = self.try_(*arguments)
        assert done.returncode == 0, f"helm {self.version} {' '.join(arguments)}: {done.stderr}{done.stdout}"
        return done.stdout


@pytest.fixture(params=["3", "4"])
def helm(request: pytest.FixtureRequest, sympozium_cluster: Cluster, namespace: str, tmp_path: Path) -> Helm:
    return Helm(request.param, sympozium_cluster, namespace, tmp_path)


def test_a_release_from_install_to_uninstall(sympozium_cluster: Cluster, namespace: str, helm: Helm) -> None:
    cluster = sympozium_cluster
    said = helm("install", "one", str(CHART), "--wait", "--timeout", "90s")
    assert "STATUS: deployed" in said
    assert "one says hello." in said
    status = cluster.get(DEPLOYMENT, "one", namespace)["status"]
    assert (status["readyReplicas"], status["updatedReplicas"]) == (2, 2)
    data = cluster.get(CONFIG_MAP, "one", namespace)["data"]
    assert (data["greeting"], data["crds"], data["upgrade"], data["found"]) == (
        "hello",
        "true",
        "false",
        namespace,
    )
    assert cluster.get(FLAVOUR, "one", namespace)["spec"] == {"taste": "plain", "strength": 3}
    assert cluster.items(Resource("batch", "v1", "jobs", "Job"), namespace) == []

    assert "Phase:          Succeeded" in helm("test", "one")

    again = ("upgrade", "one", str(CHART), "--wait", "--timeout", "90s")
    helm(*again, "--set", "greeting=good day", "--set", "replicas=1")
    status = cluster.wait(DEPLOYMENT, "one", lambda d: d["status"].get("replicas") == 1, namespace)["status"]
    assert status["updatedReplicas"] == 1
    assert cluster.get(CONFIG_MAP, "one", namespace)["data"]["greeting"] == "good day"
    assert cluster.get(CONFIG_MAP, "one", namespace)["data"]["upgrade"] == "true"

    # What the server refuses leaves a failed revision, and a rollback mends it.
    refused = helm.try_(*again, "--set", "flavour=much too long to be a flavour")
    assert refused.returncode != 0
    assert "spec.taste" in refused.stderr
    assert "STATUS: failed" in helm("status", "one")
    helm("rollback", "one", "1", "--wait", "--timeout", "90s")
    assert cluster.get(CONFIG_MAP, "one", namespace)["data"]["greeting"] == "hello"
    history = json.loads(helm("history", "one", "-o", "json"))
    assert [entry["status"] for entry in history] == ["superseded", "superseded", "failed", "deployed"]
    assert json.loads(helm("list", "-o", "json"))[0]["revision"] == "4"

    assert 'release "one" uninstalled' in helm("uninstall", "one", "--wait", "--timeout", "90s")
    assert cluster.find(DEPLOYMENT, "one", namespace) is None
    assert cluster.items(SECRET, namespace, labelSelector="owner=helm") == []


def test_a_dry_run_on_the_server_leaves_nothing(
    sympozium_cluster: Cluster, namespace: str, helm: Helm
) -> None:
    shown = helm("install", "dry", str(CHART), "--dry-run=server", "--skip-crds", "--set", "flavour=")
    assert f"found: {json.dumps(namespace)}" in shown
    assert sympozium_cluster.find(CONFIG_MAP, "dry", namespace) is None
    assert (
        json.loads(helm("list", "-a", "-o", "json") if helm.version == "3" else helm("list", "-o", "json"))
        == []
    )


def test_what_never_becomes_ready_is_said_and_atomic_takes_it_back(
    sympozium_cluster: Cluster, namespace: str, helm: Helm
) -> None:
    flag = "--atomic" if helm.version == "3" else "--rollback-on-failure"
    done = helm.try_(
        "install",
        "bad",
        str(CHART),
        "--set",
        "image=not-here:1",
        "--no-hooks",
        "--wait",
        "--timeout",
        "8s",
        flag,
    )
    assert done.returncode != 0
    assert any(word in done.stderr for word in ("not ready", "context deadline exceeded", "timed out")), (
        done.stderr
    )
    assert sympozium_cluster.find(DEPLOYMENT, "bad", namespace) is None
