"""A person's decision about a tool call.

Deciding is a patch of `approvalrequests/status`, no more than kubectl could do: who decided is what the API server knows
of the request, not what is sent here. A decision is about the call that the person saw: the patch carries the
resourceVersion of the object whose digest was compared, so that nothing can come between look and decision.
"""

from typing import Final, Literal

from sympozium.actions.errors import MissingError, StaleError
from sympozium.kube import Client, ConflictError
from sympozium.kube.resources import Object
from sympozium.resources import APPROVALS

_TRIES: Final = 5
Decision = Literal["Approved", "Denied"]
Scope = Literal["once", "run"]


async def decide(
    client: Client,
    namespace: str,
    name: str,
    decision: Decision,
    *,
    comment: str | None = None,
    scope: Scope | None = None,
    args_digest: str | None = None,
) -> Object:
    """The request as it is decided. `args_digest` is that of what the person saw, where it is known.

    Raises MissingError, StaleError where the request is about another call or is decided already, and what admission
    refuses.
    """
    status: Object = {"decision": decision}
    if comment:
        status["comment"] = comment
    if scope:
        status["scope"] = scope
    for _ in range(_TRIES):
        found = await find(client, namespace, name)
        digest = found["spec"].get("argsDigest")
        if args_digest is not None and args_digest != digest:
            raise StaleError(
                f"approvalrequest {name} asks for a call with digest {digest}, not for the one that was shown"
                f" ({args_digest}); look again before you decide"
            )
        if decided := decision_of(found):
            before = found["status"]
            raise StaleError(
                f"approvalrequest {name} is already decided: {decided} by {before.get('decidedBy')} at {before.get('decidedAt')}"
            )
        try:
            return await client.patch_status(APPROVALS, found, status)
        except ConflictError:
            continue  # a controller wrote beside us, or another person decided: the next look tells
    raise StaleError(f"approvalrequest {name} changes all the time; look again")


async def find(client: Client, namespace: str, name: str) -> Object:
    """Raises MissingError."""
    found = await client.find(APPROVALS, name, namespace)
    if found is None:
        raise MissingError(f"no approvalrequest {name!r} in namespace {namespace}")
    return found


def decision_of(obj: Object) -> str:
    """Empty while it waits."""
    return str((obj.get("status") or {}).get("decision") or "")
