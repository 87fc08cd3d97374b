"""Requests for a person's decision, and whether the caller is such a person."""

import asyncio
from typing import Final, Literal

from sympozium.actions.approvals import decision_of
from sympozium.kube.resources import Object
from sympozium.server.copies import APPROVALS, RUNS
from sympozium.server.govern.sight import Key, Sight
from sympozium.server.models.govern import Approvals, ApprovalSummary, Preview

State = Literal["waiting", "decided", "all"]
_DECIDED: Final = 500
_AT_ONCE: Final = 16


async def approvals(sight: Sight, state: State) -> Approvals:
    """What waits comes first, what expires first at its head; then what was decided, the newest first."""
    found = await sight.of(APPROVALS)
    runs = await sight.beside_by_key(RUNS)
    waiting = sorted((obj for obj in found if not decision_of(obj)), key=_expires)
    decided = sorted((obj for obj in found if decision_of(obj)), key=_decided_at, reverse=True)
    chosen = waiting if state != "decided" else []
    chosen = [*chosen, *decided[:_DECIDED]] if state != "waiting" else chosen
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(obj: Object) -> ApprovalSummary:
        async with limit:
            return await summary(sight, obj, runs)

    items = await asyncio.gather(*(one(obj) for obj in chosen))
    left = max(0, len(decided) - _DECIDED) if state != "waiting" else 0
    return Approvals(items=list(items), partial=await sight.partial(APPROVALS), left=left)


async def summary(sight: Sight, obj: Object, runs: dict[Key, Object]) -> ApprovalSummary:
    """`runs` are those that the caller may list."""
    metadata, spec, status = obj["metadata"], obj["spec"], obj.get("status") or {}
    namespace, name = metadata["namespace"], metadata["name"]
    run = runs.get((namespace, spec["runRef"]))
    preview = spec.get("preview")
    return ApprovalSummary(
        namespace=namespace,
        name=name,
        run=spec["runRef"],
        instance=run["spec"]["instanceRef"] if run else None,
        tool=spec["tool"],
        target=spec.get("target"),
        args=spec.get("args"),
        args_digest=spec["argsDigest"],
        preview=Preview.model_validate(preview) if preview else None,
        reason=spec.get("reason"),
        requested_at=spec["requestedAt"],
        expires_at=spec.get("expiresAt"),
        decision=status.get("decision"),
        decided_by=status.get("decidedBy"),
        decided_at=status.get("decidedAt"),
        comment=status.get("comment"),
        scope=status.get("scope"),
        may_decide=not decision_of(obj) and await _may_decide(sight, namespace, name),
    )


async def _may_decide(sight: Sight, namespace: str, name: str) -> bool:
    """For all of the namespace, or for this one by its name."""
    if await sight.may("patch", APPROVALS, namespace, subresource="status"):
        return True
    return await sight.may("patch", APPROVALS, namespace, name, "status")


def _expires(obj: Object) -> tuple[str, str]:
    return obj["spec"].get("expiresAt") or "", obj["metadata"]["name"]


def _decided_at(obj: Object) -> tuple[str, str]:
    return obj["status"].get("decidedAt") or "", obj["metadata"]["name"]
