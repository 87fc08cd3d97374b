"""GitOps: what is applied stays as it was applied, whoever has acted meanwhile, for every kind and every example."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.support import agent, decide, finished, policy, run, say
from sympozium.api.registry import KINDS
from sympozium.testing import AGENT_RUN, CONFIG_MAP, Cluster, ScriptedModel, phase
from sympozium.testing.client import Object

ROOT = Path(__file__).parents[2] / "examples"
API = "sympozium.ai/v1alpha1"
ARGO = "argocd-controller"
# With what may drift: quantities as numbers, lists that are sets or maps, defaults in items of lists, what a webhook fills.
MORE = """
apiVersion: sympozium.ai/v1alpha1
kind: SkillPack
metadata: {name: probing}
spec:
  skills: [{name: look, content: Look.}, {name: ask, content: Ask.}]
  sidecar:
    image: ghcr.io/acme/probe:v1
    env: [{name: B, value: "2"}, {name: A}]
    resources: {cpu: 1, memory: 1Gi}
---
apiVersion: sympozium.ai/v1alpha1
kind: SympoziumTrigger
metadata: {name: broken-pods}
spec:
  instanceRef: sized
  task: Look at {{event.object.name}}.
  source: {kubernetesEvent: {reasons: [BackOff, Failed], kinds: [Pod]}}
  suspend: true
---
apiVersion: sympozium.ai/v1alpha1
kind: SympoziumInstance
metadata: {name: sized}
spec:
  policyRef: default-policy
  memory: {enabled: true, seeds: [One., Two.]}
  agents:
    default:
      model: m
      resources: {requests: {cpu: 1, memory: 512Mi}}
      sandbox: {enabled: true, resources: {limits: {cpu: "2"}}}
---
apiVersion: sympozium.ai/v1alpha1
kind: PersonaPack
metadata: {name: whole}
spec:
  enabled: true
  model: m
  policyRef: default-policy
  excludePersonas: [c, b]
  personas:
    - name: a
      systemPrompt: You look.
      skills: [k8s-ops]
      toolPolicy: {allow: [read_file, list_directory], deny: [execute_command]}
      memory: {seeds: [One.]}
      schedule: {interval: 1h, task: Look.}
    - {name: b, systemPrompt: You wait.}
    - {name: c, systemPrompt: You wait.}
