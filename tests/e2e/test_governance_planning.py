"""Each field of SympoziumPolicy that the controller holds when it plans the pod.

Two ways around admission are tried: to ask for nothing and hope that nothing is set, and to be admitted under one
policy and to start under another. What is looked at is what the cluster got: Job, NetworkPolicy, roles.
"""

from typing import Any

import pytest

from e2e.support import API, agent, finished, policy, run
from sympozium.kube.resources import Resource
from sympozium.testing import AGENT_RUN, CONFIG_MAP, JOB, POD, Cluster, phase

NOWHERE = "http://127.0.0.1:9/v1"
NETWORK_POLICY = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
CLUSTER_ROLE = Resource("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", namespaced=False)


def planned(cluster: Cluster, namespace: str, spec: dict[str, Any], **asks: Any) -> dict[str, Any]:
    """The Job of a run that asks for nothing more than `asks`, under a policy with `spec`."""
    policy(cluster, namespace, **spec)
    agent(cluster, namespace, NOWHERE)
    run(cluster, namespace, **asks)
    return cluster.wait(JOB, "run", lambda job: True, namespace)


def container(job: dict[str, Any], name: str) -> dict[str, Any]:
    pod = job["spec"]["template"]["spec"]
    return next(c for c in pod["initContainers"] + pod["containers"] if c["name"] == name)


def test_a_required_sandbox_is_there_for_whoever_does_not_mention_it(
    sympozium_cluster: Cluster, namespace: str
) -> None:
    job = planned(sympozium_cluster, namespace, {"sandboxPolicy": {"required": True}})
    shell = container(job, "shell")
    assert shell["securityContext"]["readOnlyRootFilesystem"] is True
    assert "shell-tmp" in {mount["name"] for mount in shell["volumeMounts"]}


def test_its_limits_are_the_policys_for_whoever_sets_none(sympozium_cluster: Cluster, namespace: str) -> None:
    job = planned(
        sympozium_cluster, namespace, {"sandboxPolicy": {"required": True, "maxCPU": "1500m", "maxMemory": "300Mi"}}
    )  # fmt: skip
    assert container(job, "shell")["resources"]["limits"] == {"cpu": "1500m", "memory": "300Mi"}


def test_its_image_is_the_policys_for_whoever_names_none(sympozium_cluster: Cluster, namespace: str) -> None:
    spec = {"sandboxPolicy": {"required": True, "defaultImage": "localhost/host:latest"}}
    assert container(planned(sympozium_cluster, namespace, spec), "shell")["image"] == "localhost/host:latest"


