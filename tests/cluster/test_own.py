"""A run owns what the controllers made for it: nothing else of the same name, whatever it says of itself."""

import pytest

from cluster.control_support import TERMINAL, Control, control, jobs_of, ns
from sympozium.kube.resources import NETWORK_POLICIES, ROLE_BINDINGS, ROLES
from sympozium.testing.client import Object, phase
from sympozium.testing.resources import AGENT_RUN, CONFIG_MAP, JOB, SERVICE_ACCOUNT, SKILL_PACK

__all__ = ["control", "ns"]

_ROLES = "rbac.authorization.k8s.io"
FOREIGN = {
    "ServiceAccount": (SERVICE_ACCOUNT, {"apiVersion": "v1", "metadata": {"name": "web"}}),
    "ConfigMap": (CONFIG_MAP, {"apiVersion": "v1", "metadata": {"name": "web-tools"}, "data": {"a": "1"}}),
    "Job": (
        JOB,
        {
            "apiVersion": "batch/v1", "metadata": {"name": "web"},
            "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}},
        },
    ),
    "Role": (ROLES, {"apiVersion": f"{_ROLES}/v1", "metadata": {"name": "web-skill-greedy"}, "rules": []}),
}  # fmt: skip


def cleaned(run: Object) -> bool:
    conditions = (run.get("status") or {}).get("conditions") or ()
    return phase(run) in TERMINAL and any(c["type"] == "CleanedUp" for c in conditions)


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_run_neither_overwrites_nor_deletes_what_has_its_name(control: Control, ns: str, kind: str) -> None:
    resource, manifest = FOREIGN[kind]
    there = control.create({"kind": kind, **manifest, "metadata": {**manifest["metadata"], "namespace": ns}})
    control.apply(
        {"apiVersion": "sympozium.ai/v1alpha1", "kind": "SkillPack", "metadata": {"name": "greedy", "namespace": ns},
         "spec": {"skills": [{"name": "g", "content": "x"}], "sidecar": {
             "image": "i", "rbac": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}}}
    )  # fmt: skip
    control.instance(ns)
    control.run(ns, "web", skills=[{"skillPackRef": "greedy"}])
    run = control.wait_run("web", ns, cleaned)
    assert run["status"]["reason"] == "PlanFailed"
    assert f"{kind} {there['metadata']['name']} is there and is not this run's" in run["status"]["error"]
    control.delete(AGENT_RUN, "web", ns)
    control.wait_gone(AGENT_RUN, "web", ns)
    left = control.get(resource, there["metadata"]["name"], ns)
    assert left["metadata"]["uid"] == there["metadata"]["uid"]
    assert "ownerReferences" not in left["metadata"]
    assert "labels" not in left["metadata"] or kind == "Job"
    for part in ("spec", "data", "rules"):
        assert left.get(part) == there.get(part), part


def test_the_end_of_a_run_leaves_the_network_policy_that_has_its_name(control: Control, ns: str) -> None:
    body = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": {"podSelector": {}}}
    control.create({**body, "metadata": {"name": "default-deny", "namespace": ns}})
    control.instance(ns)
    control.run(ns, "default-deny", cancel=True)
    control.wait_run("default-deny", ns, cleaned)
    control.delete(AGENT_RUN, "default-deny", ns)
    control.wait_gone(AGENT_RUN, "default-deny", ns)
    assert control.get(NETWORK_POLICIES, "default-deny", ns)


def test_a_skill_pack_leaves_the_config_map_that_has_its_name(control: Control, ns: str) -> None:
    there = control.create(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "skill-a", "namespace": ns}, "data": {"g.md": "1"}}
    )  # fmt: skip
    control.apply(
        {"apiVersion": "sympozium.ai/v1alpha1", "kind": "SkillPack", "metadata": {"name": "a", "namespace": ns},
         "spec": {"skills": [{"name": "g", "content": "x"}]}}
    )  # fmt: skip
    pack = control.wait(SKILL_PACK, "a", lambda pack: phase(pack) == "Error", ns)
    assert "ConfigMap skill-a is there and is not this pack's" in pack["status"]["conditions"][0]["message"]
    assert control.get(CONFIG_MAP, "skill-a", ns) == there


def test_a_label_does_not_give_an_account_to_a_run(control: Control, ns: str) -> None:
    """The roles of a run's accounts go with it: not those that a relabelled account names."""
    control.create(
        {"apiVersion": f"{_ROLES}/v1", "kind": "Role", "metadata": {"name": "auditors", "namespace": ns}, "rules": []}
    )  # fmt: skip
    control.create(
        {"apiVersion": f"{_ROLES}/v1", "kind": "RoleBinding", "metadata": {"name": "auditors", "namespace": ns},
         "roleRef": {"apiGroup": _ROLES, "kind": "Role", "name": "auditors"},
         "subjects": [{"kind": "User", "apiGroup": _ROLES, "name": "ann"}]}
    )  # fmt: skip
    control.instance(ns)
    labels = {"sympozium.ai/run": "r", "sympozium.ai/instance": "sre"}
    control.create(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "auditors", "namespace": ns, "labels": labels}}
    )  # fmt: skip
    control.run(ns, cancel=True)
    control.wait_run("r", ns, cleaned)
    for resource in (ROLES, ROLE_BINDINGS, SERVICE_ACCOUNT):
        assert control.get(resource, "auditors", ns)


def test_a_job_that_is_made_to_look_like_the_runs_says_nothing_about_it(control: Control, ns: str) -> None:
    """Who may create Jobs cannot write a status through one: a run has no Job before it has been planned."""
    control.instance(ns)
    run = control.run(ns, suspend=True)
    control.wait_run("r", ns, "Queued")
    owner = {
        "apiVersion": "sympozium.ai/v1alpha1", "kind": "AgentRun", "name": "r", "uid": run["metadata"]["uid"],
        "controller": True,
    }  # fmt: skip
    _, manifest = FOREIGN["Job"]
    labels = {"sympozium.ai/run": "r", "sympozium.ai/instance": "sre"}
    meta = {"name": "r", "namespace": ns, "labels": labels, "ownerReferences": [owner]}
    control.create({"kind": "Job", **manifest, "metadata": meta})
    status = control.wait_run("r", ns, cleaned)["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "PlanFailed")
    assert "Job r is there and is not this run's" in status["error"]
    assert jobs_of(control, "r", ns) == []
