"""The install manifests: who may do what, held to it."""

import json
import os
import subprocess
import sys
from typing import Any

from tests.unit.kubernetes_schema import validate

from sympozium.api import SkillPack, SympoziumPolicy
from sympozium.api.registry import KINDS
from sympozium.api.shared import RBACRule
from sympozium.catalog import documents as catalogue, install
from sympozium.cel.environment import Environment, Program
from sympozium.cel.types import DYN
from sympozium.controllers.run.plan import plan
from sympozium.policy import Effective
from sympozium.webhook.identity import CONTROLLER
from unit.controllers.make import run
from unit.controllers.test_plan import inputs


def _rules(name: str, kind: str = "ClusterRole") -> list[dict[str, Any]]:
    return next(d for d in install.documents() if (d["kind"], d["metadata"]["name"]) == (kind, name))["rules"]  # type: ignore[no-any-return]


def _granted(rules: list[dict[str, Any]], group: str, resource: str) -> set[str]:
    return {
        verb
        for rule in rules
        if group in rule["apiGroups"] and resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_nobody_gets_everything() -> None:
    for document in install.documents():
        for rule in document.get("rules") or ():
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]], document["metadata"][
                "name"
            ]
            assert not {"escalate", "bind", "impersonate"} & set(rule["verbs"]), document["metadata"]["name"]
        if document["kind"].endswith("RoleBinding"):
            assert document["roleRef"]["name"] != "cluster-admin"


def test_secrets_are_listed_by_nobody_and_the_webhook_reads_its_own_alone() -> None:
    assert _granted(_rules("sympozium-controller"), "", "secrets") == {"get", "create", "patch", "delete"}
    assert _granted(_rules("sympozium-webhook"), "", "secrets") == set()
    own = [r for r in _rules("sympozium-webhook", "Role") if "get" in r["verbs"]]
    assert [r["resourceNames"] for r in own] == [["sympozium-webhook-tls"]]


def test_nothing_grantable_hands_on_authority() -> None:
    rules = _rules("sympozium-grantable-defaults")
    for rule in rules:
        assert "secrets" not in rule["resources"]
        assert not {"rbac.authorization.k8s.io", "authentication.k8s.io"} & set(rule["apiGroups"])
    assert not {"patch", "update", "create"} & _granted(rules, "apps", "deployments")
    assert not {"patch", "update"} & _granted(rules, "", "pods")


def test_the_catalogue_asks_for_nothing_that_would_be_cut() -> None:
    found = {(d["kind"], d["metadata"]["name"]): d for d in catalogue()}
    pack = SkillPack.model_validate(found["SkillPack", "k8s-ops"])
    policy = SympoziumPolicy.model_validate(found["SympoziumPolicy", "default-policy"])
    grantable = [
        RBACRule(api_groups=r["apiGroups"], resources=r["resources"], verbs=r["verbs"])
        for r in _rules("sympozium-grantable-defaults")
    ]
    made = plan(
        inputs(
            run_=run(skills=[{"skillPackRef": "k8s-ops"}]), packs={"k8s-ops": pack}, grantable=grantable,
            policy=Effective.of(policy),
        )
    )  # fmt: skip
    assert made.conditions == []


def test_people_decide_by_role_and_controllers_never_approve() -> None:
    for role in ("sympozium-admin", "sympozium-approver"):
        assert "patch" in _granted(_rules(role), "sympozium.ai", "approvalrequests/status")
    assert "patch" not in _granted(_rules("sympozium-edit"), "sympozium.ai", "approvalrequests/status")
    assert _granted(_rules("sympozium-view"), "sympozium.ai", "agentruns") == {"get", "list", "watch"}


def test_every_kind_can_be_seen_and_is_validated() -> None:
    kinds = {kind.plural for kind in KINDS}
    view, log = _rules("sympozium-view")
    assert set(view["resources"]) == kinds
    assert (log["resources"], log["verbs"]) == (["agentruns/log"], ["get"])
    (copies, *_) = _rules("sympozium-apiserver")
    assert (set(copies["resources"]), copies["verbs"]) == (kinds, ["get", "list", "watch"])
    validating = next(d for d in install.admission() if d["kind"].startswith("Validating"))
    rules = validating["webhooks"][0]["rules"]
    assert set(rules[0]["resources"]) == kinds


_OF_A_RUN = {"resource": {"resource": "agentruns"}, "operation": "UPDATE", "userInfo": {"username": "alice"}}
_OF_THE_SERVER = _OF_A_RUN | {
    "userInfo": {"username": f"system:serviceaccount:{install.SYSTEM_NAMESPACE}:sympozium-apiserver"}
}


