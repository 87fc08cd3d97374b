"""What the controllers apply for the chart, and what is done before an installation goes; on an API without either's processes."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Coroutine
from importlib import resources as files
from typing import Any

import pytest
import yaml

from cluster.localkube_fixture import LocalKube, kube
from sympozium import catalog, resources
from sympozium.actions.teardown import CERTIFICATES, Outcome, forget, teardown
from sympozium.api.run import FINALIZER
from sympozium.controllers.catalogue import CONFIG_MAP as CATALOG, CatalogueController
from sympozium.controllers.context import Caches, Context
from sympozium.kube import Client, Request, RetryLaterError
from sympozium.kube.events import Recorder
from sympozium.kube.resources import CLUSTER_ROLE_BINDINGS, CUSTOM_RESOURCE_DEFINITIONS
from sympozium.testing import AGENT_RUN, CONFIG_MAP, EVENT, JOB, POLICY, SECRET, SKILL_PACK
from sympozium.testing.client import Object
from sympozium.testing.resources import SERVICE_ACCOUNT, SYMPOZIUM_CONFIG
from sympozium.testing.waiting import until

__all__ = ["kube"]
NAMESPACE = "sympozium-system"
ALL = {"policies": "true", "skills": "true", "packs": "true"}


@pytest.fixture(autouse=True)
def installed(kube: LocalKube) -> None:
    """Our kinds, and an empty system namespace."""
    for file in (files.files("sympozium.api") / "crds").iterdir():
        if file.name.endswith(".yaml"):
            kube.apply(yaml.load(file.read_text(), yaml.CSafeLoader))
    for resource in resources.OF_PLURAL.values():
        kube.wait(CUSTOM_RESOURCE_DEFINITIONS, f"{resource.plural}.{resource.group}", _established)
    for name in (NAMESPACE, "team"):
        kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


def _established(crd: Object) -> bool:
    conditions = (crd.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


async def _catalogue(client: Client) -> None:
    """One pass over all objects, and the Events written."""
    recorder = Recorder(client, "test")
    controller = CatalogueController(Context(client, Caches(client), recorder, NAMESPACE))
    await controller.reconcile(Request(NAMESPACE, CATALOG))
    for key in (
        *(f"{d['kind']}/{d['metadata']['name']}" for d in catalog.documents()),
        "SympoziumConfig/default",
    ):
        await controller.reconcile(Request(NAMESPACE, key))
    while not recorder._queue.empty():
        await recorder._write(recorder._queue.get_nowait())


def run(kube: LocalKube, work: Any) -> Any:
    async def main() -> Any:
        async with Client.connect(kube.kubeconfig, field_manager="sympozium-controller") as client:
            result: Coroutine[Any, Any, Any] = work(client)
            return await result

    return asyncio.run(main())


def brings(kube: LocalKube, config: Object, **parts: str) -> None:
    data = {**parts, "config.json": json.dumps(config)}
    kube.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": CATALOG, "namespace": NAMESPACE},
            "data": data,
        }
    )


def reasons(kube: LocalKube, kind: str) -> set[str]:
    return {e["reason"] for e in kube.items(EVENT, NAMESPACE) if e["involvedObject"]["kind"] == kind}


def test_what_is_built_in_gives_way_and_what_is_a_value_does_not(kube: LocalKube) -> None:
    brings(kube, {"model": "one", "runTimeout": "10m"}, **ALL)
    run(kube, _catalogue)
    assert {p["metadata"]["name"] for p in kube.items(POLICY, NAMESPACE)} == {
        "default-policy",
        "restrictive-policy",
    }
    kube.patch(POLICY, "default-policy", {"spec": {"approvals": {"timeout": "2h"}}}, NAMESPACE)
    kube.patch(SYMPOZIUM_CONFIG, "default", {"spec": {"model": "other", "provider": "mine"}}, NAMESPACE)

    brings(kube, {"model": "two"}, **ALL)
    run(kube, _catalogue)
    assert kube.get(POLICY, "default-policy", NAMESPACE)["spec"]["approvals"]["timeout"] == "2h"
    spec = kube.get(SYMPOZIUM_CONFIG, "default", NAMESPACE)["spec"]
    assert (spec["model"], spec["provider"], spec["runTimeout"]) == ("two", "mine", "30m")
    until(lambda: "CatalogKept" in reasons(kube, "SympoziumPolicy"), "an Event about the policy")
    until(lambda: "ValuesWin" in reasons(kube, "SympoziumConfig"), "an Event about the configuration")


def test_only_what_is_wanted_is_applied_and_without_a_chart_nothing(kube: LocalKube) -> None:
    kube.request("DELETE", SKILL_PACK.path(NAMESPACE))
    kube.request("DELETE", POLICY.path(NAMESPACE))
    brings(kube, {}, policies="false", skills="true", packs="false")
    run(kube, _catalogue)
    assert [p["metadata"]["name"] for p in kube.items(SKILL_PACK, NAMESPACE)] == ["k8s-ops"]
    assert kube.items(POLICY, NAMESPACE) == []
    kube.request("DELETE", SKILL_PACK.path(NAMESPACE))
    kube.request("DELETE", CONFIG_MAP.path(NAMESPACE, CATALOG))
    run(kube, _catalogue)
    assert kube.items(SKILL_PACK, NAMESPACE) == []


@pytest.mark.parametrize("config", ["{", "[]"])
def test_what_cannot_be_read_is_said_and_read_again(kube: LocalKube, config: str) -> None:
    kube.request("DELETE", EVENT.path(NAMESPACE))
    brings(kube, {}, **ALL)
    kube.patch(CONFIG_MAP, CATALOG, {"data": {"config.json": config}}, NAMESPACE)
    run(kube, _catalogue)
    until(lambda: "CatalogUnreadable" in reasons(kube, "ConfigMap"), "an Event about the ConfigMap")


def test_runs_of_an_installation_elsewhere_are_left_alone(kube: LocalKube) -> None:
    """A namespace that was mistyped, a second release that did not become one."""
    hook = {
        "name": "w.sympozium.ai", "sideEffects": "None", "admissionReviewVersions": ["v1"], "failurePolicy": "Ignore",
        "clientConfig": {"service": {"name": "sympozium-webhook", "namespace": "elsewhere"}},
        "rules": [{"apiGroups": ["none.example.org"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["x"]}],
    }  # fmt: skip
    kube.apply(
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "sympozium"},
            "webhooks": [hook],
        }
    )
    try:
        _abandoned(kube, "elsewheres")
        before = kube.get(AGENT_RUN, "elsewheres", "team")
        said: list[str] = []
        outcome = _teardown(kube, said, purge=True)
        assert (outcome.cancelled, outcome.released, outcome.purged) == (0, 0, 0)
        assert "belong to the installation in elsewhere" in said[0]
        run(kube, lambda client: forget(client, NAMESPACE))
        assert kube.get(AGENT_RUN, "elsewheres", "team")["spec"] == before["spec"]
    finally:
        kube.request(
            "DELETE", "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/sympozium"
        )
    done = subprocess.run(
        [sys.executable, "-m", "sympozium", "uninstall", "-n", "nowhere", "--purge"],
        env={**os.environ, "KUBECONFIG": str(kube.kubeconfig)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "no release sympozium in namespace nowhere" in done.stderr
    assert kube.get(AGENT_RUN, "elsewheres", "team")["spec"] == before["spec"]
    kube.patch(AGENT_RUN, "elsewheres", {"metadata": {"finalizers": None}}, "team")
    kube.request("DELETE", AGENT_RUN.path("team", "elsewheres"))


def _abandoned(kube: LocalKube, name: str) -> None:
    """A run that goes on, whose controllers are dead, and what it holds."""
    kube.create(
        {
            "apiVersion": "sympozium.ai/v1alpha1", "kind": "AgentRun",
            "metadata": {"name": name, "namespace": "team", "finalizers": [FINALIZER, "example.org/mine"]},
            "spec": {"instanceRef": "a", "task": "t"},
        }
    )  # fmt: skip
    labels = {"sympozium.ai/run": name}
    kube.create(
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": name, "namespace": "team", "labels": labels},
        }
    )
    kube.create(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name, "labels": labels},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "team"}],
        }
    )  # fmt: skip


def _teardown(kube: LocalKube, said: list[str], *, purge: bool) -> Outcome:
    outcome: Outcome = run(
        kube, lambda client: teardown(client, NAMESPACE, seconds=0.1, purge=purge, told=said.append)
    )
    return outcome


def test_an_installation_whose_controllers_are_dead_is_taken_away(kube: LocalKube) -> None:
    _abandoned(kube, "orphan")
    said: list[str] = []
    outcome = _teardown(kube, said, purge=False)
    assert (outcome.cancelled, outcome.let_go, outcome.released, outcome.left) == (1, ["team/orphan"], 1, [])
    assert any("not ended in 0.1 s, so let go: team/orphan" in words for words in said)
    found = kube.get(AGENT_RUN, "orphan", "team")
    assert found["spec"]["cancel"] is True
    assert found["metadata"]["finalizers"] == ["example.org/mine"], "others' are theirs"
    assert kube.find(SERVICE_ACCOUNT, "orphan", "team") is None, "nobody acts as a run that is abandoned"
    assert kube.find(CLUSTER_ROLE_BINDINGS, "orphan") is None
    assert kube.items(JOB, "team") == []
    again = _teardown(kube, [], purge=False)
    assert (again.cancelled, again.let_go, again.released) == (1, [], 0)


_CERTIFICATES = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
    "metadata": {"name": "certificates.cert-manager.io"},
    "spec": {
        "group": "cert-manager.io", "scope": "Namespaced",
        "names": {"plural": "certificates", "singular": "certificate", "kind": "Certificate"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {
            "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        }}],
    },
}  # fmt: skip


def test_a_purge_leaves_nothing_and_without_the_kinds_there_is_nothing_to_do(kube: LocalKube) -> None:
    brings(kube, {"model": "one"}, **ALL)
    run(kube, _catalogue)
    _abandoned(kube, "purged")
    kube.patch(AGENT_RUN, "purged", {"metadata": {"finalizers": [FINALIZER]}}, "team")
    key = {"metadata": {"name": "sympozium-bus-operator", "namespace": NAMESPACE}}
    kube.create({"apiVersion": "v1", "kind": "Secret", **key})
    issued = {"metadata": {"name": "sympozium-webhook-ca", "namespace": NAMESPACE}}
    kube.create(_CERTIFICATES)
    kube.wait(CUSTOM_RESOURCE_DEFINITIONS, _CERTIFICATES["metadata"]["name"], _established)
    kube.create({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", **issued})
    kube.create({"apiVersion": "v1", "kind": "Secret", **issued})
    _teardown(kube, [], purge=True)
    assert kube.items(CERTIFICATES, NAMESPACE) == [], "cert-manager would make the Secret again"
    assert kube.find(SECRET, "sympozium-webhook-ca", NAMESPACE) is None
    for resource in resources.OF_PLURAL.values():
        mine = [
            o
            for o in kube.items(resource)
            if "example.org/mine" not in (o["metadata"].get("finalizers") or ())
        ]
        assert mine == [], resource.kind
    assert kube.find(SECRET, "sympozium-bus-operator", NAMESPACE) is None
    for run_ in kube.items(AGENT_RUN, "team"):
        kube.patch(AGENT_RUN, run_["metadata"]["name"], {"metadata": {"finalizers": None}}, "team")

    assert run(kube, lambda client: forget(client, NAMESPACE)) == len(resources.OF_PLURAL)
    until(
        lambda: (
            not [c for c in kube.items(CUSTOM_RESOURCE_DEFINITIONS) if "sympozium" in c["metadata"]["name"]]
        ),
        "no kinds",
    )
    said: list[str] = []
    _teardown(kube, said, purge=True)
    assert said == ["there are no AgentRuns here: their CustomResourceDefinition is not served"]


def test_a_status_of_what_goes_meanwhile_is_tried_later_without_alarm(kube: LocalKube) -> None:
    """A namespace that goes takes its policies from under the controllers."""
    policy = {"apiVersion": "sympozium.ai/v1alpha1", "kind": "SympoziumPolicy"}
    kube.apply({**policy, "metadata": {"name": "gone", "namespace": "team"}, "spec": {}})
    gone = kube.get(POLICY, "gone", "team")
    kube.delete(POLICY, "gone", "team")

    async def write(client: Client) -> None:
        caches = Caches(client)
        context = Context(client, caches, Recorder(client, "test"), NAMESPACE)
        await context.write_status(caches.policies, gone, {"boundInstances": 1})

    with pytest.raises(RetryLaterError, match="gone before its status was written"):
        run(kube, write)
