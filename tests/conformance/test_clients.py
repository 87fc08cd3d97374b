"""Other people's clients, as they are: each does its usual work against the embedded API alone."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from sympozium.testing import CONFIG_MAP, KubeAPI, Resource
from sympozium.testing.waiting import until

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-clients/bin/python"
SCRIPTS = Path(__file__).parent / "clients"
WIDGET = Resource("clients.example", "v1", "widgets", "Widget")

pytest_plugins = ["sympozium.testing.plugin"]


@pytest.fixture(autouse=True)
def _environment() -> None:
    assert PYTHON.exists(), f"{PYTHON} is missing: sh scripts/test_tools.sh makes it"


def environ(api: KubeAPI) -> dict[str, str]:
    return {**os.environ, "KUBECONFIG": str(api.kubeconfig)}


@pytest.mark.parametrize("client", ["lightkube", "kubernetes_asyncio", "kr8s"])
def test_a_client_does_its_work(kube_api: KubeAPI, kube_namespace: str, client: str) -> None:
    done = subprocess.run(
        [str(PYTHON), str(SCRIPTS / f"with_{client}.py"), kube_namespace],
        env=environ(kube_api), capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout == f"{client}: all well\n"


def test_a_kopf_operator(kube_api: KubeAPI, kube_namespace: str, tmp_path: Path) -> None:
    crd = yaml.safe_load((SCRIPTS / "crd.yaml").read_text())
    kube_api.apply(crd)
    until(
        lambda: "widgets" in kube_api.kubectl("api-resources", "--api-group", "clients.example"), "the kind"
    )
    log = tmp_path / "kopf.log"
    arguments = ["run", "--standalone", "--namespace", kube_namespace, str(SCRIPTS / "kopf_operator.py")]
    with log.open("w") as output, subprocess.Popen(
        [str(PYTHON), "-m", "kopf", *arguments], env=environ(kube_api), stdout=output, stderr=subprocess.STDOUT
    ) as operator:  # fmt: skip
        try:
            _work(kube_api, kube_namespace)
        except AssertionError as failure:
            raise AssertionError(f"{failure}\n{log.read_text()[-4000:]}") from failure
        finally:
            operator.terminate()
            operator.wait(30)


def _work(api: KubeAPI, namespace: str) -> None:
    """A Widget from its making to its end, by what the operator leaves behind."""
    api.create(
        {
            "apiVersion": "clients.example/v1",
            "kind": "Widget",
            "metadata": {"name": "w"},
            "spec": {"size": 2},
        },
        namespace,
    )
    made = api.wait(WIDGET, "w", lambda w: (w.get("status") or {}).get("size") == 2, namespace)
    assert made["metadata"]["finalizers"] == ["clients.example/kopf"]
    child = api.get(CONFIG_MAP, "w-child", namespace)
    assert child["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]
    api.patch(WIDGET, "w", {"spec": {"size": 5}}, namespace)
    api.wait(WIDGET, "w", lambda w: (w.get("status") or {}).get("size") == 5, namespace)
    assert api.get(CONFIG_MAP, "w-child", namespace)["data"] == {"size": "5"}
    api.delete(WIDGET, "w", namespace)
    api.wait_gone(WIDGET, "w", namespace)
    assert api.find(CONFIG_MAP, "w-ended", namespace) is not None
    api.wait_gone(CONFIG_MAP, "w-child", namespace)