def test_the_filter_of_system_calls_is_on_in_the_whole_pod(
    sympozium_cluster: Cluster, namespace: str
) -> None:
    spec = {"sandboxPolicy": {"required": False, "seccompProfile": {"type": "RuntimeDefault"}}}
    job = planned(sympozium_cluster, namespace, spec)
    assert job["spec"]["template"]["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for each in job["spec"]["template"]["spec"]["initContainers"]:
        assert "seccompProfile" not in each["securityContext"]


def test_a_closed_network_has_its_rules_before_there_is_a_pod(
    sympozium_cluster: Cluster, namespace: str
) -> None:
    spec = {"networkPolicy": {"denyAll": True, "allowedEgress": [{"host": "203.0.113.0/24", "port": 8443}]}}
    planned(sympozium_cluster, namespace, spec)
    found = sympozium_cluster.get(NETWORK_POLICY, "run", namespace)
    assert found["spec"]["policyTypes"] == ["Egress"]
    assert found["spec"]["podSelector"]["matchLabels"]["sympozium.ai/run"] == "run"
    ports = {
        (peer["ipBlock"]["cidr"], port["port"])
        for rule in found["spec"]["egress"]
        for peer in rule.get("to", [])
        if "ipBlock" in peer
        for port in rule.get("ports", [])
    }
    assert ("203.0.113.0/24", 8443) in ports
    assert all(rule.get("to") or rule.get("ports") for rule in found["spec"]["egress"]), (
        "a rule without limits is open"
    )


def _dns(found: dict[str, Any]) -> bool:
    return any(
        port["port"] == 53
        for rule in found["spec"]["egress"]
        for port in rule.get("ports", [])
    )  # fmt: skip


@pytest.mark.parametrize("allowed", [True, False])
def test_name_resolution_is_open_only_where_it_is_allowed(
    sympozium_cluster: Cluster, namespace: str, allowed: bool
) -> None:
    planned(sympozium_cluster, namespace, {"networkPolicy": {"denyAll": True, "allowDNS": allowed}})
    assert _dns(sympozium_cluster.get(NETWORK_POLICY, "run", namespace)) is allowed


def test_a_run_that_could_not_report_is_not_planned(sympozium_cluster: Cluster, namespace: str) -> None:
    policy(sympozium_cluster, namespace, networkPolicy={"denyAll": True, "allowEventBus": False})
    agent(sympozium_cluster, namespace, NOWHERE)
    run(sympozium_cluster, namespace)
    status = finished(sympozium_cluster, namespace)["status"]
    assert status["phase"] == "Failed"
    assert "allowEventBus" in status["error"]
    assert sympozium_cluster.items(POD, namespace) == []


READS = ["get", "list", "watch"]


@pytest.mark.parametrize(
    ("rbac", "kept"),
    [
        (None, {("pods", "get"), ("pods", "list")}),
        ({"allow": [{"apiGroups": [""], "resources": ["*"], "verbs": ["*"]}]}, {("pods", "get"), ("pods", "list"), ("pods", "delete")}),
        ({"allow": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}, {("pods", "get")}),
        ({"deny": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]}, {("pods", "get")}),
    ],
)  # fmt: skip
def test_a_skill_gets_what_the_policy_grants_and_no_more(
    sympozium_cluster: Cluster, namespace: str, rbac: dict[str, Any] | None, kept: set[tuple[str, str]]
) -> None:
    """The pack asks for Secrets and for deleting pods too."""
    rules = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "delete"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": READS},
    ]
    sympozium_cluster.apply(
        {
            "apiVersion": API, "kind": "SkillPack", "metadata": {"name": "pack", "namespace": namespace},
            "spec": {"skills": [{"name": "s", "content": "x"}],
                     "sidecar": {"image": "localhost/host:latest", "clusterRBAC": rules}},
        }
    )  # fmt: skip
    planned(sympozium_cluster, namespace, {"rbacPolicy": rbac} if rbac else {}, skills=[{"skillPackRef": "pack"}])  # fmt: skip
    roles = sympozium_cluster.items(CLUSTER_ROLE, labelSelector="sympozium.ai/run=run")
    (role,) = [r for r in roles if namespace in str(r["metadata"]["labels"])]
    granted = {
        (resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]
    }
    assert granted == kept
    status = sympozium_cluster.get(AGENT_RUN, "run", namespace)["status"]
    cut = next(c for c in status["conditions"] if c["type"] == "RightsCut")
    assert cut["status"] == "True"
    assert "secrets" in cut["message"]


def test_the_approval_timeout_reaches_the_tool_server(sympozium_cluster: Cluster, namespace: str) -> None:
    planned(sympozium_cluster, namespace, {"approvals": {"timeout": "7m"}})
    files = sympozium_cluster.items(CONFIG_MAP, namespace, labelSelector="sympozium.ai/run=run")
    (text,) = [f["data"]["tools.json"] for f in files if "tools.json" in f.get("data", {})]
    assert '"approvalTimeoutSeconds":420' in text.replace(" ", "").replace("420.0", "420")


TIGHTER: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "tool rules": (
        {"toolGating": {"defaultAction": "deny", "rules": []}},
        {"toolPolicy": {"allow": ["write_file"]}},
        "write_file",
    ),
    "images": (
        {"imagePolicy": {"allowedRegistries": ["ghcr.io/sympozium"]}},
        {"sandbox": {"enabled": True, "image": "localhost/host:latest"}},
        "imagePolicy",
    ),
    "models": ({"modelPolicy": {"allowedModels": ["large"]}}, {}, "modelPolicy"),
    "sandbox": (
        {"sandboxPolicy": {"required": True, "maxMemory": "64Mi"}},
        {"sandbox": {"enabled": True, "resources": {"limits": {"memory": "1Gi"}}}},
        "maxMemory",
    ),
}


@pytest.mark.parametrize("name", TIGHTER)
def test_a_run_that_was_admitted_before_the_policy_changed_is_judged_again(
    sympozium_cluster: Cluster, namespace: str, name: str
) -> None:
    """It waits, suspended, under a policy that allows it; when it may start the policy does not."""
    spec, asks, words = TIGHTER[name]
    policy(sympozium_cluster, namespace)
    agent(sympozium_cluster, namespace, NOWHERE)
    run(sympozium_cluster, namespace, suspend=True, **asks)
    sympozium_cluster.wait(AGENT_RUN, "run", lambda r: phase(r) == "Queued", namespace)
    policy(sympozium_cluster, namespace, **spec)
    sympozium_cluster.patch(AGENT_RUN, "run", {"spec": {"suspend": False}}, namespace)
    status = finished(sympozium_cluster, namespace)["status"]
    assert status["phase"] in ("Failed", "Cancelled")
    assert words in (status.get("error") or "") + str(status.get("conditions"))
    assert sympozium_cluster.items(POD, namespace) == []