def _run(secrets: str | None = None, task: str = "t") -> dict[str, Any]:
    annotations = {"annotations": {"sympozium.ai/secrets": secrets}} if secrets is not None else {}
    return {"metadata": {"name": "r", **annotations}, "spec": {"task": task}}


_UPDATES = [
    (_OF_A_RUN | {"operation": "CREATE"}, _run(), None),
    (_OF_A_RUN, _run(task="other"), _run()),
    (_OF_A_RUN, _run("a,b"), _run("a")),
    (_OF_A_RUN, _run(), _run("a")),
    (_OF_A_RUN | {"resource": {"resource": "sympoziuminstances"}}, _run(), _run()),
    (_OF_A_RUN, _run("a"), _run("a")),
    (_OF_A_RUN, _run(), _run()),
    (_OF_THE_SERVER, _run(), _run()),
]
"""(request, object, oldObject): all but the last two are the webhook's to judge."""


def test_nothing_gets_around_the_webhook() -> None:
    hooks = [w for d in install.admission() for w in d["webhooks"]]
    for hook in hooks:
        assert (hook["failurePolicy"], hook["timeoutSeconds"], hook["sideEffects"]) == ("Fail", 10, "None")
        assert hook["matchPolicy"] == "Equivalent"
        assert not hook.keys() & {"namespaceSelector", "objectSelector", "reinvocationPolicy"}
    validating, conditional = [hook for hook in hooks if "matchConditions" in hook]
    assert [rule["resources"] for rule in conditional["rules"]] == [["agentruns/status"]]
    (condition,) = conditional["matchConditions"]
    assert condition["expression"] == f'request.userInfo.username != "{CONTROLLER}"'
    (condition,) = validating["matchConditions"]
    judged = [
        program.evaluate({"request": request, "object": new, "oldObject": old})[0]
        for program in [_condition(condition["expression"])]
        for request, new, old in _UPDATES
    ]
    assert judged == [True, True, True, True, True, False, False, True]


def _condition(expression: str) -> Program:
    return Environment({"request": DYN, "object": DYN, "oldObject": DYN}).compile(expression)


def test_the_webhook_is_called_by_url_on_one_machine_and_by_service_on_a_cluster() -> None:
    local = install.admission(webhook_url="https://127.0.0.1:9443/")
    assert [w["clientConfig"] for d in local for w in d["webhooks"]] == [
        {"url": "https://127.0.0.1:9443/mutate"}, *[{"url": "https://127.0.0.1:9443/validate"}] * 2,
    ]  # fmt: skip
    service = install.admission()[0]["webhooks"][0]["clientConfig"]["service"]
    assert service == {"name": "sympozium-webhook", "namespace": "sympozium-system", "path": "/mutate"}


def test_another_namespace_is_in_every_object_and_every_expression() -> None:
    found = json.dumps(install.documents(namespace="agents"))
    assert "sympozium-system" not in found
    assert "system:serviceaccount:agents:sympozium-controller" in found


def test_what_a_process_was_started_with_is_where_it_looks() -> None:
    program = """
from sympozium.api import SYSTEM_NAMESPACE
from sympozium.api.config import ConfigSpec
from sympozium.api.images import Images
from sympozium.catalog.install import documents
from sympozium.server.guards.hosts import _SERVICE
from sympozium.webhook import identity
from sympozium.webhook.main import server_names
print(SYSTEM_NAMESPACE, documents()[0]["metadata"]["name"], identity.CONTROLLER, server_names(None)[-1])
print(Images.of(ConfigSpec()).agent, bool(_SERVICE.fullmatch("sympozium-apiserver.agents.svc")))
"""
    environment = {
        **os.environ, "SYMPOZIUM_NAMESPACE": "agents", "SYMPOZIUM_IMAGE_REGISTRY": "mirror.example/s/",
        "SYMPOZIUM_IMAGE_TAG": "v9",
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout.splitlines() == [
        "agents agents system:serviceaccount:agents:sympozium-controller sympozium-webhook.agents.svc",
        "mirror.example/s/agent:v9 True",
    ]


def test_webhook_configurations_come_last_and_namespaces_first() -> None:
    kinds = [d["kind"] for d in install.documents()]
    assert kinds[0] == "Namespace"
    assert kinds[-2:] == ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"]


def test_the_manifests_are_valid_kubernetes() -> None:
    for document in install.documents():
        validate(document, "1.34")
