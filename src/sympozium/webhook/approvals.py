"""Decisions about tool calls: who may make them, that they are made once, and that they stay with their call.

Kubernetes' RBAC on `approvalrequests/status` says who may decide at all. What is checked here is what RBAC cannot
say: controllers only let requests expire, runs and nodes never decide, a decision stands, and the metadata that ties
a request to its call and its run is the controllers' alone.
"""

from datetime import UTC, datetime
from typing import Any, Final

from sympozium.api.approval import OF_A_DECISION
from sympozium.api.base import Object
from sympozium.api.meta import GROUP
from sympozium.kube.client import Client
from sympozium.policy.verdict import Violation
from sympozium.webhook import identity
from sympozium.webhook.review import Answer, Request, allow, forbidden

_FIELD: Final = "status.decision"
_OURS: Final = f"{GROUP}/"


def created(request: Request) -> Answer:
    """Requests are made by the controllers, from what a run's tool server asked: nobody can plant one."""
    if identity.is_controller(request.user):
        return allow()
    return _refused("spec", "approval requests are made by the controllers, when a run asks for one")


def updated(request: Request) -> Answer:
    """A change of an existing request. Its spec is held by the schema, its tie to a call and a run here.

    Everything else in the metadata is free: finalizers, and labels and annotations of other people.
    """
    if identity.is_controller(request.user):
        return allow()
    before, after = request.old.get("metadata") or {}, request.object.get("metadata") or {}
    violations = [
        Violation(
            f"metadata.{field}[{key}]",
            "says which call of which run this is, and is the controllers' to write: a decision holds for that call alone",
        )
        for field in ("labels", "annotations")
        for key in _changed(before.get(field) or {}, after.get(field) or {})
    ]
    # An owner that is gone is taken out by the garbage collector; no owner is put in or made another.
    owners = before.get("ownerReferences") or []
    violations += [
        Violation(f"metadata.ownerReferences[{index}]", "a request belongs to the run that asked, and to no other")
        for index, owner in enumerate(after.get("ownerReferences") or [])
        if owner not in owners
    ]  # fmt: skip
    if request.old.get("spec") != request.object.get("spec"):
        violations.append(Violation("spec", "an approval request does not change"))
    return forbidden(violations) if violations else allow()


async def decided(request: Request, client: Client) -> Answer:
    """An update of the status, after `mutate` has written the author."""
    before: Object = request.old.get("status") or {}
    after: Object = request.object.get("status") or {}
    if before.get("decision"):
        # Also who says again what has been said is told that it had been, and by whom.
        again = not identity.is_controller(request.user)
        if again or any(before.get(field) != after.get(field) for field in OF_A_DECISION):
            return _refused(_FIELD, f"already decided: {before['decision']} by {before.get('decidedBy')}")
        return allow()
    if not after.get("decision"):
        written = [field for field in OF_A_DECISION if after.get(field)]
        if written:
            return _refused(f"status.{written[0]}", "set status.decision to Approved or Denied with it")
        return allow()
    return await _first(request, after, client)


async def _first(request: Request, status: Object, client: Client) -> Answer:
    decision = status["decision"]
    if status.get("decidedBy") != request.user.name or not status.get("decidedAt"):
        return _refused(
            "status.decidedBy",
            "is set from the request, to whoever decides: is the MutatingWebhookConfiguration sympozium in place?",
        )
    if identity.is_controller(request.user):
        return allow() if decision == "Expired" else _refused(_FIELD, "controllers only set Expired")
    if decision not in ("Approved", "Denied"):
        return _refused(_FIELD, "only the controllers set Expired; people set Approved or Denied")
    if problem := await identity.why_it_cannot_decide(request.user, client):
        return _refused(_FIELD, problem)
    expires = (request.old.get("spec") or {}).get("expiresAt", "")
    if expires and datetime.fromisoformat(expires) <= datetime.now(UTC):
        return _refused(_FIELD, f"expired at {expires}: the call has been refused already")
    return allow()


def _changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Our own keys whose values are not what they were."""
    keys = {key for key in before.keys() | after.keys() if key.startswith(_OURS)}
    return sorted(key for key in keys if before.get(key) != after.get(key))


def _refused(field: str, message: str) -> Answer:
    return forbidden([Violation(field, message)])
