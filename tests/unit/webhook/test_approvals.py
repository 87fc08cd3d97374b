from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from tests.unit.webhook.world import CONTROLLER, SYSTEM, World, review

SPEC = {
    "runRef": "r", "tool": "execute_command", "argsDigest": "sha256:" + "0" * 64,
    "requestedAt": "2026-01-01T00:00:00Z",
}  # fmt: skip


@pytest.fixture
def world() -> World:
    world = World()
    world.put("AgentRun", "ns", "r", {})
    return world


def request(
    decision: dict,
    *,
    before: dict | None = None,
    user: str = "alice",
    expires: timedelta = timedelta(hours=1),
    groups: Sequence[str] = ("system:authenticated",),
) -> dict:
    spec = {**SPEC, "expiresAt": (datetime.now(UTC) + expires).strftime("%Y-%m-%dT%H:%M:%SZ")}
    base = {
        "apiVersion": "sympozium.ai/v1alpha1",
        "kind": "ApprovalRequest",
        "metadata": {"name": "a"},
        "spec": spec,
    }
    new = {**base, "status": dict(decision)}
    old = {**base, **({"status": before} if before is not None else {})}
    return review("ApprovalRequest", new, old=old, user=user, subresource="status", groups=groups)


async def test_a_decision_gets_its_author_and_time(world: World) -> None:
    asked = request(
        {
            "decision": "Approved",
            "decidedBy": "the-boss",
            "decidedAt": "2001-01-01T00:00:00Z",
            "comment": "ok",
        }
    )
    assert (await world.admit(asked)).allowed
    status = asked["request"]["object"]["status"]
    assert status["decidedBy"] == "alice"
    assert status["decidedAt"].startswith(str(datetime.now(UTC).year))
    assert (status["scope"], status["comment"]) == ("once", "ok")


async def test_a_scope_that_was_chosen_is_kept(world: World) -> None:
    asked = request({"decision": "Approved", "scope": "run"})
    assert (await world.admit(asked)).allowed
    assert asked["request"]["object"]["status"]["scope"] == "run"


async def test_a_decision_stands(world: World) -> None:
    before = {
        "decision": "Approved",
        "decidedBy": "bob",
        "decidedAt": "2026-01-01T00:00:00Z",
        "scope": "once",
    }
    for change in (
        {"decision": "Denied"},
        {"scope": "run"},
        {"decidedBy": "alice"},
        {"decision": None},
        {"comment": "x"},
        {},
    ):
        answer = await world.admit(request({**before, **change}, before=before))
        assert not answer.allowed
        assert "already decided: Approved by bob" in answer.message
        if change:
            answer = await world.admit(request({**before, **change}, before=before, user=CONTROLLER))
            assert "already decided: Approved by bob" in answer.message
    conditions = {**before, "conditions": [{"type": "Delivered"}]}
    assert (await world.admit(request(conditions, before=before, user=CONTROLLER))).allowed


async def test_controllers_only_let_requests_expire(world: World) -> None:
    assert (await world.admit(request({"decision": "Expired"}, user=CONTROLLER))).allowed
    answer = await world.admit(request({"decision": "Approved"}, user=CONTROLLER))
    assert "controllers only set Expired" in answer.message
    assert answer.causes[0].field == "status.decision"


async def test_people_do_not_set_expired(world: World) -> None:
    assert "only the controllers" in (await world.admit(request({"decision": "Expired"}))).message


async def test_what_has_expired_cannot_be_decided(world: World) -> None:
    answer = await world.admit(request({"decision": "Approved"}, expires=timedelta(seconds=-1)))
    assert "expired at" in answer.message
    late = request({"decision": "Expired"}, expires=timedelta(seconds=-1), user=CONTROLLER)
    assert (await world.admit(late)).allowed


RUN_ACCOUNTS = {
    "labelled": {"labels": {"sympozium.ai/run": "r"}},
    "owned": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod"}, {"apiVersion": "sympozium.ai/v1alpha1", "kind": "AgentRun", "name": "r"}]},
}  # fmt: skip


