"""Previews of the k8s-ops skill by the real kubectl on a real API: what they show, and that nothing happens."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from cluster.localkube_fixture import LocalKube, kube, ns  # noqa: F401
from sympozium.mcpsocket import result_text
from sympozium.skills.k8s_ops.server import K8sOps
from sympozium.testing.resources import CONFIG_MAP, SECRET


@pytest.fixture
def ops(kube: LocalKube, tmp_path: Path) -> K8sOps:  # noqa: F811
    import shutil
    import sys

    kubectl = shutil.which("kubectl", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert kubectl
    (tmp_path / "ws").mkdir()
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KUBECONFIG": str(kube.kubeconfig)}
    return K8sOps(kubectl=kubectl, environment=env, workspace=tmp_path / "ws")


async def preview(ops: K8sOps, command: str) -> dict:
    arguments = {"tool": "execute_command", "arguments": {"command": command}}
    return json.loads(result_text(await ops.call_tool("sympozium_preview", arguments, {})))


def the_map(kube: LocalKube, ns: str) -> dict:  # noqa: F811
    return kube.create(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "c", "namespace": ns},
            "data": {"a": "1"},
        }
    )


async def test_changes_are_shown_and_not_made(kube: LocalKube, ns: str, ops: K8sOps, tmp_path: Path) -> None:  # noqa: F811
    before = the_map(kube, ns)
    patched = await preview(ops, f"""kubectl patch cm c -n {ns} -p '{{"data":{{"a":"2"}}}}'""")
    assert "-  a: '1'\n+  a: '2'" in patched["text"], patched
    labelled = await preview(ops, f"kubectl label cm c x=y -n {ns}")
    assert "+  labels:\n+    x: y" in labelled["text"]
    (tmp_path / "ws/new.yaml").write_text(json.dumps(
        {"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "3"}},
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"k": "hidden-value"}},
        ]}))  # fmt: skip
    applied = await preview(ops, f"kubectl apply -f new.yaml -n {ns}")
    assert "+  a: '3'" in applied["text"], applied
    assert "+kind: Secret" in applied["text"]
    assert "hidden-value" not in applied["text"]
    gone = await preview(ops, f"kubectl delete cm c -n {ns}")
    assert "-  a: '1'" in gone["text"], gone
    assert all(p["kind"] == "dry-run" and p["basis"] for p in (patched, labelled, applied, gone))
    now = kube.get(CONFIG_MAP, "c", ns)
    assert now["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert kube.items(SECRET, ns) == []


async def test_a_command_that_would_fail_says_so(ns: str, ops: K8sOps) -> None:  # noqa: F811
    shown = await preview(ops, f"kubectl delete cm missing -n {ns}")
    assert "NotFound" in shown["text"]
    assert "would fail" in shown["problem"]


async def test_what_is_not_understood_is_not_run(ns: str, ops: K8sOps, tmp_path: Path) -> None:  # noqa: F811
    for command in (
        "kubectl get pods; touch made",
        "touch made",
        f"kubectl delete cm --all -n {ns} --dry-run=none",
    ):
        shown = await preview(ops, command)
        assert shown["kind"] == "none"
        assert "not tried" in shown["problem"]
    await asyncio.sleep(0)
    assert not (tmp_path / "ws/made").exists()


async def test_the_basis_changes_with_the_object(kube: LocalKube, ns: str, ops: K8sOps) -> None:  # noqa: F811
    the_map(kube, ns)
    command = f"kubectl label cm c x=y -n {ns} --overwrite"
    first = await preview(ops, command)
    assert (await preview(ops, command))["basis"] == first["basis"]
    kube.patch(CONFIG_MAP, "c", {"metadata": {"labels": {"x": "z"}}}, ns)
    assert (await preview(ops, command))["basis"] != first["basis"]
