"""Approvals, packs, schedules, policies, skills and instances over REST: as each person, in the words of the contract."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cluster.api_server import SYSTEM, ApiServer, installed, server
from cluster.people import bind
from sympozium.catalog import documents
from sympozium.testing.kube import KubeAPI
from sympozium.testing.resources import APPROVAL_REQUEST, PERSONA_PACK, SCHEDULE
from sympozium.testing.waiting import until

__all__ = ["installed", "server"]

TEAM, OTHER = "team", "other"
VIEWER, APPROVER, EDITOR, STRANGER = "viewer-token", "approver-token", "operator-token", "stranger-token"
ADMIN = "admin-token"
API = "sympozium.ai/v1alpha1"
DIGEST = "sha256:" + "0" * 64
LISTS = ("approvals", "packs", "schedules", "policies", "skills", "instances")


@pytest.fixture(scope="module")
def kube(installed: KubeAPI) -> Iterator[KubeAPI]:
    """In `team` each has a role of their name's; `stranger` has rights in `other` alone. The catalogue is there."""
    for name in (TEAM, OTHER):
        installed.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    for user, role, namespace in (
        ("viewer", "view", TEAM),
        ("approver", "sympozium-approver", TEAM),
        ("operator", "edit", TEAM),
        ("operator", "view", SYSTEM),
        ("stranger", "edit", OTHER),
    ):
        bind(installed, user, role, namespace)
    for document in documents():
        installed.apply(document)
    for namespace in (TEAM, OTHER):
        _furnish(installed, namespace)
    return installed


def _furnish(kube: KubeAPI, namespace: str) -> None:
    """One of each: an instance with a skill, a run of it that a schedule made, an approval, a policy."""
    pack = {"skills": [{"name": "s", "description": "looks", "content": "# how"}],
            "sidecar": {"image": "img", "rbac": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}}  # fmt: skip
    _create(kube, namespace, "SkillPack", "looker", pack)
    agents = {"agents": {"default": {"model": "m", "baseURL": "http://model"}}, "policyRef": "mine",
              "skills": [{"skillPackRef": "looker"}]}  # fmt: skip
    _create(kube, namespace, "SympoziumInstance", "sre", agents)
    _create(
        kube, namespace, "SympoziumSchedule", "nightly",
        {"instanceRef": "sre", "schedule": "0 3 * * *", "task": "look", "timeZone": "Europe/Berlin"},
    )  # fmt: skip
    run = {"instanceRef": "sre", "task": "look"}
    labels = {"sympozium.ai/schedule": "nightly"}
    ticked = {"labels": labels, "annotations": {"sympozium.ai/tick": "2026-11-26T02:00:00+00:00"}}
    _create(kube, namespace, "AgentRun", "r1", run, **ticked)
    _create(kube, namespace, "AgentRun", "r2", run)
    now = datetime.now(UTC)
    for name, hours in (("later", 2), ("sooner", 1)):
        spec = {
            "runRef": "r1", "tool": "execute_command", "target": "shell", "argsDigest": DIGEST,
            "args": {"command": "rm x"}, "requestedAt": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "expiresAt": f"{now + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}",
            "preview": {"kind": "command", "text": "rm x"},
        }  # fmt: skip
        _create(kube, namespace, "ApprovalRequest", name, spec)
    gating = {"toolGating": {"defaultAction": "ask", "rules": [{"tool": "read_file", "action": "allow"}]}}
    _create(kube, namespace, "SympoziumPolicy", "mine", gating)


def _create(kube: KubeAPI, namespace: str, kind: str, name: str, spec: Any, **metadata: Any) -> None:
    meta = {"name": name, "namespace": namespace, **metadata}
    kube.apply({"apiVersion": API, "kind": kind, "metadata": meta, "spec": spec})


def _list(server: ApiServer, path: str, token: str) -> list[dict[str, Any]]:
    answer = server.ask("GET", path, token=token)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


