"""Decisions about tool calls: who may make them, and that they are made once.

Kubernetes' RBAC on `approvalrequests/status` says who may decide at all. What is checked here is what RBAC cannot
say: controllers only let requests expire, runs never decide, and a decision stands.
"""

from datetime import UTC, datetime

from sympozium.api.approval import OF_A_DECISION
from sympozium.api.base import Object
from sympozium.kube.client import Client
from sympozium.policy.verdict import Violation
from sympozium.webhook import identity
from sympozium.webhook.references import resource
from sympozium.webhook.review import Answer, Request, User, allow, forbidden

_FIELD = "status.decision"


async def created(request: Request) -> Answer:
    """Requests are made by the controllers, from what a run's tool server asked: nobody can plant one."""
    if identity.is_controller(request.user):
        return allow()
    return _refused("spec", "approval requests are made by the controllers, when a run asks for one")


async def decided(request: Request, client: Client) -> Answer:
    """An update of the status, after `mutate` has written the author."""
    before: Object = request.old.get("status") or {}
    after: Object = request.object.get("status") or {}
    if before.get("decision"):
        if any(before.get(field) != after.get(field) for field in OF_A_DECISION):
            return _refused(_FIELD, f"already decided: {before['decision']} by {before.get('decidedBy')}")
        return allow()
    if not after.get("decision"):
        written = [field for field in OF_A_DECISION if after.get(field)]
        if written:
            return _refused(f"status.{written[0]}", "set status.decision to Approved or Denied with it")
        return allow()
    return await _first(request, after["decision"], client)


async def _first(request: Request, decision: str, client: Client) -> Answer:
    if identity.is_controller(request.user):
        return allow() if decision == "Expired" else _refused(_FIELD, "controllers only set Expired")
    if decision == "Expired":
        return _refused(_FIELD, "only the controllers set Expired; people set Approved or Denied")
    if await is_run(request.user, client):
        return _refused(_FIELD, f"{request.user.name} is the identity of a run: a person decides, not a run")
    expires = request.old.get("spec", {}).get("expiresAt", "")
    if expires and datetime.fromisoformat(expires) <= datetime.now(UTC):
        return _refused(_FIELD, f"expired at {expires}: the call has been refused already")
    return allow()


async def is_run(user: User, client: Client) -> bool:
    """Whether a user is a ServiceAccount that belongs to a run."""
    if identity.is_shortened(user):
        return True
    runs = resource("AgentRun")
    for namespace, name in identity.possible_runs(user):
        if await client.find(runs, name, namespace) is not None:
            return True
    return False


def _refused(field: str, message: str) -> Answer:
    return forbidden([Violation(field, message)])
