"""The walls that SEED.md describes, as tests: what agents meet in their namespace, and the time before our kinds are there.

Those of the chart are in tests/e2e/test_seed_gotchas.py; that the webhook never panics on any input is in
tests/unit/webhook/test_fuzz.py.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cluster.control_support import Control, control, ns
from cluster.health_rules import EXAMPLES, argo, kstatus
from sympozium.api.crds import documents
from sympozium.catalog.install import admission
from sympozium.kube.resources import CUSTOM_RESOURCE_DEFINITIONS
from sympozium.testing import KubeAPI
from sympozium.testing.client import ApiError, Object
from sympozium.testing.resources import AGENT_RUN, CONFIG_MAP, INSTANCE, JOB, NAMESPACE, PERSONA_PACK, POLICY
from sympozium.up.components import tool

__all__ = ["control", "ns"]

API = "sympozium.ai/v1alpha1"
ENFORCE = "pod-security.kubernetes.io/enforce"
# What llmfit wants to see of its node.
LLMFIT = {
    "skills": [{"name": "placement", "content": "Ask llmfit."}],
    "sidecar": {
        "image": "example.org/llmfit:1",
        "hostAccess": {
            "enabled": True,
            "hostPID": True,
            "mounts": [{"hostPath": path, "mountPath": f"/host{path}"} for path in ("/proc", "/sys", "/dev", "/run/udev")],
        },
    },
}  # fmt: skip


def _ready(obj: Object) -> Object:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((c for c in conditions if c["type"] == "Ready"), {"status": "", "reason": ""})


def _label(control: Control, ns: str, level: str | None) -> None:
    control.patch(NAMESPACE, ns, {"metadata": {"labels": {ENFORCE: level}}})


def _llmfit(control: Control, ns: str) -> None:
    def apply(kind: str, name: str, spec: Object) -> None:
        control.apply(
            {"apiVersion": API, "kind": kind, "metadata": {"name": name, "namespace": ns}, "spec": spec}
        )

    apply("SympoziumPolicy", "node", {"sandboxPolicy": {"required": False, "allowHostMounts": True}})
    apply("SkillPack", "llmfit", LLMFIT)
    control.instance(ns, policyRef="node", skills=[{"skillPackRef": "llmfit"}])


def test_podsecurity_and_llmfit(control: Control, ns: str) -> None:
    _label(control, ns, "baseline")
    _llmfit(control, ns)
    barred = control.wait(INSTANCE, "sre", lambda o: _ready(o)["reason"] == "PodSecurity", ns)
    words = _ready(barred)["message"]
    assert "skill pack llmfit wants hostPID, hostPath /proc" in words
    assert f"namespace {ns} enforces Pod Security level baseline" in words
    assert f"kubectl label namespace {ns} {ENFORCE}=privileged --overwrite" in words
    # Refused with the same words, before there is anything that waits for a pod.
    control.run(ns, skills=[{"skillPackRef": "llmfit"}])
    status = control.wait_run("r", ns, "Failed")["status"]
    assert (status["reason"], status["error"]) == ("PodSecurity", words)
    assert control.items(JOB, ns) == []
    # The cure, in the agents' own namespace.
    _label(control, ns, "privileged")
    control.run(ns, name="cured", skills=[{"skillPackRef": "llmfit"}])
    pod = control.pod_of("cured", ns)
    assert pod["spec"]["hostPID"] is True
    conditions = {c["type"]: c for c in control.get(AGENT_RUN, "cured", ns)["status"]["conditions"]}
    assert "hostPID" in conditions["HostAccess"]["message"]
    control.patch(INSTANCE, "sre", {"metadata": {"annotations": {"looked": "at"}}}, ns)
    control.wait(INSTANCE, "sre", lambda o: _ready(o)["status"] == "True", ns)


def test_podsecurity_by_the_default_of_the_cluster(control: Control, ns: str) -> None:
    """No label says so: the API server is asked whether it would let the pod in."""
    refuse: Object = {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ns}},
        },
        "validations": [{"expression": "!has(object.spec.hostPID) || !object.spec.hostPID", "message": "no hostPID here"}],
    }  # fmt: skip
    group, name = "admissionregistration.k8s.io/v1", f"no-host-{ns}"[:60]
    control.apply(
        {"apiVersion": group, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": refuse}
    )
    control.apply(
        {"apiVersion": group, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name},
         "spec": {"policyName": name, "validationActions": ["Deny"]}}
    )  # fmt: skip
    _llmfit(control, ns)
    control.run(ns, skills=[{"skillPackRef": "llmfit"}])
    status = control.wait_run("r", ns, "Failed")["status"]
    assert status["reason"] == "PodSecurity"
    assert "no hostPID here" in status["error"]
    assert f"kubectl label namespace {ns}" in status["error"]
    assert control.items(JOB, ns) == []


def test_base_url_on_packs(control: Control, ns: str) -> None:
    personas = [
        {"name": "own", "systemPrompt": "s", "baseURL": "http://own:1/v1"},
        {"name": "packs", "systemPrompt": "s"},
    ]
    spec = {"enabled": True, "model": "m", "baseURL": "http://gateway:4000", "personas": personas}
    control.apply(
        {"apiVersion": API, "kind": "PersonaPack", "metadata": {"name": "p", "namespace": ns}, "spec": spec}
    )
    control.wait(PERSONA_PACK, "p", lambda o: _ready(o)["status"] == "True", ns)
    found = {
        o["metadata"]["name"]: o["spec"]["agents"]["default"]["baseURL"] for o in control.items(INSTANCE, ns)
    }
    assert found == {"p-own": "http://own:1/v1", "p-packs": "http://gateway:4000"}


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[KubeAPI]:
    """A Kubernetes API that knows nothing of us."""
    with KubeAPI(tmp_path / "kube") as api:
        yield api


def _kubectl_apply(api: KubeAPI, *paths: Path) -> "subprocess.CompletedProcess[str]":
    argv = [tool("kubectl"), "--kubeconfig", str(api.kubeconfig), "apply", "--server-side"]
    for path in paths:
        argv += ["-f", str(path)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


def _established(crd: Object) -> bool:
    return any(
        c["type"] == "Established" and c["status"] == "True"
        for c in (crd.get("status") or {}).get("conditions", ())
    )


def test_crd_discovery_timing(bare: KubeAPI) -> None:
    """The extras come before their kinds, then before the webhook, then in time: each try is whole or not at all."""
    extras = [EXAMPLES / "extras" / name for name in ("namespace.yaml", "policy.yaml", "pack.yaml")]
    early = _kubectl_apply(bare, *extras)
    assert early.returncode != 0
    assert early.stderr.count("no matches for kind") == 2
    assert bare.find(NAMESPACE, "agents") is not None
    for text in documents().values():
        (crd,) = bare.apply(yaml.safe_load(text))
        bare.wait(CUSTOM_RESOURCE_DEFINITIONS, crd["metadata"]["name"], _established)
    for document in admission():
        bare.apply(document)
    # The kinds are there, and nobody answers for the webhook: it fails closed, and says that it is the webhook.
    closed = _kubectl_apply(bare, *extras)
    assert closed.returncode != 0
    assert 'failed calling webhook "validate.sympozium.ai"' in closed.stderr
    assert (bare.items(POLICY, "agents"), bare.items(PERSONA_PACK, "agents")) == ([], [])
    for document in admission():
        kind = document["kind"].lower() + "s"
        bare.request("DELETE", f"/apis/admissionregistration.k8s.io/v1/{kind}/{document['metadata']['name']}")
    again = _kubectl_apply(bare, *extras)
    assert again.returncode == 0, again.stderr
    # Nobody has looked at them yet, and who waits for them knows that.
    for resource in (POLICY, PERSONA_PACK):
        found = bare.get(resource, "operations", "agents")
        assert (kstatus(found), argo(found)[0]) == ("InProgress", "Progressing")


def test_a_run_is_refused_while_its_kind_is_not_served(bare: KubeAPI) -> None:
    with pytest.raises(ApiError) as refused:
        bare.request(
            "POST",
            AGENT_RUN.path("default"),
            {"apiVersion": API, "kind": "AgentRun", "metadata": {"name": "r"}},
        )
    assert refused.value.code == 404
    assert bare.items(CONFIG_MAP, "default", labelSelector="sympozium.ai/run=r") == []
