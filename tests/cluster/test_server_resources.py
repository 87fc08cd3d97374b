"""Objects of our kinds over REST: as each person, and no more than Kubernetes lets them."""

from collections.abc import Iterator
from typing import Any

import pytest

from cluster.api_server import ApiServer, installed, server
from cluster.people import bind
from sympozium.testing.kube import KubeAPI
from sympozium.testing.resources import EVENT, INSTANCE, NAMESPACE, POLICY

__all__ = ["installed", "server"]

TEAM, OTHER = "team", "other"
VIEWER, EDITOR, STRANGER, ADMIN = "viewer-token", "operator-token", "stranger-token", "admin-token"
INSTANCES = f"/namespaces/{TEAM}/resources/sympoziuminstances"


@pytest.fixture(scope="module")
def kube(installed: KubeAPI) -> Iterator[KubeAPI]:
    """`viewer` sees `team`, `operator` edits it; `stranger` has rights in `other` alone."""
    for name in (TEAM, OTHER):
        installed.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    for user, role, namespace in (
        ("viewer", "view", TEAM),
        ("operator", "edit", TEAM),
        ("stranger", "edit", OTHER),
    ):
        bind(installed, user, role, namespace)
    return installed


def _instance(name: str, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **metadata}, "spec": {"agents": {"default": {"model": "m"}}}}


def _manifest(name: str) -> dict[str, Any]:
    return {"apiVersion": "sympozium.ai/v1alpha1", "kind": "SympoziumInstance", **_instance(name)}


def test_an_object_is_made_changed_and_removed_by_who_may(kube: KubeAPI, server: ApiServer) -> None:
    made = server.ask("POST", INSTANCES, _instance("one"), token=EDITOR)
    assert made.status_code == 201, made.text
    obj = made.json()["object"]
    assert obj["kind"] == "SympoziumInstance"
    assert "managedFields" not in obj["metadata"]
    assert made.json()["warnings"] == []

    obj["spec"]["displayName"] = "One"
    changed = server.ask("PUT", f"{INSTANCES}/one", obj, token=EDITOR)
    assert changed.json()["object"]["spec"]["displayName"] == "One"
    stale = server.ask("PUT", f"{INSTANCES}/one", obj, token=EDITOR)
    assert (stale.status_code, stale.json()["reason"]) == (409, "Conflict")
    del obj["metadata"]["resourceVersion"]
    blind = server.ask("PUT", f"{INSTANCES}/one", obj, token=EDITOR)
    assert (blind.status_code, blind.json()["causes"][0]["field"]) == (422, "metadata.resourceVersion")

    patched = server.ask("PATCH", f"{INSTANCES}/one", {"spec": {"displayName": None}}, token=EDITOR)
    assert "displayName" not in patched.json()["object"]["spec"]
    tried = server.ask("DELETE", f"{INSTANCES}/one?dryRun=true", token=EDITOR)
    assert tried.status_code == 200, tried.text
    assert kube.find(INSTANCE, "one", TEAM) is not None
    assert server.ask("DELETE", f"{INSTANCES}/one?uid=another", token=EDITOR).status_code == 409
    gone = server.ask("DELETE", f"{INSTANCES}/one", token=EDITOR)
    assert gone.json() == {"object": None, "warnings": []}
    assert server.ask("GET", f"{INSTANCES}/one", token=EDITOR).json()["reason"] == "NotFound"