@pytest.mark.parametrize("what", LISTS)
def test_a_list_has_what_its_reader_may_list(kube: KubeAPI, server: ApiServer, what: str) -> None:
    until(lambda: len(_list(server, f"/{what}", ADMIN)) > 0, "the server's copies have what was made")
    seen = {item["namespace"] for item in _list(server, f"/{what}", VIEWER)}
    assert seen <= {TEAM}
    assert {item["namespace"] for item in _list(server, f"/{what}", STRANGER)} <= {OTHER}
    assert _list(server, f"/{what}", "nobody-token") == []
    assert {item["namespace"] for item in _list(server, f"/{what}?namespace={TEAM}", VIEWER)} <= {TEAM}
    for token, status in ((STRANGER, 403), ("nobody-token", 403), ("nonsense", 401), ("", 401)):
        assert server.ask("GET", f"/{what}?namespace={TEAM}", token=token).status_code == status
    assert server.ask("GET", f"/{what}?namespace=..", token=ADMIN).status_code == 422


def test_an_approval_is_decided_by_who_may_and_about_what_was_seen(kube: KubeAPI, server: ApiServer) -> None:
    until(lambda: len(_list(server, f"/approvals?namespace={TEAM}", VIEWER)) == 2, "both wait")
    first, second = _list(server, f"/approvals?namespace={TEAM}", APPROVER)
    assert (first["name"], second["name"]) == ("sooner", "later")
    assert first["mayDecide"] is True
    assert (first["tool"], first["target"], first["args"]) == (
        "execute_command",
        "shell",
        {"command": "rm x"},
    )
    assert (first["instance"], first["preview"]["kind"]) == ("sre", "command")
    assert [one["mayDecide"] for one in _list(server, f"/approvals?namespace={TEAM}", VIEWER)] == [
        False,
        False,
    ]

    path = f"/namespaces/{TEAM}/approvals/sooner"
    for token in (VIEWER, EDITOR, STRANGER):
        assert server.ask("POST", f"{path}/approve", {}, token=token).status_code == 403
    other = server.ask("POST", f"{path}/approve", {"argsDigest": "sha256:" + "1" * 64}, token=APPROVER)
    assert other.status_code == 409
    assert "look again" in other.json()["detail"]
    assert not kube.get(APPROVAL_REQUEST, "sooner", TEAM).get("status", {}).get("decision")
    body = {"argsDigest": DIGEST, "comment": "fine", "scope": "run"}
    done = server.ask("POST", f"{path}/approve", body, token=APPROVER)
    assert done.status_code == 200, done.text
    assert (done.json()["decision"], done.json()["comment"], done.json()["mayDecide"]) == (
        "Approved",
        "fine",
        False,
    )
    assert server.ask("POST", f"{path}/deny", token=APPROVER).status_code == 409
    assert server.ask("POST", f"/namespaces/{TEAM}/approvals/none/deny", token=APPROVER).status_code == 404
    until(lambda: len(_list(server, f"/approvals?namespace={TEAM}", VIEWER)) == 1, "one waits")
    decided = _list(server, f"/approvals?namespace={TEAM}&state=decided", VIEWER)
    assert [one["name"] for one in decided] == ["sooner"]
    assert len(_list(server, f"/approvals?namespace={TEAM}&state=all", VIEWER)) == 2
    denied = server.ask("POST", f"/namespaces/{TEAM}/approvals/later/deny", {"comment": "no"}, token=APPROVER)
    assert denied.json()["decision"] == "Denied"