@pytest.mark.parametrize("meta", RUN_ACCOUNTS.values(), ids=RUN_ACCOUNTS)
@pytest.mark.parametrize("decision", ["Approved", "Denied"])
async def test_no_identity_of_a_run_decides_whatever_it_is_called(world: World, meta, decision) -> None:
    world.put("ServiceAccount", "ns", "anything", **meta)
    answer = await world.admit(request({"decision": decision}, user="system:serviceaccount:ns:anything"))
    assert (answer.allowed, answer.code) == (False, 403)
    assert "a person decides, not a run" in answer.message


@pytest.mark.parametrize(
    ("user", "groups", "text"),
    [
        ("system:node:n1", ["system:nodes"], "identity of a node"),
        ("n1", ["system:nodes"], "identity of a node"),
        ("system:node:n1", [], "identity of a node"),
        ("system:anonymous", ["system:unauthenticated"], "nobody is logged in"),
        ("system:anonymous", [], "nobody is logged in"),
        ("x", ["system:unauthenticated"], "nobody is logged in"),
        ("x", ["system:serviceaccounts"], "groups of a ServiceAccount"),
        ("system:serviceaccount:ns:gone", ["system:serviceaccounts"], "is not in namespace ns"),
        ("system:serviceaccount:sympozium-system:sympozium-webhook", [], "identity of this webhook"),
    ],
)
async def test_what_is_no_person_does_not_decide(world: World, user, groups, text) -> None:
    world.put("ServiceAccount", SYSTEM, "sympozium-webhook")
    answer = await world.admit(request({"decision": "Approved"}, user=user, groups=groups))
    assert (answer.allowed, answer.code) == (False, 403)
    assert text in answer.message


@pytest.mark.parametrize("user", ["system:serviceaccount:ns:bot", "system:serviceaccount:ns:r", "bob"])
async def test_others_may_whom_rbac_lets(world: World, user: str) -> None:
    """Also one that is called as a run is: what it is called says nothing."""
    for name in ("bot", "r"):
        world.put("ServiceAccount", "ns", name, ownerReferences=[{"kind": "Deployment", "name": "r"}])
    assert (await world.admit(request({"decision": "Denied"}, user=user))).allowed


async def test_without_the_mutating_webhook_nobody_can_say_who_decided(world: World) -> None:
    for status in (
        {"decision": "Approved"},
        {"decision": "Approved", "decidedBy": "the-boss", "decidedAt": "2026-01-01T00:00:00Z"},
        {"decision": "Approved", "decidedBy": "alice"},
    ):
        answer = await world.validate(request(status))
        assert (answer.allowed, answer.causes[0].field) == (False, "status.decidedBy")


OWNER = {"apiVersion": "sympozium.ai/v1alpha1", "kind": "AgentRun", "name": "r", "uid": "1"}
META = {
    "name": "a",
    "labels": {"sympozium.ai/run": "r", "team": "a"},
    "annotations": {"sympozium.ai/call-id": "c1"},
    "ownerReferences": [OWNER],
}  # fmt: skip


def edited(*, user: str = "alice", spec: dict | None = None, **meta) -> dict:
    old = {"apiVersion": "sympozium.ai/v1alpha1", "kind": "ApprovalRequest", "metadata": META, "spec": SPEC}
    new = {**old, "metadata": {**META, **meta}, "spec": {**SPEC, **(spec or {})}}
    return review("ApprovalRequest", new, old=old, user=user)


