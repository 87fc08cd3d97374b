"""What the messages of the bus cause: progress of runs, and ApprovalRequests.

The run controller writes the status; this only says that there is something to write. Messages of runs that have
ended or are gone change nothing any more.
"""

import logging
from datetime import timedelta
from typing import Final

from sympozium import resources
from sympozium.api import ApprovalRequest
from sympozium.api.approval import ANNOTATION_CALL
from sympozium.api.base import Object
from sympozium.api.config import NAME as CONFIG
from sympozium.api.meta import owner_reference
from sympozium.api.run import TERMINAL, AgentRun
from sympozium.controllers.approval import decision
from sympozium.controllers.context import Context
from sympozium.controllers.run import figures
from sympozium.controllers.run.fold import STATUS_TYPES
from sympozium.controllers.run.plan import names
from sympozium.controllers.run.port import ApprovalWanted, Bus, Ref, Request as Asked, Stored
from sympozium.controllers.run.progress import ProgressStore
from sympozium.controllers.run.requests import Requests
from sympozium.kube import AlreadyExistsError, Controller, ForbiddenError, InvalidError, Request
from sympozium.kube.conditions import parse_time, rfc3339
from sympozium.telemetry import logs, metrics

log = logging.getLogger(__name__)

_LATE: Final = metrics.counter(
    "sympozium_run_messages_late_total", "Messages of runs that had ended or were gone.", ["type"]
)
_APPROVALS: Final = metrics.counter(
    "sympozium_approvals_requested_total", "Tool calls that asked for a person."
)


class RunMessages:
    """The handler of the bus consumer."""

    def __init__(
        self, context: Context, controller: Controller, store: ProgressStore, bus: Bus, requests: Requests
    ) -> None:
        self._context = context
        self._bus = bus
        self._requests = requests
        self._controller = controller
        self._store = store

    async def event(self, ref: Ref, stored: Stored) -> None:
        """Take it into the run's progress, and have the status written."""
        caches = self._context.caches
        run = caches.runs.get(ref.namespace, ref.name)
        figures.count(stored.event, run, caches.configs.get(self._context.system_namespace, CONFIG))
        with logs.bind(namespace=ref.namespace, run=ref.name):
            if self._live(ref) is None:
                _LATE.labels(stored.event.type).inc()
                return
            await self._store.add(ref, stored)
            if stored.event.type == "tool.approval" and stored.event.data.get("state") == "Expired":
                await self._expire(ref, stored)
            if stored.event.type in STATUS_TYPES:
                self._controller.enqueue(Request(ref.namespace, ref.name))

    async def approval(self, ref: Ref, wanted: ApprovalWanted) -> None:
        """Make the ApprovalRequest. Its name derives from run, call and digest, so asking twice makes one, and asking for
        something else (the policy or what would be changed is another now) makes another.
        """
        with logs.bind(namespace=ref.namespace, run=ref.name):
            run = self._live(ref)
            if run is None:
                _LATE.labels("approval").inc()
                return
            manifest = approval_manifest(AgentRun.model_validate(run), run, wanted)
            try:
                made = await self._context.client.create(resources.APPROVALS, manifest)
            except AlreadyExistsError:
                await self._answer_again(ref, manifest, wanted)
                return
            except (InvalidError, ForbiddenError) as error:
                # It would be refused again each time it came: the call waits in vain and says so when it expires.
                log.error("approval request for %s refused: %s", wanted.tool, error)  # noqa: TRY400 - the text says it
                self._context.recorder.event(run, "Warning", "ApprovalRefused", f"{wanted.tool}: {error}")
                return
            _APPROVALS.inc()
            self._context.caches.approvals.mutation(made)
            self._context.recorder.event(
                run, "Normal", "ApprovalRequested",
                f"{wanted.tool} waits for a decision: {manifest['metadata']['name']}",
            )  # fmt: skip

    async def _expire(self, ref: Ref, stored: Stored) -> None:
        """What the tool server does not wait for any more, because the policy changed, is not there to be decided."""
        digest = stored.event.data.get("argsDigest")
        approvals = self._context.caches.approvals
        for obj in approvals.by_index("run", f"{ref.namespace}/{ref.name}"):
            if obj["spec"]["argsDigest"] == digest and not (obj.get("status") or {}).get("decision"):
                words = str(stored.event.data.get("comment") or "the call does not wait any more")
                await self._context.client.patch_status(
                    approvals.resource, obj, {"decision": "Expired", "comment": words}
                )
                self._context.recorder.event(obj, "Normal", "Expired", words)

    async def request(self, ref: Ref, request: Asked) -> None:
        """Make a run or a schedule for a run, and answer it."""
        with logs.bind(namespace=ref.namespace, run=ref.name):
            run = self._live(ref)
            if run is None:
                _LATE.labels(request.kind).inc()
                return
            await self._requests.handle(ref, run, request)

    async def _answer_again(self, ref: Ref, manifest: Object, wanted: ApprovalWanted) -> None:
        """An attempt of the run asks what an earlier one has asked. What was decided may have been taken off the
        bus by the tool server that is gone, so this one is told under a name of its own.
        """
        metadata = manifest["metadata"]
        # When it was deleted in this moment, this raises; the request comes again and makes a new one.
        found = await self._context.client.get(resources.APPROVALS, metadata["name"], metadata["namespace"])
        known = ApprovalRequest.model_validate(found)
        if known.status.decision is not None:
            await self._bus.decide(ref, decision(known), once=f"{known.metadata.uid}-{wanted.time}")

    def _live(self, ref: Ref) -> Object | None:
        """The run, if it is this one and goes on."""
        run = self._context.caches.runs.get(ref.namespace, ref.name)
        if run is None or run["metadata"]["uid"] != ref.uid:
            return None
        return None if (run.get("status") or {}).get("phase") in TERMINAL else run


def approval_manifest(run: AgentRun, obj: Object, wanted: ApprovalWanted) -> Object:
    """The ApprovalRequest of a tool call. Times are those of the request: asking again changes none."""
    asked = parse_time(wanted.time)
    spec: Object = {
        "runRef": run.name,
        "tool": wanted.tool,
        "args": dict(wanted.args),
        "argsDigest": wanted.args_digest,
        "requestedAt": rfc3339(asked),
        "expiresAt": rfc3339(asked + timedelta(seconds=wanted.expires_in)),
    }
    optional = {"target": wanted.target, "reason": wanted.reason, "preview": dict(wanted.preview)}
    spec |= {key: value for key, value in optional.items() if value}
    return {
        "apiVersion": resources.APPROVALS.api_version,
        "kind": resources.APPROVALS.kind,
        "metadata": {
            "name": names.approval(run.name, wanted.call_id, wanted.args_digest),
            "namespace": run.namespace,
            "labels": names.labels(run),
            "annotations": {ANNOTATION_CALL: wanted.call_id},
            "ownerReferences": [
                owner_reference(
                    {**obj, "apiVersion": resources.RUNS.api_version, "kind": resources.RUNS.kind}
                )
            ],
        },
        "spec": spec,
    }