def test_who_may_not_is_told_by_kubernetes(kube: KubeAPI, server: ApiServer) -> None:
    kube.apply(_manifest("kept") | {"metadata": {"name": "kept", "namespace": TEAM}})
    reads = (
        f"{INSTANCES}/kept",
        f"{INSTANCES}/kept/events",
        f"/resources/sympoziuminstances?namespace={TEAM}",
    )
    for path in reads:
        assert server.ask("GET", path, token=VIEWER).status_code == 200
        assert server.ask("GET", path, token=STRANGER).status_code == 403
        assert server.ask("GET", path, token="nonsense").status_code == 401
        assert server.ask("GET", path).status_code == 401
    writes: tuple[tuple[str, str, Any], ...] = (
        ("POST", INSTANCES, _instance("two")),
        ("PUT", f"{INSTANCES}/kept", _instance("kept", resourceVersion="1")),
        ("PATCH", f"{INSTANCES}/kept", {"spec": {"displayName": "x"}}),
        ("DELETE", f"{INSTANCES}/kept", None),
        ("POST", "/apply", {"yaml": "{apiVersion: sympozium.ai/v1alpha1, kind: SympoziumInstance, metadata: {name: kept}}",
                            "namespace": TEAM}),
    )  # fmt: skip
    for method, path, body in writes:
        for token, status in ((VIEWER, 403), (STRANGER, 403), ("nonsense", 401), ("", 401)):
            answer = server.ask(method, path, body, token=token)
            assert answer.status_code == status, (method, path, token, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
    # An editor of a namespace does not decide what agents may.
    policies = f"/namespaces/{TEAM}/resources/sympoziumpolicies"
    answer = server.ask("POST", policies, {"metadata": {"name": "p"}, "spec": {}}, token=EDITOR)
    assert (answer.status_code, answer.json()["reason"]) == (403, "Forbidden")
    assert kube.find(POLICY, "p", TEAM) is None


def test_a_list_comes_in_pages_and_of_what_was_selected(kube: KubeAPI, server: ApiServer) -> None:
    for number in range(3):
        obj = _manifest(f"page-{number}")
        obj["metadata"] |= {"namespace": TEAM, "labels": {"page": "yes"}}
        kube.apply(obj)
    path = f"/resources/sympoziuminstances?namespace={TEAM}&labels=page%3Dyes&limit=2"
    first = server.ask("GET", path, token=VIEWER).json()
    assert [item["metadata"]["name"] for item in first["items"]] == ["page-0", "page-1"]
    assert {item["kind"] for item in first["items"]} == {"SympoziumInstance"}
    rest = server.ask("GET", f"{path}&continue={first['continue']}", token=VIEWER).json()
    assert [item["metadata"]["name"] for item in rest["items"]] == ["page-2"]
    assert rest["continue"] == ""
    named = server.ask("GET", f"{path}&fields=metadata.name%3Dpage-1", token=VIEWER).json()
    assert [item["metadata"]["name"] for item in named["items"]] == ["page-1"]
    assert server.ask("GET", "/resources/sympoziuminstances", token=VIEWER).status_code == 403
    assert len(server.ask("GET", "/resources/sympoziuminstances", token=ADMIN).json()["items"]) >= 3


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (_instance("x") | {"kind": "SympoziumPolicy"}, "kind"),
        (_instance("x", namespace=OTHER), "metadata.namespace"),
        ({"metadata": [], "spec": {}}, "metadata"),
        ({"metadata": {"name": "x"}, "spec": {"agents": {"default": {"model": "m"}}, "nonsense": 1}}, ""),
    ],
)
def test_what_cannot_be_meant_is_refused(
    kube: KubeAPI, server: ApiServer, body: dict[str, Any], field: str
) -> None:
    answer = server.ask("POST", INSTANCES, body, token=EDITOR)
    assert answer.status_code in (400, 422), answer.text
    problem = answer.json()
    assert (
        field in {cause["field"] for cause in problem["causes"]} if field else "nonsense" in problem["detail"]
    )
    assert kube.find(INSTANCE, "x", TEAM) is None


@pytest.mark.parametrize("name", ["..", "%2e%2e", "a%2Fb", "UPPER", "a b"])
def test_no_name_leads_elsewhere(server: ApiServer, name: str) -> None:
    for path in (f"{INSTANCES}/{name}", f"/namespaces/{name}/resources/sympoziuminstances/x"):
        assert server.ask("DELETE", path, token=ADMIN).status_code in (404, 405, 422)
    assert server.ask("GET", f"/namespaces/{TEAM}/resources/secrets/x", token=ADMIN).status_code == 404


def test_events_are_those_of_the_object_newest_last(kube: KubeAPI, server: ApiServer) -> None:
    obj = kube.apply(_manifest("evented") | {"metadata": {"name": "evented", "namespace": TEAM}})[0]
    for name, kind, uid, at in (
        ("late", "SympoziumInstance", obj["metadata"]["uid"], "2026-11-27T11:00:00Z"),
        ("early", "SympoziumInstance", obj["metadata"]["uid"], "2026-11-27T10:00:00Z"),
        ("of-a-namesake", "SympoziumInstance", "before", "2026-11-27T10:30:00Z"),
        ("of-another-kind", "SympoziumPolicy", "u", "2026-11-27T10:30:00Z"),
    ):
        kube.create(
            {
                "apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": TEAM},
                "involvedObject": {"kind": kind, "name": "evented", "namespace": TEAM, "uid": uid},
                "reason": "R", "message": "m", "type": "Normal", "lastTimestamp": at,
            }
        )  # fmt: skip
    found = server.ask("GET", f"{INSTANCES}/evented/events", token=VIEWER).json()["items"]
    assert [event["metadata"]["name"] for event in found] == ["early", "late"]
    assert kube.find(EVENT, "late", TEAM) is not None


