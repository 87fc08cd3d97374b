"""Approvals: what waits for a person, and the person's decision. `/api/v1/approvals`."""

from fastapi import APIRouter

from sympozium.actions.approvals import Decision, decide
from sympozium.kube.resources import key_of
from sympozium.server.access import Caller, CallerOf
from sympozium.server.copies import RUNS
from sympozium.server.govern.approvals import State, approvals, summary
from sympozium.server.govern.sight import Sight
from sympozium.server.models.govern import Approval, Approvals, ApprovalSummary, Denial
from sympozium.server.names import NamePath, NamespacePath, NamespaceQuery
from sympozium.server.parts import Parts, PartsOf

router = APIRouter(tags=["approvals"])


@router.get("/approvals")
async def list_approvals(
    caller: CallerOf, parts: PartsOf, namespace: NamespaceQuery = None, state: State = "waiting"
) -> Approvals:
    """Requests of the namespaces that the caller may list them in."""
    return await approvals(Sight(caller, parts, namespace), state)


@router.post("/namespaces/{namespace}/approvals/{name}/approve")
async def approve(
    caller: CallerOf,
    parts: PartsOf,
    namespace: NamespacePath,
    name: NamePath,
    decision: Approval | None = None,
) -> ApprovalSummary:
    """Let the call go on. 409 where it has been decided, or is about another call than the one that was seen."""
    return await _decide(caller, parts, namespace, name, "Approved", decision or Approval())


@router.post("/namespaces/{namespace}/approvals/{name}/deny")
async def deny(
    caller: CallerOf, parts: PartsOf, namespace: NamespacePath, name: NamePath, decision: Denial | None = None
) -> ApprovalSummary:
    """Refuse the call; the run goes on without it."""
    said = decision or Denial()
    return await _decide(
        caller, parts, namespace, name, "Denied", Approval(comment=said.comment, args_digest=said.args_digest)
    )


async def _decide(
    caller: Caller, parts: Parts, namespace: str, name: str, decision: Decision, said: Approval
) -> ApprovalSummary:
    """As the caller: who decided is what Kubernetes knows of this request."""
    decided = await decide(
        caller.kube,
        namespace,
        name,
        decision,
        comment=said.comment,
        scope=said.scope,
        args_digest=said.args_digest,
    )
    sight = Sight(caller, parts, namespace)
    run = parts.copies[RUNS].get(namespace, decided["spec"]["runRef"])
    seen = run is not None and await sight.may("list", RUNS, namespace)
    return await summary(sight, decided, {key_of(run): run} if run and seen else {})