---
apiVersion: sympozium.ai/v1alpha1
kind: AgentRun
metadata: {name: from-git}
spec: {instanceRef: sized, task: Look., suspend: true}
"""
OURS = {k.kind for k in KINDS}


def _documents(text: str) -> list[Object]:
    """Those of our kinds, without the namespace that the examples name: each test has its own."""
    found = [d for d in yaml.safe_load_all(text) if d["kind"] in OURS]
    for document in found:
        document["metadata"].pop("namespace", None)
    return found


def _everything() -> list[Object]:
    files = sorted(
        [*ROOT.glob("*.yaml"), *(ROOT / "gitops" / "extras").glob("*.yaml"), ROOT / "litellm" / "team.yaml"]
    )
    return [*_documents(MORE), *(d for file in files for d in _documents(file.read_text()))]


def _applied(cluster: Cluster, namespace: str, document: Object) -> Object:
    """Server-side apply as Argo CD does it."""
    path = cluster.resource_of(document).path(namespace, document["metadata"]["name"])
    applied: Object = cluster.request(
        "PATCH", path, document, content_type="application/apply-patch+yaml", fieldManager=ARGO, force="true",
        fieldValidation="Strict",
    )  # fmt: skip
    return applied


def _live(cluster: Cluster, namespace: str, document: Object) -> Object:
    """The object when the controllers have seen it."""

    def seen(obj: Object) -> bool:
        return (obj.get("status") or {}).get("observedGeneration") == obj["metadata"]["generation"]

    return cluster.wait(cluster.resource_of(document), document["metadata"]["name"], seen, namespace)


def _unchanged(cluster: Cluster, namespace: str, document: Object) -> Object:
    """Apply once more. A controller may write a status between our two requests, but not each time."""
    for _ in range(5):
        before = _live(cluster, namespace, document)
        after = _applied(cluster, namespace, document)
        if after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]:
            return after
    raise AssertionError(
        f"applying {document['kind']} {document['metadata']['name']} again changes it: {before} {after}"
    )


def _covers(live: Any, wanted: Any) -> bool:
    """Whether a three-way merge of JSON, which replaces lists whole, would change nothing."""
    if isinstance(wanted, dict) and isinstance(live, dict):
        return all(key in live and _covers(live[key], value) for key, value in wanted.items())
    return bool(live == wanted)


def _owners_of_spec(obj: Object) -> set[str]:
    return {
        entry["manager"]
        for entry in obj["metadata"]["managedFields"]
        if entry.get("subresource") != "status" and "f:spec" in entry["fieldsV1"]
    }


@pytest.fixture
def config(sympozium_cluster: Cluster) -> Iterator[Object]:
    """SympoziumConfig `default` as Git would have it; what Git does not say stays as `up` wrote it."""
    document: Object = {
        "apiVersion": API, "kind": "SympoziumConfig", "metadata": {"name": "default"},
        "spec": {"runTimeout": "30m", "queue": {"maxConcurrentRuns": 1000}},
    }  # fmt: skip
    yield document
    _applied(sympozium_cluster, "sympozium-system", {**document, "spec": {}})


def test_applying_again_changes_nothing(sympozium_cluster: Cluster, namespace: str, config: Object) -> None:
    placed = [(namespace, d) for d in _everything()] + [("sympozium-system", config)]
    # Runs are not born for agents that are not there.
    placed.sort(key=lambda one: one[1]["kind"] == "AgentRun")
    for where, document in placed:
        _applied(sympozium_cluster, where, document)
    for where, document in placed:
        found = _unchanged(sympozium_cluster, where, document)
        assert _covers(found, document), f"{document} became {found}"
        assert found["metadata"]["generation"] == 1 or document is config
        assert _owners_of_spec(found) <= {ARGO} or document is config, found["metadata"]["managedFields"]
    # ApprovalRequests are the controllers' own: they are never in Git.
    assert {document["kind"] for _, document in placed} == OURS - {"ApprovalRequest"}


def test_another_order_is_one_change_and_then_none(sympozium_cluster: Cluster, namespace: str) -> None:
    pack = next(d for d in _documents(MORE) if d["metadata"]["name"] == "whole")
    _applied(sympozium_cluster, namespace, pack)
    pack["spec"]["personas"].reverse()
    pack["spec"]["excludePersonas"].reverse()
    pack["spec"]["personas"][-1]["toolPolicy"]["allow"].reverse()
    _applied(sympozium_cluster, namespace, pack)
    assert _covers(_unchanged(sympozium_cluster, namespace, pack), pack)


def test_kubectl_sees_no_difference(sympozium_cluster: Cluster, namespace: str) -> None:
    """Client-side apply: a merge of what was applied last, what is applied, and what is there."""
    documents = sorted(_everything(), key=lambda d: d["kind"] == "AgentRun")
    text = yaml.safe_dump_all(documents)
    sympozium_cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=text)
    for document in documents:
        _live(sympozium_cluster, namespace, document)
    # Raises when there is a difference: kubectl then exits with 1.
    assert sympozium_cluster.kubectl("diff", "-n", namespace, "-f", "-", stdin=text) == ""
    again = sympozium_cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=text)
    assert [line for line in again.splitlines() if not line.endswith("unchanged")] == []
    assert sympozium_cluster.find(CONFIG_MAP, "skill-probing", namespace)


def test_a_new_key_is_the_next_runs_and_not_that_of_one_that_goes_on(
    sympozium_cluster: Cluster, namespace: str
) -> None:
    """The model refuses every key but the old one: a run that got the new one fails, with no silent way back."""
    cluster = sympozium_cluster
    policy(cluster, namespace, toolGating={"defaultAction": "ask", "rules": []})
    look = {"tool": "list_directory", "arguments": {"path": "."}}
    with ScriptedModel(say({"call": [look]}, {"say": "with the old key"}), api_key="sk-old") as model:

        def rotate(key: str) -> None:
            data = {"OPENAI_API_KEY": key, "OPENAI_BASE_URL": model.base_url}
            metadata = {"name": "agent-key", "namespace": namespace}
            cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})

        agent(cluster, namespace, model.base_url)
        rotate("sk-old")
        run(cluster, namespace, name="first")
        cluster.wait(AGENT_RUN, "first", lambda r: phase(r) == "AwaitingApproval", namespace, timeout=90)
        rotate("sk-new")
        run(cluster, namespace, name="second")
        status = finished(cluster, namespace, "second")["status"]
        assert (status["phase"], status["reason"]) == ("Failed", "ModelError")
        assert "answered 401" in status["error"]
        decide(cluster, namespace, "Approved", run_name="first")
        assert finished(cluster, namespace, "first")["status"].get("result") == "with the old key"
