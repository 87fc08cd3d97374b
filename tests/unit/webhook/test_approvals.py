from datetime import UTC, datetime, timedelta

import pytest
from tests.unit.webhook.world import CONTROLLER, World, review

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
    return review("ApprovalRequest", new, old=old, user=user, subresource="status")


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
    ):
        answer = await world.admit(request({**before, **change}, before=before))
        assert not answer.allowed
        assert "already decided: Approved by bob" in answer.message
    conditions = {**before, "conditions": [{"type": "Delivered"}]}
    assert (await world.admit(request(conditions, before=before, user=CONTROLLER))).allowed


async def test_controllers_only_let_requests_expire(world: World) -> None:
    assert (await world.admit(request({"decision": "Expired"}, user=CONTROLLER))).allowed
    answer = await world.admit(request({"decision": "Approved"}, user=CONTROLLER))
    assert "controllers only set Expired" in answer.message


async def test_people_do_not_set_expired(world: World) -> None:
    assert "only the controllers" in (await world.admit(request({"decision": "Expired"}))).message


async def test_what_has_expired_cannot_be_decided(world: World) -> None:
    answer = await world.admit(request({"decision": "Approved"}, expires=timedelta(seconds=-1)))
    assert "expired at" in answer.message
    late = request({"decision": "Expired"}, expires=timedelta(seconds=-1), user=CONTROLLER)
    assert (await world.admit(late)).allowed


@pytest.mark.parametrize(
    "account",
    [
        "r",
        "r-skill-k8s-ops",
        "r-skill-a-skill-b",
        "very-long-name-that-had-to-be-cut-somewhere-in-t-0123456789",
    ],
)
async def test_no_identity_of_a_run_decides(world: World, account: str) -> None:
    answer = await world.admit(request({"decision": "Approved"}, user=f"system:serviceaccount:ns:{account}"))
    assert not answer.allowed
    assert "a person decides, not a run" in answer.message


@pytest.mark.parametrize("user", ["system:serviceaccount:ns:bot", "system:serviceaccount:other:r", "bob"])
async def test_others_may_whom_rbac_lets(world: World, user: str) -> None:
    assert (await world.admit(request({"decision": "Denied"}, user=user))).allowed


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