def test_events_of_a_run_are_also_those_of_its_job_and_pods(kube: KubeAPI, server: ApiServer) -> None:
    run = {
        "apiVersion": "sympozium.ai/v1alpha1", "kind": "AgentRun", "metadata": {"name": "r", "namespace": TEAM},
        "spec": {"instanceRef": "i", "task": "t"},
    }  # fmt: skip
    made = kube.create(run)
    status = {"status": {"phase": "Failed", "jobName": "r-job", "podName": "r-job-x"}}
    path = f"/apis/sympozium.ai/v1alpha1/namespaces/{TEAM}/agentruns/r/status"
    kube.request("PATCH", path, status, content_type="application/merge-patch+json")
    involved = (
        ("AgentRun", "r", made["metadata"]["uid"]),
        ("Job", "r-job", ""),
        ("Pod", "r-job-x", ""),
        ("Pod", "y", ""),
    )
    for number, (kind, name, uid) in enumerate(involved):
        about = {"kind": kind, "name": name, "namespace": TEAM, **({"uid": uid} if uid else {})}
        kube.create(
            {
                "apiVersion": "v1", "kind": "Event", "metadata": {"name": f"r{number}", "namespace": TEAM},
                "involvedObject": about, "reason": "R", "message": "m", "type": "Normal",
                "lastTimestamp": f"2026-11-27T10:0{number}:00Z",
            }
        )  # fmt: skip
    found = server.ask("GET", f"/namespaces/{TEAM}/resources/agentruns/r/events", token=VIEWER).json()[
        "items"
    ]
    assert [event["metadata"]["name"] for event in found] == ["r0", "r1", "r2"]


APPLIED = """
apiVersion: sympozium.ai/v1alpha1
kind: SympoziumInstance
metadata: {name: applied}
spec: {agents: {default: {model: m1}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: applied}
data: {a: "1"}
"""


def test_documents_are_applied_in_order_and_say_what_became_of_them(kube: KubeAPI, server: ApiServer) -> None:
    def apply(text: str, **order: Any) -> Any:
        answer = server.ask("POST", "/apply", {"yaml": text, "namespace": TEAM, **order}, token=EDITOR)
        assert answer.status_code == 200, answer.text
        return [(item["object"]["kind"], item["action"]) for item in answer.json()["items"]]

    tried = apply(APPLIED, dryRun=True)
    assert tried == [("SympoziumInstance", "created"), ("ConfigMap", "created")]
    assert kube.find(INSTANCE, "applied", TEAM) is None
    assert apply(APPLIED) == tried
    assert apply(APPLIED, dryRun=True) == [("SympoziumInstance", "unchanged"), ("ConfigMap", "unchanged")]
    assert apply(APPLIED) == [("SympoziumInstance", "unchanged"), ("ConfigMap", "unchanged")]
    other = APPLIED.replace("m1", "m2")
    assert apply(other, dryRun=True)[0] == ("SympoziumInstance", "configured")
    assert apply(other)[0] == ("SympoziumInstance", "configured")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: [1", 2, "not valid YAML"),
        ("a: 1\nb: 2\na: 3", 3, "stands twice"),
        ("just text", 1, "an object is expected"),
        (APPLIED.replace("m1", "m1, nonsense: 1"), 2, "nonsense"),
        (APPLIED.replace("apiVersion: v1", "apiVersion: ../v1"), 7, "is no apiVersion"),
        (APPLIED.replace("ConfigMap", "Nothing"), 7, "knows no kind 'Nothing'"),
        ("---\n{apiVersion: v1, kind: ConfigMap}", 2, "needs apiVersion, kind and metadata"),
    ],
)
def test_a_mistake_in_a_document_is_named_with_its_line(
    kube: KubeAPI, server: ApiServer, text: str, line: int, words: str
) -> None:
    answer = server.ask("POST", "/apply", {"yaml": text, "namespace": TEAM, "dryRun": True}, token=EDITOR)
    assert answer.status_code in (400, 422), answer.text
    problem = answer.json()
    assert words in problem["detail"]
    assert problem["causes"][0]["line"] == str(line), problem


def test_kinds_have_their_schemas(server: ApiServer) -> None:
    kinds = {kind["plural"]: kind for kind in server.ask("GET", "/kinds", token=STRANGER).json()["items"]}
    assert kinds["agentruns"]["shortNames"] == ["arun"]
    assert "task" in kinds["agentruns"]["schema"]["properties"]["spec"]["properties"]
    assert server.ask("GET", "/kinds", token="nonsense").status_code == 401


def test_namespaces_are_those_that_one_may_see(kube: KubeAPI, server: ApiServer) -> None:
    for namespace in (TEAM, OTHER):
        kube.apply(_manifest("i") | {"metadata": {"name": "i", "namespace": namespace}})
    seen = server.ask("GET", "/namespaces", token=ADMIN).json()
    everything = {obj["metadata"]["name"] for obj in kube.items(NAMESPACE)}
    assert {item["name"] for item in seen["items"]} == everything
    assert seen["partial"] is False
    for token, namespace in ((VIEWER, TEAM), (STRANGER, OTHER)):
        seen = server.ask("GET", "/namespaces", token=token).json()
        assert seen == {"items": [{"name": namespace, "agents": True}], "partial": True}
    assert server.ask("GET", "/namespaces", token="nobody-token").json() == {"items": [], "partial": True}