def test_a_pack_is_put_to_work_and_taken_away(kube: KubeAPI, server: ApiServer) -> None:
    until(lambda: _list(server, "/packs", EDITOR), "the catalogue is in the copies")
    (entry,) = [pack for pack in _list(server, "/packs", EDITOR) if pack["name"] == "platform-team"]
    assert (entry["catalogue"], entry["enabled"], entry["enabledIn"]) == (True, False, [])
    assert all(persona["schedule"] is None or persona["schedule"] for persona in entry["personas"])
    path = f"/namespaces/{TEAM}/packs/platform-team"
    assert server.ask("POST", f"{path}/enable", token=VIEWER).status_code == 403
    wrong = server.ask("POST", f"{path}/enable", {"excludePersonas": ["nobody"]}, token=EDITOR)
    assert (wrong.status_code, "has no persona nobody" in wrong.json()["detail"]) == (400, True)
    assert server.ask("POST", f"{path}/enable", {"nonsense": 1}, token=EDITOR).status_code == 422
    settings = {"model": "m9", "baseURL": "http://m", "authRefs": [{"secret": "key"}]}
    made = server.ask("POST", f"{path}/enable", settings, token=EDITOR)
    assert made.status_code == 200, made.text
    spec = kube.get(PERSONA_PACK, "platform-team", TEAM)["spec"]
    assert (spec["enabled"], spec["model"], spec["baseURL"]) == (True, "m9", "http://m")
    assert spec["authRefs"] == [{"secret": "key"}]

    def at_work() -> list[str]:
        found = [pack for pack in _list(server, "/packs", EDITOR) if pack["catalogue"]]
        return list(next(pack for pack in found if pack["name"] == "platform-team")["enabledIn"])

    until(lambda: at_work() == [TEAM], "the catalogue says where it is at work")
    assert server.ask("POST", f"{path}/disable", token=EDITOR).json()["object"]["spec"]["enabled"] is False
    assert server.ask("POST", f"/namespaces/{TEAM}/packs/none/disable", token=EDITOR).status_code == 404


def test_a_schedule_tells_its_past_and_its_next_ticks(kube: KubeAPI, server: ApiServer) -> None:
    path = f"/schedules?namespace={TEAM}&next=2"
    until(lambda: _list(server, path, VIEWER)[0]["past"], "the run of the schedule is in the copies")
    (found,) = _list(server, path, VIEWER)
    assert found["past"] == [{"at": "2026-11-26T02:00:00Z", "run": "r1", "phase": "Pending"}]
    assert len(found["next"]) == 2
    assert all(tick.endswith((":00:00Z",)) for tick in found["next"])
    assert (found["timeZone"], found["suspended"], found["missed"]) == ("Europe/Berlin", False, 0)
    order = f"/namespaces/{TEAM}/schedules/nightly"
    for what in ("suspend", "resume", "fire"):
        assert server.ask("POST", f"{order}/{what}", token=VIEWER).status_code == 403
        assert (
            server.ask("POST", f"/namespaces/{TEAM}/schedules/none/{what}", token=EDITOR).status_code == 404
        )
    assert server.ask("POST", f"{order}/suspend", token=EDITOR).json()["object"]["spec"]["suspend"] is True
    until(lambda: _list(server, path, VIEWER)[0]["next"] == [], "a suspended schedule is never due")
    assert server.ask("POST", f"{order}/resume", token=EDITOR).status_code == 200
    fired = server.ask("POST", f"{order}/fire", token=EDITOR)
    assert fired.status_code == 202
    token = kube.get(SCHEDULE, "nightly", TEAM)["metadata"]["annotations"]["sympozium.ai/fire"]
    assert fired.json()["name"] == f"nightly-fire-{token}"


def test_skills_and_instances_tell_who_uses_what(kube: KubeAPI, server: ApiServer) -> None:
    (skill,) = _list(server, f"/skills?namespace={TEAM}", VIEWER)
    assert (skill["sidecar"], skill["description"], skill["usedBy"]) == ("img", "looks", [f"{TEAM}/sre"])
    assert skill["rights"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "cluster": False}]
    # Who may list skills in two namespaces and instances in one reads nothing of the other's instances.
    assert {user for one in _list(server, "/skills", EDITOR) for user in one["usedBy"]} == {f"{TEAM}/sre"}
    until(
        lambda: _list(server, f"/instances?namespace={TEAM}", VIEWER)[0]["lastRun"],
        "the runs are in the copies",
    )
    (instance,) = _list(server, f"/instances?namespace={TEAM}", VIEWER)
    assert (instance["model"], instance["baseURL"], instance["policy"]) == ("m", "http://model", "mine")
    assert instance["lastRun"]["name"] == "r2"


POLICY = """apiVersion: sympozium.ai/v1alpha1
kind: SympoziumPolicy
metadata: {name: new}
spec:
  toolGating:
    defaultAction: allow
    rules:
      - {tool: execute_command, action: deny, when: "args.command.startsWith('rm')", reason: no removal}
"""