@pytest.mark.parametrize(
    ("meta", "field"),
    [
        ({"annotations": {"sympozium.ai/call-id": "c2"}}, "metadata.annotations[sympozium.ai/call-id]"),
        ({"annotations": {}}, "metadata.annotations[sympozium.ai/call-id]"),
        ({"annotations": None}, "metadata.annotations[sympozium.ai/call-id]"),
        ({"labels": {"sympozium.ai/run": "other"}}, "metadata.labels[sympozium.ai/run]"),
        ({"labels": {**META["labels"], "sympozium.ai/new": "x"}}, "metadata.labels[sympozium.ai/new]"),
        ({"ownerReferences": [OWNER, {**OWNER, "uid": "2"}]}, "metadata.ownerReferences[1]"),
        ({"ownerReferences": [{**OWNER, "uid": "2"}]}, "metadata.ownerReferences[0]"),
        ({"spec": {"tool": "other"}}, "spec"),
    ],
)
async def test_a_request_stays_with_its_call_and_its_run(world: World, meta, field) -> None:
    answer = await world.validate(edited(**meta))
    assert (answer.code, [cause.field for cause in answer.causes]) == (403, [field])
    assert (await world.validate(edited(user=CONTROLLER, **meta))).allowed


@pytest.mark.parametrize(
    "meta",
    [
        {"finalizers": ["x/y"]},
        {"labels": {"sympozium.ai/run": "r"}},
        {"annotations": {**META["annotations"], "note": "mine"}},
        {"ownerReferences": []},
        {"ownerReferences": None},
    ],
)
async def test_the_rest_of_its_metadata_is_free(world: World, meta) -> None:
    assert (await world.validate(edited(**meta))).allowed


async def test_an_author_without_a_decision_is_refused(world: World) -> None:
    answer = await world.admit(request({"decidedBy": "the-boss"}))
    assert answer.causes[0].field == "status.decidedBy"
    assert (await world.admit(request({"conditions": []}))).allowed


async def test_only_the_controllers_make_requests(world: World) -> None:
    assert (await world.admit(review("ApprovalRequest", user=CONTROLLER, **SPEC))).allowed
    assert (
        "made by the controllers"
        in (await world.admit(review("ApprovalRequest", user="admin", **SPEC))).message
    )


@pytest.mark.parametrize(
    ("asked", "field", "message"),
    [
        (request({"comment": "x"}), "status.comment", "set status.decision to Approved or Denied with it"),
        (request({"decision": "Expired"}), "status.decision", "only the controllers set Expired; people set Approved or Denied"),
        (request({"decision": "Denied"}, before={"decision": "Approved", "decidedBy": "bob"}), "status.decision", "already decided: Approved by bob"),
    ],
)  # fmt: skip
async def test_refusals_say_where_and_why(world: World, asked: dict, field: str, message: str) -> None:
    answer = await world.admit(asked)
    assert not answer.allowed
    assert [(cause.field, cause.message) for cause in answer.causes] == [(field, message)]


async def test_without_a_time_to_expire_it_can_be_decided(world: World) -> None:
    asked = request({"decision": "Approved"})
    for obj in (asked["request"]["object"], asked["request"]["oldObject"]):
        obj["spec"] = dict(SPEC)
    assert (await world.admit(asked)).allowed


CALL = "says which call of which run this is, and is the controllers' to write: a decision holds for that call alone"
PLACED = (
    "is set from the request, to whoever decides: is the MutatingWebhookConfiguration sympozium in place?"
)


@pytest.mark.parametrize(
    ("asked", "field", "message"),
    [
        (review("ApprovalRequest", **SPEC), "spec", "approval requests are made by the controllers, when a run asks for one"),
        (edited(annotations={}), "metadata.annotations[sympozium.ai/call-id]", CALL),
        (edited(ownerReferences=[{**OWNER, "uid": "2"}]), "metadata.ownerReferences[0]", "a request belongs to the run that asked, and to no other"),
        (edited(spec={"tool": "other"}), "spec", "an approval request does not change"),
        (request({"decision": "Approved"}), "status.decidedBy", PLACED),
    ],
)  # fmt: skip
async def test_what_may_not_be_written_says_why(world: World, asked: dict, field: str, message: str) -> None:
    answer = await world.validate(asked)
    assert [(cause.field, cause.message) for cause in answer.causes] == [(field, message)]
