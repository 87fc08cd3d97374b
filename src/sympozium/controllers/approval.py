"""ApprovalRequests: tell the run what was decided, and expire what nobody decided.

A person decides by writing the status; this controller may only write `Expired`. The decision goes to the tool
server bound to the digest of the arguments. It is sent again after a restart of this process, as long as the run
goes on: the bus drops what it has, and the tool server takes a decision once. A later attempt of the run that asks
again gets it again, since its tool server knows nothing of the first one's messages.
"""

from typing import Final

from sympozium.api import ApprovalRequest
from sympozium.api.approval import ANNOTATION_CALL
from sympozium.api.base import Object
from sympozium.api.run import TERMINAL
from sympozium.controllers.context import Context
from sympozium.controllers.run.port import Bus, Ref
from sympozium.kube import Controller, Request, Result
from sympozium.kube.conditions import parse_time
from sympozium.telemetry.metrics import counter

_DECIDED: Final = counter("sympozium_approvals_decided_total", "Decisions sent to runs.", ["decision"])


def decision(approval: ApprovalRequest) -> Object:
    """What was decided, as data of `approval.decided`."""
    status = approval.status
    return {
        "callId": approval.metadata.annotations.get(ANNOTATION_CALL, ""),
        "argsDigest": approval.spec.args_digest,
        "decision": status.decision,
        "decidedBy": status.decided_by or "",
        "scope": status.scope or "once",
        "comment": status.comment or "",
    }


class ApprovalController:
    """Level-triggered on the request and its run, and on time."""

    def __init__(self, context: Context, bus: Bus) -> None:
        self._context = context
        self._bus = bus
        self._sent: set[str] = set()
        caches = context.caches
        self.controller = Controller("approval", self.reconcile)
        self.controller.watches(caches.approvals)
        self.controller.watches(caches.runs, self._of_ended_run)

    async def reconcile(self, request: Request) -> Result:
        caches = self._context.caches
        obj = caches.approvals.get(request.namespace, request.name)
        if obj is None or obj["metadata"].get("deletionTimestamp"):
            return Result()
        approval = ApprovalRequest.model_validate(obj)
        ref = self._run(approval)
        if approval.status.decision is not None:
            if ref is not None:
                await self._send(ref, approval)
            return Result()
        now = self._context.now()
        left = (parse_time(approval.spec.expires_at) - now).total_seconds()
        if ref is not None and left > 0:
            return Result(left)
        words = "nobody decided in time" if ref is not None else "the run has ended"
        await self._context.client.patch_status(
            caches.approvals.resource, obj, {"decision": "Expired", "comment": words}
        )
        self._context.recorder.event(obj, "Normal", "Expired", words)
        return Result()

    async def _send(self, ref: Ref, approval: ApprovalRequest) -> None:
        if approval.metadata.uid in self._sent:
            return
        await self._bus.decide(ref, decision(approval), once=approval.metadata.uid)
        self._sent.add(approval.metadata.uid)
        _DECIDED.labels(approval.status.decision).inc()

    def _run(self, approval: ApprovalRequest) -> Ref | None:
        """The run that waits; None when it has ended, is gone, or is another one of the same name."""
        run = self._context.caches.runs.get(approval.namespace, approval.spec.run_ref)
        if run is None or (run.get("status") or {}).get("phase") in TERMINAL:
            return None
        uid = run["metadata"]["uid"]
        if all(reference.uid != uid for reference in approval.metadata.owner_references):
            return None
        return Ref(approval.namespace, approval.spec.run_ref, uid)

    def _of_ended_run(self, run: Object) -> list[Request]:
        if (run.get("status") or {}).get("phase") not in TERMINAL:
            return []
        key = f"{run['metadata']['namespace']}/{run['metadata']['name']}"
        found = self._context.caches.approvals.by_index("run", key)
        return [Request(a["metadata"]["namespace"], a["metadata"]["name"]) for a in found]