def test_a_policy_is_checked_with_lines(kube: KubeAPI, server: ApiServer) -> None:
    def check(text: str) -> list[tuple[str, int, str]]:
        answer = server.ask("POST", "/policies/check", {"yaml": text}, token="nobody-token")
        assert answer.status_code == 200, answer.text
        return [(one["severity"], one["line"], one["path"]) for one in answer.json()["findings"]]

    assert check(POLICY) == []
    assert check(POLICY.replace("startsWith('rm')", "nonsense(")) == [
        ("error", 8, "spec.toolGating.rules[0].when")
    ]
    assert check(POLICY.replace("allow", "perhaps")) == [("error", 6, "spec.toolGating.defaultAction")]
    assert check("a: [1") == [("error", 2, "")]
    assert check("{kind: ConfigMap}") == [("error", 1, "kind")]
    many = "".join(f"      - {{tool: t{n}, action: deny}}\n" for n in range(1001))
    assert check(POLICY + many) == [("error", 7, "spec.toolGating.rules")]
    assert server.ask("POST", "/policies/check", {"yaml": POLICY}, token="nonsense").status_code == 401


def test_a_call_is_tried_under_a_policy_and_the_floor(kube: KubeAPI, server: ApiServer) -> None:
    def attempt(token: str, command: str = "rm x", **asked: Any) -> Any:
        call = {"tool": "execute_command", "args": {"command": command}}
        return server.ask("POST", "/policies/try", {"call": call, **asked}, token=token)

    found = attempt(EDITOR, yaml=POLICY).json()
    assert (found["action"], found["reason"], found["unread"]) == ("deny", "no removal", [])
    assert (found["layers"][0]["policy"], found["layers"][0]["index"]) == ("new", 0)
    assert attempt(EDITOR, "ls", yaml=POLICY).json()["action"] == "allow"
    of_instance = attempt(VIEWER, instance={"namespace": TEAM, "name": "sre"}).json()
    assert (of_instance["action"], of_instance["layers"][0]["index"]) == ("ask", None)
    # The viewer may not read the system namespace: what is left out for that is said.
    assert "floor" in of_instance["unread"][0]
    named = attempt(VIEWER, policy={"namespace": TEAM, "name": "mine"}).json()
    assert named["action"] == "ask"
    assert attempt(STRANGER, policy={"namespace": TEAM, "name": "mine"}).status_code == 403
    assert attempt(STRANGER, instance={"namespace": TEAM, "name": "sre"}).status_code == 403
    assert attempt(EDITOR).status_code == 422
    wrong = attempt(EDITOR, yaml=POLICY.replace("allow", "perhaps"))
    assert (wrong.status_code, wrong.json()["causes"][0]["line"]) == (422, "6")


def test_past_runs_are_judged_for_who_may_read_what_they_said(kube: KubeAPI, server: ApiServer) -> None:
    order = {"yaml": POLICY, "namespace": TEAM}
    assert server.ask("POST", "/policies/backtest", order, token=STRANGER).status_code == 403
    assert server.ask("POST", "/policies/backtest", {"yaml": POLICY}, token=VIEWER).status_code == 403
    assert server.ask("POST", "/policies/backtest", {"namespace": TEAM}, token=VIEWER).status_code == 422
    # There is no bus here.
    assert server.ask("POST", "/policies/backtest", order, token=VIEWER).status_code == 503
    none = server.ask(
        "POST", "/policies/backtest", order | {"since": "0s", "instance": "x"}, token=VIEWER
    ).json()
    assert (none["runs"], none["calls"], none["changes"]) == (0, 0, [])


def test_policies_are_shown_with_their_defaults(kube: KubeAPI, server: ApiServer) -> None:
    until(lambda: _list(server, f"/policies?namespace={TEAM}", VIEWER), "the policy is in the copies")
    (found,) = _list(server, f"/policies?namespace={TEAM}", VIEWER)
    assert found["name"] == "mine"
    assert "enforcement: Enforce" in found["effective"]
